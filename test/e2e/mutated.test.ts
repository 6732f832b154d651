import { chmod, cp, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { folderDestination } from '../../src/destinations/folder/index.ts'
import { testContext } from '../contract/destination-suite.ts'
import { bundlePath, runAction } from '../kit/action.ts'
import { day, earlierBackup, seedBackup } from '../kit/history.ts'
import { binDirOf } from '../kit/postgres/programs.ts'
import { type PostgresServer, startPostgres } from '../kit/postgres/server.ts'

/** Steps of the bundle that are taken out, each by its text. What is left runs on and says that all is well. */
const steps: readonly (readonly [step: string, text: RegExp, instead: string])[] = [
  ['storing files', /await destination\.put\(backup, name, body\);/, ''],
  [
    'the proof',
    /const proof = await ports\.prove\(\{\s+files: packer\.files,[^;]*;/,
    "const proof = { verification: { level: 'restore', at: startedAt.toISOString(), tables: { restore: 1, read: 0, differing: 0 }, notProven: [] }, findings: [] };"
  ],
  ['removing', /await destination\.delete\(entry\.ref\);/, ''],
  // It stands in more than one place; each alone would be enough.
  ['the digests of what is fetched', /!== (?:volume|file)\.sha256\)/g, '!== undefined && false)']
]

let server: PostgresServer
let root: string

beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), 'sb-mutated-'))
  server = await startPostgres({ major: 15 })
  await server.query('create table public.orders as select n from generate_series(1, 100) n')
})
afterAll(async () => {
  await server.stop()
  await rm(root, { recursive: true, force: true })
})

/** What everybody expects of a backup, looked at from outside. Names what is not so. */
async function storyOf(bundle: string): Promise<readonly string[]> {
  const wrong: string[] = []
  const folder = await mkdtemp(join(root, 'place-'))
  const run = async (inputs: Readonly<Record<string, string>>) => {
    const done = await runAction({
      inputs: { destinations: 'folder', folder, 'pg-bin': binDirOf(15), ...inputs },
      bundle
    })
    await done.cleanUp()
    return done
  }
  const expects = (what: string, holds: boolean) => {
    if (!holds) wrong.push(what)
  }
  const source = { 'database-url': server.url(server.superuser), project: 'shop', verify: 'read' }

  const old = [earlierBackup(40 * day), earlierBackup(50 * day)]
  const driver = folderDestination({ path: folder }, await testContext(root))
  for (const one of old) await seedBackup(driver, one)

  const made = await run(source)
  const id = made.outputs['backup-id'] ?? ''
  expects('a backup is green', made.code === 0)
  const read = await run({ command: 'verify', verify: 'read', backup: id })
  expects('what is stored can be read', read.code === 0 && read.outputs['verified'] === 'read')

  const liar = await mkdtemp(join(root, 'bin-'))
  await writeFile(
    join(liar, 'pg_dump'),
    `#!/bin/sh\nexec "${binDirOf(15)}/pg_dump" "$@" --exclude-table-data=public.orders\n`
  )
  await writeFile(join(liar, 'pg_restore'), `#!/bin/sh\nexec "${binDirOf(15)}/pg_restore" "$@"\n`)
  for (const name of ['pg_dump', 'pg_restore']) await chmod(join(liar, name), 0o755)
  expects('a dump that leaves rows out is red', (await run({ ...source, 'pg-bin': liar })).code === 1)

  const pruned = await run({ command: 'prune', 'keep-last': '1' })
  const there: string[] = []
  for await (const one of driver.list('shop')) there.push(one.id)
  expects('pruning is green', pruned.code === 0)
  expects('what pruning says is gone is gone', !old.some(({ ref }) => there.includes(ref.id)))

  const file = join(folder, 'shop', id, 'RESTORE.md')
  await writeFile(file, `${(await readFile(file, 'utf8').catch(() => '')).slice(0, -2)}!\n`)
  expects('a changed file is red', (await run({ command: 'verify', verify: 'checksum', backup: id })).code === 1)
  return wrong
}

test('T20: the bundle as it is does what everybody expects', async () => {
  expect(await storyOf(bundlePath())).toEqual([])
})

test.each(steps)('T20: without %s the same look from outside finds fault', async (_step, text, instead) => {
  const code = await readFile(bundlePath(), 'utf8')
  expect(code).toMatch(text)
  const folder = await mkdtemp(join(root, 'bundle-'))
  await cp(dirname(bundlePath()), folder, { recursive: true })
  await writeFile(join(folder, 'index.js'), code.replace(text, instead))
  expect(await storyOf(join(folder, 'index.js'))).not.toEqual([])
})
