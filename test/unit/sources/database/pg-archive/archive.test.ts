import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { UserError } from '../../../../../src/errors.ts'
import { gathered, readArchive } from '../../../../../src/sources/database/pg-archive/archive-reader.ts'
import { walkArchive } from '../../../../../src/sources/database/pg-archive/archive-walk.ts'
import { readToc } from '../../../../../src/sources/database/pg-archive/toc.ts'
import { archiveBytes } from '../../../../kit/archive-bytes.ts'
import { entry } from '../../../../kit/toc-entries.ts'

const notes = entry({
  kind: 'TABLE DATA',
  tag: 'notes',
  section: 3,
  hasData: true,
  copyStatement: 'COPY public.notes (id) FROM stdin;\n'
})
const bare = entry({ kind: 'TABLE DATA', tag: 'bare', section: 3, hasData: true })
const large = entry({ kind: 'BLOBS', tag: 'BLOBS', schema: '', section: 3, hasData: true })
const table = entry({
  kind: 'TABLE',
  tag: 'größe "x"',
  definition: 'CREATE TABLE ...;\n',
  dropStatement: 'DROP TABLE ...;\n',
  accessMethod: 'heap',
  needs: [notes.id, bare.id]
})
const entries = [table, notes, bare, large]
const objects = [
  { oid: 4000, pieces: ['large', '', ' object'].filter((piece) => piece !== '') },
  { oid: 4_000_000_000, pieces: [] },
  { oid: 7, pieces: ['x'] }
]
const blocks = [
  { id: notes.id, rows: ['1\tone\n', '2\ttwo\n'] },
  { id: bare.id, rows: [] },
  { id: large.id, objects }
]
const whole = archiveBytes(entries, blocks)

/** The bytes in chunks of so many; each chunk is overwritten as soon as the next is asked for, which a reader must bear. */
async function* chunksOf(bytes: Buffer, size: number) {
  for (let at = 0; at < bytes.length; at += size) {
    const chunk = Buffer.from(bytes.subarray(at, at + size))
    yield chunk
    chunk.fill(0xee)
  }
}

async function readAll(bytes: Buffer, size: number) {
  const reader = await readArchive(chunksOf(bytes, size))
  const found: { id: number; rows?: string; objects?: { oid: number; text: string }[] }[] = []
  for await (const block of reader.blocks()) {
    if (block.kind === 'rows') found.push({ id: block.entry.id, rows: await joined(block.chunks) })
    else {
      const all: { oid: number; text: string }[] = []
      for await (const { oid, chunks } of block.objects) all.push({ oid, text: await joined(chunks) })
      found.push({ id: block.entry.id, objects: all })
    }
  }
  return found
}

async function joined(chunks: AsyncIterable<Uint8Array>): Promise<string> {
  let text = ''
  for await (const chunk of chunks) text += Buffer.from(chunk).toString('latin1')
  return text
}

/** What a walk says of an archive that comes in chunks of such sizes: how many entries it has, or why it is refused. */
function walked(bytes: Buffer, sizes: readonly number[]): number | string {
  const walk = walkArchive()
  try {
    for (let at = 0, turn = 0; at < bytes.length; turn += 1) {
      const size = sizes[turn % sizes.length] ?? bytes.length
      walk.push(bytes.subarray(at, at + size))
      at += size
    }
    return walk.end().entries.length
  } catch (error) {
    if (!(error instanceof UserError)) throw error
    return error.message.replace(/^.*restored: /, '')
  }
}

async function read(bytes: Buffer, size: number): Promise<number | string> {
  try {
    await readAll(bytes, size)
    return readToc(bytes)?.entries.length ?? 'no table of contents'
  } catch (error) {
    if (!(error instanceof UserError)) throw error
    return error.message.replace(/^.*restored: /, '')
  }
}

describe('the table of contents', () => {
  test.each([14, 15, 16] as const)('of format 1.%i is read field by field', (minor) => {
    const toc = readToc(archiveBytes(entries, blocks, { minor, database: 'shop' }))
    expect(toc).toMatchObject({
      format: `1.${minor}`,
      database: 'shop',
      serverVersion: '15.0',
      dumpVersion: '15.0',
      madeAt: new Date(Date.UTC(2026, 2, 4, 5, 6, 7))
    })
    expect(toc?.entries).toEqual(entries)
  })

  test('needs all its bytes, whatever the cut, and nothing behind them', () => {
    const { length } = readToc(whole) ?? { length: 0 }
    for (let end = 0; end < length; end += 1) expect(readToc(whole.subarray(0, end)), `${end} bytes`).toBeNull()
    expect(readToc(whole.subarray(0, length))?.entries).toHaveLength(entries.length)
  })

  const changed = (at: number, value: number) => {
    const bytes = Buffer.from(whole)
    bytes[at] = value
    return bytes
  }
  test.each([
    ['something else', Buffer.from('-- PostgreSQL database dump\n'), 'it does not begin as one'],
    ['a format before PostgreSQL 12', changed(6, 13), 'its format 1.13-0 is not known'],
    ['a format to come', changed(6, 17), 'its format 1.17-0 is not known'],
    ['numbers of another size', changed(8, 8), 'its numbers have another size'],
    ['a directory or tar file', changed(10, 3), 'it has another form'],
    ['two entries of one id', archiveBytes([table, table], []), 'its table of contents makes no sense']
  ])('is refused: %s', (_, bytes, why) => {
    expect(() => readToc(bytes)).toThrow(why)
  })
})

