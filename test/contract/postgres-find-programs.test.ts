import { mkdir, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import {
  type FindClientOptions,
  findClientPrograms,
  findServerPrograms,
  type Place
} from '../../src/clients/postgres/find-programs.ts'
import { UserError } from '../../src/errors.ts'
import { binDirOf } from '../kit/postgres/programs.ts'

const never = new AbortController().signal
let folder: string
beforeAll(async () => {
  folder = await mkdtemp(path.join(tmpdir(), 'sb-test-'))
})
afterAll(() => rm(folder, { recursive: true, force: true }))

/** A folder with programs that answer `--version` as given. */
async function pretend(name: string, dump: string, restore = dump.replace('pg_dump', 'pg_restore')): Promise<Place> {
  const binDir = path.join(folder, name)
  await mkdir(binDir)
  for (const [program, says] of [
    ['pg_dump', dump],
    ['pg_restore', restore]
  ] as const) {
    await writeFile(path.join(binDir, program), `#!/bin/sh\nprintf '%s\\n' '${says}'\n`, { mode: 0o755 })
  }
  return { binDir, origin: name }
}
const real = (major: 15 | 17 | 18): Place => ({ binDir: binDirOf(major), origin: `real ${major}` })
const find = (options: Omit<FindClientOptions, 'home' | 'signal'>) =>
  findClientPrograms({ home: folder, signal: never, places: [], ...options })

describe('pg_dump and pg_restore', () => {
  test.each([15, 17, 18] as const)('of the major of server %i, whatever the order', async (major) => {
    const client = await find({ serverMajor: major, places: [real(18), real(15), real(17)] })
    expect(client).toMatchObject({
      major,
      binDir: binDirOf(major),
      origin: `real ${major}`,
      pgDump: `${binDirOf(major)}/pg_dump`,
      warnings: []
    })
  })

  test('F6: of a newer major where the own one is missing, never of an older one', async () => {
    expect(await find({ serverMajor: 16, places: [real(15), real(17)] })).toMatchObject({ major: 17 })
    await expect(find({ serverMajor: 17, places: [real(15)] })).rejects.toMatchObject({
      code: 'SB303',
      message: expect.stringMatching(/17: found 15\.\d+ in/)
    })
    await expect(find({ serverMajor: 17 })).rejects.toMatchObject({
      code: 'SB303',
      message: expect.stringContaining('found none')
    })
  })

  test("F19, F42: a program that says anything else is not believed, and Debian's wrapper is not used", async () => {
    const wrapper = path.join(folder, 'wrapper')
    await mkdir(wrapper)
    await writeFile(path.join(wrapper, 'pg_wrapper'), "#!/bin/sh\necho 'pg_dump (PostgreSQL) 17.11'\n", { mode: 0o755 })
    for (const name of ['pg_dump', 'pg_restore']) await symlink('pg_wrapper', path.join(wrapper, name))
    const places = [
      { binDir: wrapper, origin: 'PATH' },
      await pretend('garbage', 'hello'),
      await pretend('halves', 'pg_dump (PostgreSQL) 17.11', 'pg_restore (PostgreSQL) 16.15'),
      { binDir: path.join(folder, 'nowhere'), origin: 'nowhere' }
    ]
    await expect(find({ serverMajor: 17, places })).rejects.toMatchObject({ code: 'SB303' })
    expect(await find({ serverMajor: 17, places: [...places, real(17)] })).toMatchObject({ origin: 'real 17' })
    await expect(find({ serverMajor: 17, pgBin: wrapper })).rejects.toMatchObject({
      code: 'SB305',
      message: expect.stringContaining('wrapper')
    })
    await expect(find({ serverMajor: 17, pgBin: path.join(folder, 'garbage') })).rejects.toMatchObject({
      code: 'SB305'
    })
    await expect(find({ serverMajor: 17, pgBin: path.join(folder, 'halves') })).rejects.toMatchObject({ code: 'SB305' })
    await expect(find({ serverMajor: 17, pgBin: path.join(folder, 'nowhere') })).rejects.toMatchObject({
      code: 'SB305'
    })
  })

  test('T1, T2: with a known hole are replaced where that can be had, else used with a warning; the worst never', async () => {
    const old = await pretend('old', 'pg_dump (PostgreSQL) 17.5')
    const worst = await pretend('worst', 'pg_dump (PostgreSQL) 16.3')
    const installed: number[] = []
    const install = (major: number) => {
      installed.push(major)
      return Promise.resolve(real(17))
    }
    expect(await find({ serverMajor: 17, places: [old], install })).toMatchObject({ origin: 'real 17', warnings: [] })
    expect(installed).toEqual([17])
    const offline = () => Promise.reject(new UserError('SB304', 'no network'))
    expect(await find({ serverMajor: 17, places: [old], install: offline })).toMatchObject({
      version: '17.5',
      warnings: [expect.stringContaining('known holes'), expect.stringContaining('no network')]
    })
    expect(await find({ serverMajor: 17, pgBin: old.binDir })).toMatchObject({
      version: '17.5',
      origin: 'input pg-bin',
      warnings: [expect.stringContaining('known holes')]
    })
    await expect(find({ serverMajor: 16, places: [worst], install: offline })).rejects.toMatchObject({ code: 'SB304' })
    await expect(find({ serverMajor: 16, pgBin: worst.binDir })).rejects.toMatchObject({
      code: 'SB305',
      message: expect.stringContaining('CVE-2024-7348')
    })
  })

  test('older than the server are told, since their dump holds settings that other servers do not know', async () => {
    const client = await find({
      serverMajor: 15,
      serverVersionNumber: 150_020,
      places: [await pretend('older', 'pg_dump (PostgreSQL) 15.19')]
    })
    expect(client.warnings).toEqual([expect.stringContaining('came out before the release of the server')])
  })

  test('that hang are given up when the run ends', async () => {
    const binDir = path.join(folder, 'hanging')
    await mkdir(binDir)
    for (const name of ['pg_dump', 'pg_restore'])
      await writeFile(path.join(binDir, name), '#!/bin/sh\nsleep 600\n', { mode: 0o755 })
    const run = new AbortController()
    const finding = findClientPrograms({ serverMajor: 17, pgBin: binDir, home: folder, signal: run.signal })
    setTimeout(() => run.abort(new Error('enough')), 50)
    await expect(finding).rejects.toThrow('enough')
  })
})

test('server programs of exactly the major, else none', async () => {
  const options = { home: folder, signal: never, places: [real(15), real(18)] }
  expect(await findServerPrograms(18, options)).toMatchObject({
    major: 18,
    binDir: binDirOf(18),
    postgres: `${binDirOf(18)}/postgres`
  })
  expect(await findServerPrograms(17, options)).toBeNull()
  expect(await findServerPrograms(17, { ...options, clientBinDir: binDirOf(17) })).toMatchObject({
    origin: 'beside pg_dump'
  })
  expect(await findServerPrograms(17, { ...options, pgBin: binDirOf(17) })).toMatchObject({ origin: 'input pg-bin' })
})
