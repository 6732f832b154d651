import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { type RowsPiece, wholeRows } from '../../../../../../src/sources/database/restore/rows/split-copy-rows.ts'

const end = '\\.\n\n\n'

/** Pieces as a consumer sees them that keeps what it was given: the memory of each chunk is overwritten when the next one is asked for. */
async function cut(text: string, sizes: readonly number[]): Promise<readonly { text: string; whole: boolean }[]> {
  async function* chunks() {
    const memory = Buffer.alloc(Math.max(...sizes, 1))
    const bytes = Buffer.from(text, 'latin1')
    for (let at = 0, turn = 0; at < bytes.length; turn += 1) {
      const size = Math.min(sizes[turn % sizes.length] ?? 1, bytes.length - at)
      bytes.copy(memory, 0, at, at + size)
      at += size
      yield memory.subarray(0, size)
      memory.fill(0x21)
    }
  }
  const pieces: { text: string; whole: boolean }[] = []
  for await (const piece of wholeRows(chunks()))
    pieces.push({ text: Buffer.from(piece.bytes).toString('latin1'), whole: (piece satisfies RowsPiece).whole })
  return pieces
}

const row = fc
  .array(fc.constantFrom('a', '\\\\', '\\n', '\\.', '\t', '.', '\\N', 'é'), { maxLength: 40 })
  .map((parts) => `${parts.join('').replace(/^\\\.$/, '')}\n`)

describe('rows cut for several sessions', () => {
  test('are all there, in their order, each whole piece ends with a row, and what pg_dump writes at the end is not', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(row, { maxLength: 30 }),
        fc.array(fc.integer({ min: 1, max: 60 }), { minLength: 1, maxLength: 6 }),
        async (rows, sizes) => {
          const pieces = await cut(rows.join('') + end, sizes)
          expect(pieces.map((piece) => piece.text).join('')).toBe(rows.join(''))
          for (const piece of pieces) {
            expect(piece.text).not.toBe('')
            expect(piece.whole).toBe(piece.text.endsWith('\n'))
          }
          expect(pieces.at(-1)?.whole ?? true).toBe(true)
        }
      ),
      { numRuns: 500 }
    )
  })

  test('of an empty table are none', async () => {
    expect(await cut(end, [3])).toEqual([])
    expect(await cut(end, [1000])).toEqual([])
    expect(await cut('', [1])).toEqual([])
  })

  test('without the usual end stay as they are', async () => {
    expect((await cut('1\n2\n', [4])).map((piece) => piece.text).join('')).toBe('1\n2\n')
    // No row of its own: the value that a backslash and a dot would be is written with two backslashes.
    expect((await cut(`1\\.\n\n\n`, [100])).map((piece) => piece.text).join('')).toBe('1\\.\n\n\n')
  })

  test('a row longer than a chunk goes on in the same session', async () => {
    const pieces = await cut(`${'x'.repeat(100)}\n${'y'.repeat(10)}\n${end}`, [30])
    expect(pieces.findIndex((piece) => piece.whole)).toBeGreaterThan(2)
    expect(pieces.map((piece) => piece.text).join('')).toBe(`${'x'.repeat(100)}\n${'y'.repeat(10)}\n`)
  })
})
