import { mkdtemp, readdir, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import type { StoredObject } from '../../../../src/archive/contents-storage.ts'
import { divideByPack } from '../../../../src/sources/storage/objects-by-pack.ts'

let folder: string
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'sb-divided-'))
})
afterEach(() => rm(folder, { recursive: true, force: true }))

const object = (number: number, packs: number[], more: Partial<StoredObject> = {}): StoredObject => ({
  bucket: 'papers',
  key: `../../${number}\n"Größe"`,
  entry: number.toString(16).padStart(32, '0'),
  in: packs,
  size: number,
  version: null,
  contentType: null,
  cacheControl: null,
  userMetadata: null,
  id: null,
  ownerId: null,
  createdAt: null,
  updatedAt: null,
  lastAccessedAt: null,
  ...more
})

test('each pack gets the objects that it holds here, whole, also where more come than wait in memory', async () => {
  const facts = {
    packs: ['a', 'b', 'elsewhere', 'c'].map((name) => ({ name: `objects-${name}.tar.zst.age`, sha256: '' }))
  }
  const long = { userMetadata: { text: 'x'.repeat(1000) } }
  const objects = Array.from({ length: 12_000 }, (_, number) =>
    object(number, number % 3 === 0 ? [2, 0] : [number % 3 === 1 ? 1 : 3], long)
  )
  const orphans: string[] = []
  const divided = await divideByPack({
    facts,
    objects: (async function* () {
      yield* objects
      yield object(20_000, [2])
      yield object(20_001, [99])
    })(),
    names: ['objects-a.tar', 'objects-b.tar', 'objects-c.tar', 'contents.json'],
    folder: join(folder, 'divided'),
    onOrphan: ({ entry }) => void orphans.push(entry)
  })
  expect(divided.packs.toSorted()).toEqual(['objects-a.tar', 'objects-b.tar', 'objects-c.tar'])
  for (const [rest, name] of ['objects-a.tar', 'objects-b.tar', 'objects-c.tar'].entries())
    expect([...(await divided.of(name)).values()]).toEqual(objects.filter((_, number) => number % 3 === rest))
  expect(await divided.of('objects-elsewhere.tar')).toEqual(new Map())
  expect(orphans).toEqual([object(20_000, [2]).entry, object(20_001, [99]).entry])
  expect(await readdir(folder)).toEqual(['divided'])
  await divided.remove()
  expect(await readdir(folder)).toEqual([])
})

test('a disk that fails is told', async () => {
  await expect(
    divideByPack({
      facts: { packs: [] },
      objects: (async function* () {
        yield object(1, [0])
      })(),
      names: [],
      folder: '/dev/null/divided',
      onOrphan: () => undefined
    })
  ).rejects.toMatchObject({ code: 'SB311' })
})
