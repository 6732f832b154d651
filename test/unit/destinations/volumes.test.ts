import { createHash } from 'node:crypto'
import { mkdtemp, rm, truncate, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { buffer } from 'node:stream/consumers'
import fc from 'fast-check'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import {
  cutIntoVolumes,
  type JoinedFile,
  joinVolumes,
  memoryVolume,
  volumeRanges
} from '../../../src/destinations/volumes.ts'

const signal = new AbortController().signal
const sha256 = (bytes: Uint8Array) => createHash('sha256').update(bytes).digest('hex')
let folder = ''
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'volumes-'))
})
afterAll(() => rm(folder, { recursive: true, force: true }))

async function localFile(content: Uint8Array) {
  const path = join(folder, `f${sha256(content).slice(0, 12)}`)
  await writeFile(path, content)
  return { path, bytes: content.byteLength, sha256: sha256(content) }
}

describe('volumeRanges', () => {
  test('pieces cover the file, none is larger, and their names sort in order', () => {
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 20_000 }), fc.integer({ min: 1, max: 500 }), (bytes, largest) => {
        const ranges = volumeRanges(bytes, largest)
        let at = 0
        for (const range of ranges) {
          expect(range.start).toBe(at)
          expect(range.bytes).toBeLessThanOrEqual(largest)
          at += range.bytes
        }
        expect(at).toBe(bytes)
        const suffixes = ranges.map((range) => range.suffix)
        expect([...suffixes].sort()).toEqual(suffixes)
      })
    )
  })
  test('names', () => {
    expect(volumeRanges(10, 10).map((range) => range.suffix)).toEqual([''])
    expect(volumeRanges(11, 10).map((range) => range.suffix)).toEqual(['.000', '.001'])
    expect(volumeRanges(1001, 1).at(-1)?.suffix).toBe('.1000')
    expect(volumeRanges(1001, 1).at(0)?.suffix).toBe('.0000')
  })
})

describe('cutting and joining', () => {
  test('what was cut joins to the same bytes, each volume with its own digest', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.uint8Array({ minLength: 1, maxLength: 3000 }),
        fc.integer({ min: 1, max: 900 }),
        async (content, largest) => {
          const file = await localFile(content)
          const volumes = await cutIntoVolumes('x.age', file, largest, signal)
          const stored = new Map(
            await Promise.all(volumes.map(async (v) => [v.name, await buffer(v.body.open())] as const))
          )
          for (const { name, body } of volumes) expect(sha256(stored.get(name) ?? Buffer.alloc(0))).toBe(body.sha256)
          const entries = volumes.map(({ name, body }) => ({ name, bytes: body.bytes, sha256: body.sha256 }))
          const manifest: JoinedFile = { name: 'x.age', bytes: file.bytes, sha256: file.sha256, volumes: entries }
          const back = await buffer(
            joinVolumes(manifest, async (name) => memoryVolume(stored.get(name) ?? Buffer.alloc(0)))
          )
          expect(back.equals(Buffer.from(content))).toBe(true)
        }
      ),
      { numRuns: 40 }
    )
  })

  test('a file that fits stays one volume that can be linked', async () => {
    const file = await localFile(Buffer.from('small'))
    expect(await cutIntoVolumes('x', file, 5, signal)).toMatchObject([
      { name: 'x', body: { path: file.path, bytes: 5, sha256: file.sha256 } }
    ])
  })

  test('a file that changed after it was written is not cut', async () => {
    const file = await localFile(Buffer.from('0123456789'))
    await writeFile(file.path, '0123456780')
    await expect(cutIntoVolumes('x', file, 4, signal)).rejects.toMatchObject({ code: 'SB501' })
    await truncate(file.path, 6)
    await expect(cutIntoVolumes('x', file, 4, signal)).rejects.toThrow('shorter')
  })

  const pieces = [Buffer.from('abcd'), Buffer.from('efgh'), Buffer.from('ij')]
  const whole = Buffer.concat(pieces)
  const manifest: JoinedFile = {
    name: 'x',
    bytes: whole.byteLength,
    sha256: sha256(whole),
    volumes: pieces.map((piece, index) => ({ name: `x.00${index}`, bytes: piece.byteLength, sha256: sha256(piece) }))
  }
  const wrong: readonly [string, readonly Buffer[], JoinedFile][] = [
    ['a flipped byte', [Buffer.from('abcd'), Buffer.from('efgx'), Buffer.from('ij')], manifest],
    ['a short volume', [Buffer.from('abcd'), Buffer.from('efgh'), Buffer.from('i')], manifest],
    ['a long volume', [Buffer.from('abcd'), Buffer.from('efgh'), Buffer.from('ijk')], manifest],
    ['volumes that were exchanged', [Buffer.from('efgh'), Buffer.from('abcd'), Buffer.from('ij')], manifest],
    [
      'a manifest whose whole differs from its volumes',
      pieces,
      { ...manifest, sha256: sha256(Buffer.from('abcdefghik')) }
    ],
    ['a manifest that leaves a volume out', pieces, { ...manifest, volumes: manifest.volumes?.slice(0, 2) }]
  ]
  test.each(wrong)('%s ends in an error, never in an end', async (_, stored, entry) => {
    const stream = joinVolumes(entry, async (name) => memoryVolume(stored[Number(name.at(-1))] ?? Buffer.alloc(0)))
    let ended = false
    stream.on('end', () => {
      ended = true
    })
    await expect(buffer(stream)).rejects.toMatchObject({ code: 'SB501' })
    expect(ended).toBe(false)
  })

  test('a body that states the right length but ends early is noticed', async () => {
    const short = { ...memoryVolume(Buffer.from('abc')), bytes: 4 }
    await expect(
      buffer(joinVolumes({ name: 'y', bytes: 4, sha256: sha256(Buffer.from('abcd')) }, async () => short))
    ).rejects.toMatchObject({
      code: 'SB501'
    })
  })
})
