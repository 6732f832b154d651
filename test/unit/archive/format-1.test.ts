import { createHash } from 'node:crypto'
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Readable } from 'node:stream'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { keysOf } from '../../../src/archive/encryption.ts'
import { type Manifest, parseManifest, storedNamesIn } from '../../../src/archive/manifest.ts'
import { readVerifyKey, requireSignature } from '../../../src/archive/signature.ts'
import { foreignNames, openBackup } from '../../../src/archive/unpack.ts'
import { createCompression } from '../../../src/clients/process/zstd.ts'
import { joinVolumes, memoryVolume } from '../../../src/destinations/volumes.ts'

const place = join(import.meta.dirname, 'fixtures', 'format-1')
const id = '20261122T161908Z-k2m7q5xa'
const read = (name: string) => readFile(join(place, name))

let temp: string
let manifest: Manifest
beforeAll(async () => {
  temp = await mkdtemp(join(tmpdir(), 'format-1-'))
  const parsed = parseManifest(await read('manifest.json'))
  if (parsed.kind !== 'ok') throw new Error(JSON.stringify(parsed))
  manifest = parsed.manifest
})
afterAll(() => rm(temp, { recursive: true, force: true }))

async function open(dir: string) {
  const identity = (await read('key.txt')).toString().split('\n')[1] ?? ''
  return openBackup({
    manifest,
    dir: join(temp, dir),
    keys: await keysOf([identity]),
    compression: createCompression({ method: 'zstd', zstd: null, home: temp }),
    signal: new AbortController().signal,
    fetch: (file) => joinVolumes(file, async (name) => memoryVolume(await read(name)))
  })
}

async function sha256Of(stream: Readable): Promise<string> {
  const hash = createHash('sha256')
  for await (const chunk of stream) hash.update(chunk)
  return hash.digest('hex')
}

describe('F66: a backup of format 1 stays readable', () => {
  test('its manifest, its signature, and nothing foreign beside it', async () => {
    requireSignature(manifest, id, [readVerifyKey((await read('verify.pem')).toString())])
    const found = (await readdir(place)).filter((name) => !['.gitattributes', 'key.txt', 'verify.pem'].includes(name))
    expect(found.toSorted()).toEqual(['manifest.json', ...storedNamesIn(manifest)].toSorted())
    expect(foreignNames(manifest, found)).toEqual([])
  })

  test('its contents, names and big numbers exact', async () => {
    const contents = await (await open('contents')).contents()
    expect(contents).toMatchObject({ format: 1, id, project: 'shop' })
    expect(contents.database?.tables[0]).toMatchObject({
      name: 'Größe "1"',
      rows: '9007199254740993',
      hash: { method: 'text', value: '-170141183460469231731687303715884105728' }
    })
  })

  test('its files, joined from their volumes', async () => {
    const backup = await open('files')
    await backup.checkStored()
    const dump = Array.from({ length: 2000 }, (_, index) => `row ${index * index}\n`).join('')
    expect(await sha256Of(backup.files.open('database.dump'))).toBe(createHash('sha256').update(dump).digest('hex'))
  })
})