describe('the data of an archive', () => {
  test.each([1, 2, 3, 5, 7, 64, 1_000_000])('comes back whole from chunks of %i bytes', async (size) => {
    expect(await readAll(whole, size)).toEqual([
      { id: notes.id, rows: '1\tone\n2\ttwo\n' },
      { id: bare.id, rows: '' },
      {
        id: large.id,
        objects: [
          { oid: 4000, text: 'large object' },
          { oid: 4_000_000_000, text: '' },
          { oid: 7, text: 'x' }
        ]
      }
    ])
  })

  test('comes in pieces that are gathered, never larger than they may be', async () => {
    const rows = [
      ...Array.from({ length: 3000 }, (_, n) => `${n}\t${'x'.repeat(n % 400)}\n`),
      'y'.repeat(2 * gathered + 9)
    ]
    const reader = await readArchive(chunksOf(archiveBytes([notes], [{ id: notes.id, rows }]), 30_000))
    const lengths: number[] = []
    let text = ''
    for await (const block of reader.blocks()) {
      if (block.kind !== 'rows') continue
      for await (const chunk of block.chunks) {
        lengths.push(chunk.byteLength)
        text += Buffer.from(chunk).toString('latin1')
      }
    }
    expect(text === rows.join('')).toBe(true)
    expect(lengths.slice(0, -1).every((length) => length === gathered)).toBe(true)
  })

  test('is read over where nobody wants it, in the middle, too', async () => {
    const reader = await readArchive(chunksOf(whole, 4))
    const seen: number[] = []
    for await (const block of reader.blocks()) {
      seen.push(block.entry.id)
      if (block.kind === 'largeObjects') for await (const object of block.objects) if (object.oid === 4000) break
    }
    expect(seen).toEqual([notes.id, bare.id, large.id])
  })

  test('lets go of its source when the head is wrong, and when it is closed', async () => {
    let closed = 0
    const source = async function* (bytes: Buffer) {
      try {
        yield bytes
        yield bytes
      } finally {
        closed += 1
      }
    }
    await expect(readArchive(source(Buffer.alloc(100_000, 7)))).rejects.toMatchObject({ code: 'SB603' })
    expect(closed).toBe(1)
    const reader = await readArchive(source(Buffer.concat([whole, Buffer.alloc(70_000)])))
    await reader.close()
    expect(closed).toBe(2)
  })

  const missing = archiveBytes(entries, blocks.slice(1))
  const strange = archiveBytes(entries, [...blocks, { id: 99_999, rows: [] }])
  test.each([
    ['nothing', Buffer.alloc(0), 'it is empty.'],
    ['only a head', whole.subarray(0, 300), 'it ends inside its table of contents.'],
    ['an end within a row', whole.subarray(0, whole.length - 12), 'it ends inside the data of a table.'],
    ['no data of an entry', missing, 'the data of 1 of its entries is missing.'],
    ['data of no entry', strange, 'it holds data that its table of contents does not know.'],
    [
      'something behind it',
      Buffer.concat([whole, Buffer.from('x')]),
      'there is something between the blocks of its data.'
    ]
  ])('is refused alike by both readers: %s', async (_, bytes, why) => {
    for (const size of [1, 5, 1000]) {
      expect(walked(bytes, [size])).toBe(why)
      expect(await read(bytes, size)).toBe(why)
    }
  })

  test('both readers agree on any damage, however the bytes are cut', async () => {
    const damaged = fc
      .record({
        at: fc.nat({ max: whole.length - 1 }),
        byte: fc.nat({ max: 255 }),
        end: fc.integer({ min: 0, max: whole.length })
      })
      .map(({ at, byte, end }) => {
        const bytes = Buffer.from(whole)
        bytes[at] = byte
        return bytes.subarray(0, end)
      })
    const sizes = fc.array(fc.integer({ min: 1, max: 40 }), { minLength: 1, maxLength: 5 })
    await fc.assert(
      fc.asyncProperty(damaged, sizes, async (bytes, some) => {
        const outcome = walked(bytes, [bytes.length])
        expect(walked(bytes, some)).toBe(outcome)
        expect(await read(bytes, some[0] ?? 1)).toBe(outcome)
      }),
      { numRuns: 300 }
    )
  })
})
