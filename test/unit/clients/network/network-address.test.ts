import { expect, test } from 'vitest'
import { type AddressKind, addressKind } from '../../../../src/clients/network/network-address.ts'

test.each<[AddressKind, readonly string[]]>([
  ['public', ['1.1.1.1', '140.82.121.3', '172.32.0.1', '2606:4700::1111', '::ffff:1.1.1.1', '64:ff9b::101:101']],
  ['loopback', ['127.0.0.1', '127.255.0.3', '::1', '::ffff:127.0.0.1', '::ffff:7f00:1']],
  [
    'private',
    [
      '10.0.0.1',
      '172.16.0.1',
      '172.31.255.255',
      '192.168.1.1',
      '100.100.100.200',
      'fd00:ec2::254',
      'fc00::1',
      '::ffff:10.0.0.1',
      '64:ff9b::a00:1'
    ]
  ],
  [
    'forbidden',
    [
      ...[
        '169.254.169.254',
        '0.0.0.0',
        '0.1.2.3',
        '224.0.0.1',
        '255.255.255.255',
        '168.63.129.16',
        '192.0.0.192',
        '203.0.113.1'
      ],
      ...[
        '::',
        '::127.0.0.1',
        'fe80::1',
        'fe80::1%eth0',
        'ff02::1',
        '2002:7f00:1::',
        '2001::1',
        '::ffff:169.254.169.254',
        '64:ff9b::a9fe:a9fe'
      ],
      ...['', 'localhost', '1.2.3', '0x7f.1']
    ]
  ]
])('%s addresses', (kind, addresses) => {
  for (const address of addresses) expect([address, addressKind(address)]).toEqual([address, kind])
})
