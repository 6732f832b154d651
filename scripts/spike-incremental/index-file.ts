import { createCipheriv, createDecipheriv, randomBytes, scryptSync } from 'node:crypto'
import { z } from 'zod'
import type { Group, Index } from './capture.ts'

// The index as it lies beside a backup: plain head, then what the database's own password opens. Whoever has that password can read the rows themselves;
// whoever has not learns how many groups there are, and nothing of them.
//
//   0   8  "SBINDEX1"
//   8  16  salt of scrypt (N 2^15, r 8, p 1)
//  24  12  nonce
//  36   n  AES-256-GCM over: 4 bytes length of the JSON, the JSON, then 12 bytes a group in the order of the tables in it; then 16 bytes of tag
//
// A group: block * 2 + half as the difference to the one before (1 byte; 255: 4 bytes more), rows (1 byte: half a page holds 146 at most), sum (7 bytes),
// check (3 bytes). 24 bytes a page of 8 KiB are 0.29 %.

/** N of scrypt. */
const usualCost = 32_768
const magic = Buffer.from('SBINDEX1')
const headSchema = z.object({
  nextXid: z.string(),
  tables: z.array(z.tuple([z.number(), z.number(), z.string(), z.number()]))
})

function keyOf(password: string, salt: Buffer, cost: number): Buffer {
  return scryptSync(password, salt, 32, { N: cost, r: 8, p: 1, maxmem: 64 * 1024 * 1024 })
}

export function sealIndex(index: Index, password: string, cost = usualCost): Buffer {
  const tables = [...index.tables].map(([oid, one]) => [oid, one.file, one.form, one.groups.size] as const)
  const head = Buffer.from(JSON.stringify({ nextXid: index.nextXid, tables }))
  const length = Buffer.alloc(4)
  length.writeUInt32BE(head.length)
  const parts: Buffer[] = [length, head]
  for (const { groups } of index.tables.values()) {
    let before = -1
    for (const group of [...groups.values()].sort((a, b) => a.key - b.key)) {
      parts.push(recordOf(group, group.key - before))
      before = group.key
    }
  }
  const salt = randomBytes(16)
  const nonce = randomBytes(12)
  const cipher = createCipheriv('aes-256-gcm', keyOf(password, salt, cost), nonce)
  cipher.setAAD(magic)
  const sealed = Buffer.concat([...parts.map((part) => cipher.update(part)), cipher.final()])
  return Buffer.concat([magic, salt, nonce, sealed, cipher.getAuthTag()])
}

function recordOf(group: Group, step: number): Buffer {
  const far = step >= 255
  const record = Buffer.alloc(far ? 16 : 12)
  record.writeUInt8(far ? 255 : step, 0)
  if (far) record.writeUInt32BE(step, 1)
  const at = far ? 5 : 1
  record.writeUInt8(group.rows, at)
  record.writeUIntBE(Number(BigInt.asUintN(32, group.sum >> 24n)), at + 1, 4)
  record.writeUIntBE(Number(BigInt.asUintN(24, group.sum)), at + 5, 3)
  record.writeUIntBE(group.check, at + 8, 3)
  return record
}

/** Null where the password is another one, or the file is not as it was written: the next backup is a full one. */
export function openIndex(file: Buffer, password: string, cost = usualCost): Index | null {
  if (file.length < 52 || !file.subarray(0, 8).equals(magic)) return null
  const decipher = createDecipheriv('aes-256-gcm', keyOf(password, file.subarray(8, 24), cost), file.subarray(24, 36))
  decipher.setAAD(magic)
  decipher.setAuthTag(file.subarray(-16))
  let plain: Buffer
  try {
    plain = Buffer.concat([decipher.update(file.subarray(36, -16)), decipher.final()])
  } catch {
    return null
  }
  const headEnd = 4 + plain.readUInt32BE(0)
  const { nextXid, tables } = headSchema.parse(JSON.parse(plain.subarray(4, headEnd).toString()))
  let at = headEnd
  return {
    nextXid,
    tables: new Map(
      tables.map(([oid, file, form, count]) => {
        const groups = new Map<number, Group>()
        let key = -1
        for (let read = 0; read < count; read += 1) {
          const step = plain.readUInt8(at)
          key += step === 255 ? plain.readUInt32BE(at + 1) : step
          at += step === 255 ? 5 : 1
          groups.set(key, {
            key,
            rows: plain.readUInt8(at),
            sum: BigInt.asIntN(56, (BigInt(plain.readUIntBE(at + 1, 4)) << 24n) | BigInt(plain.readUIntBE(at + 5, 3))),
            check: plain.readUIntBE(at + 8, 3)
          })
          at += 11
        }
        return [oid, { file, form, groups }] as const
      })
    )
  }
}
