import { createHash, randomBytes } from 'node:crypto'
import { mkdir, readdir, readFile, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { diskError } from '../../../src/archive/disk-error.ts'
import { createStoredFileWriter } from '../../../src/archive/stored-writer.ts'
import { failureOf, folderForEach } from './packing.ts'

const folder = folderForEach()
const mega = 1024 * 1024
const sha256 = (bytes: Uint8Array) => createHash('sha256').update(bytes).digest('hex')

test('whatever is written lies there, in order and hashed, around every border of a batch', async () => {
  for (const size of [0, 1, mega - 1, mega, mega + 1, 2 * mega, 3 * mega + 5]) {
    const bytes = randomBytes(size)
    const path = join(folder.path, 'deep', 'er', `file-${size}`)
    const told: number[] = []
    const writer = await createStoredFileWriter(path, { onProgress: (count) => told.push(count) })
    // Parts of one and of several batches.
    await writer.write([bytes.subarray(0, 7), bytes.subarray(7, 9)])
    await writer.write([bytes.subarray(9)])
    expect(await writer.commit()).toEqual({ bytes: size, sha256: sha256(bytes) })
    expect((await readFile(path)).equals(bytes), String(size)).toBe(true)
    expect(told.reduce((sum, count) => sum + count, 0)).toBe(size)
    expect(Math.max(0, ...told)).toBeLessThanOrEqual(mega)
    expect((await stat(path)).mode & 0o777).toBe(0o600)
  }
  expect((await stat(join(folder.path, 'deep'))).mode & 0o777).toBe(0o700)
})

test('a file of more than 64 MiB, which the disk is told to write in between, is whole', async () => {
  const path = join(folder.path, 'large')
  const writer = await createStoredFileWriter(path)
  const part = Buffer.alloc(10 * mega, 5)
  for (let written = 0; written < 7; written += 1) await writer.write([part])
  expect(await writer.commit()).toEqual({ bytes: 70 * mega, sha256: sha256(Buffer.alloc(70 * mega, 5)) })
  expect((await stat(path)).size).toBe(70 * mega)
})

test('a file is never written over, and discarding leaves none, also after the end', async () => {
  const path = join(folder.path, 'a')
  await writeFile(path, 'untouched')
  expect(await failureOf(createStoredFileWriter(path))).toBe(`SB311 ${path} could not be written (EEXIST).`)
  expect(await readFile(path, 'utf8')).toBe('untouched')
  await mkdir(join(folder.path, 'b'))
  expect(await failureOf(createStoredFileWriter(join(folder.path, 'a', 'below')))).toMatch(/^SB311 /)
  for (const commits of [false, true]) {
    const writer = await createStoredFileWriter(join(folder.path, 'b', 'c'))
    await writer.write([Buffer.from('x')])
    if (commits) await writer.commit()
    await writer.discard()
    await writer.discard()
    expect(await readdir(join(folder.path, 'b'))).toEqual([])
  }
})

test('a full disk and a used up quota are told with what is free, anything else with its code', async () => {
  const error = (code: string) => Object.assign(new Error(code), { code })
  const path = join(folder.path, 'database.dump')
  const full = await diskError(path, 5, error('ENOSPC'))
  expect(full).toMatchObject({ code: 'SB310', cause: { code: 'ENOSPC' } })
  expect(full.message).toMatch(
    /^The disk is full: database\.dump needs more than the 5 bytes written so far; \d+ bytes and \d+ files are free there\.$/
  )
  expect((await diskError(path, 5, error('EDQUOT'))).message).toMatch(
    /^The disk quota is used up: database\.dump needs/
  )
  expect((await diskError('/nowhere/at/all', 5, error('ENOSPC'))).message).toBe(
    'The disk is full: all needs more than the 5 bytes written so far; how much is free there could not be read.'
  )
  expect(await diskError(path, 5, error('EIO'))).toMatchObject({
    code: 'SB311',
    message: `${path} could not be written (EIO).`
  })
  expect((await diskError(path, 5, undefined)).code).toBe('SB311')
})
