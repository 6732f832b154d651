import { BlockList, isIP } from 'node:net'

/**
 * Where an address leads. `private`: a network of one's own. `forbidden`: nothing that a message belongs to: link-local and
 * metadata services, multicast, reserved and tunnelled ranges (IANA's special-purpose registries).
 */
export type AddressKind = 'public' | 'loopback' | 'private' | 'forbidden'

const forbidden = blockList(
  [
    '0.0.0.0/8',
    '169.254.0.0/16',
    '192.0.0.0/24',
    '192.0.2.0/24',
    '198.51.100.0/24',
    '203.0.113.0/24',
    '224.0.0.0/4',
    '240.0.0.0/4'
  ],
  [
    '::/96',
    '64:ff9b:1::/48',
    '100::/64',
    '2001::/23',
    '2001:db8::/32',
    '2002::/16',
    '3fff::/20',
    '5f00::/16',
    'fe80::/10',
    'ff00::/8'
  ]
)
// Azure's host service, which hosted runners reach under a public address.
forbidden.addAddress('168.63.129.16')
const loopback = blockList(['127.0.0.0/8'], ['::1/128'])
const ownNetworks = blockList(
  ['10.0.0.0/8', '100.64.0.0/10', '172.16.0.0/12', '192.168.0.0/16', '198.18.0.0/15'],
  ['fc00::/7', 'fec0::/10']
)

function blockList(v4: readonly string[], v6: readonly string[]): BlockList {
  const list = new BlockList()
  for (const range of v4) list.addSubnet(...split(range), 'ipv4')
  for (const range of v6) list.addSubnet(...split(range), 'ipv6')
  return list
}

function split(range: string): [string, number] {
  const [address = '', bits = ''] = range.split('/')
  return [address, Number(bits)]
}

/** @param address an IP address without brackets; what is none is `forbidden`. */
export function addressKind(address: string): AddressKind {
  const version = isIP(address)
  if (version === 0) return 'forbidden'
  const inner = version === 6 ? innerAddress(address) : undefined
  if (inner !== undefined) return addressKind(inner)
  const family = version === 4 ? 'ipv4' : 'ipv6'
  if (loopback.check(address, family)) return 'loopback'
  if (forbidden.check(address, family)) return 'forbidden'
  return ownNetworks.check(address, family) ? 'private' : 'public'
}

/** The IPv4 address inside an IPv6 one: mapped (`::ffff:0:0/96`) or translated by NAT64 (`64:ff9b::/96`). */
function innerAddress(address: string): string | undefined {
  const url = URL.parse(`http://[${address.replace(/%.*$/, '')}]/`)
  const match = /^\[(?:::ffff:|64:ff9b::)([0-9a-f]{1,4}):([0-9a-f]{1,4})\]$/.exec(url?.hostname ?? '')
  if (match === null) return undefined
  const [high, low] = [Number.parseInt(match[1] ?? '', 16), Number.parseInt(match[2] ?? '', 16)]
  return [high >> 8, high & 255, low >> 8, low & 255].join('.')
}
