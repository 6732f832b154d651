import fc from 'fast-check'
import { expect, test } from 'vitest'
import { messageFilter } from '../../../../src/clients/postgres/message-guard.ts'

const violation = (reason: string) => new Error(reason)

function message(kind: string, body: Uint8Array): Buffer {
  const head = Buffer.alloc(5)
  head.write(kind, 'latin1')
  head.writeUInt32BE(body.length + 4, 1)
  return Buffer.concat([head, body])
}

test('however the bytes are cut, notices and notifications are gone and all else is there', () => {
  const messages = fc.array(
    fc.record({ kind: fc.constantFrom('N', 'A', 'D', 'E', 'Z', 'C'), body: fc.uint8Array({ maxLength: 20 }) }),
    { maxLength: 12 }
  )
  fc.assert(
    fc.property(messages, fc.array(fc.integer({ min: 1, max: 9 }), { minLength: 1 }), (all, cuts) => {
      const filter = messageFilter(violation)
      const stream = Buffer.concat(all.map(({ kind, body }) => message(kind, body)))
      const out: Buffer[] = []
      for (let at = 0, cut = 0; at < stream.length; cut += 1) {
        const length = cuts[cut % cuts.length] ?? 1
        out.push(...filter(stream.subarray(at, at + length)))
        at += length
      }
      const kept = all.filter(({ kind }) => kind !== 'N' && kind !== 'A').map(({ kind, body }) => message(kind, body))
      expect(Buffer.concat(out)).toEqual(Buffer.concat(kept))
    }),
    { numRuns: 500 }
  )
})

test('F8: a message is refused by the length that it announces, before its body comes', () => {
  const head = Buffer.from([0x45, 0x40, 0, 0, 0])
  expect(() => messageFilter(violation)(head)).toThrow('before the login')
  const loggedIn = messageFilter(violation)
  loggedIn(message('Z', Buffer.from('I')))
  expect(() => loggedIn(head)).toThrow('a message of 1073741824 bytes')
  const other = messageFilter(violation)
  other(message('Z', Buffer.from('I')))
  expect(() => other(Buffer.from([0x44, 0x40, 0, 0, 0]))).toThrow('a row of 1073741824 bytes')
  expect(() => messageFilter(violation)(Buffer.from([0x52, 0, 0, 0, 3]))).toThrow('without a length')
})
