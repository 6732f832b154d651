// Storage backups against a plain parallel download of the same objects, in processes of their own, in turns; and what they take in memory.
// Prints medians; asserts nothing.
//
//   node scripts/bench-storage.ts [--objects 10000] [--bytes 20000] [--repeats 3] [--latency 0] [--bundle dist/index.js]
//                                 latency: ms that the server waits before each answer, as over a network
//                                 [--from database]  lists in the dump's snapshot, as where a connection string is given, instead of through the
//                                 API. The dump of a database with nothing else in it is then part of each backup; what it takes alone is told.
//   node scripts/bench-storage.ts --listed 100000 [--from database]
//                                 memory with few and with this many objects: backup, unchanged one, verify, restore
//                                 [--v8=--max-old-space-size=64]  with options of V8: what memory is needed, beside what is used while there is some
//   node scripts/bench-storage.ts --large 3000000000   memory with one object of so many bytes: backup, verify, restore

import { spawn } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { mkdir, mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { parseArgs } from 'node:util'
import { generateIdentity, identityToRecipient } from 'age-encryption'
import { type ActionRun, runAction } from '../test/kit/action.ts'
import { loadSupabase } from '../test/kit/fixture/load.ts'
import { type PostgresServer, startPostgres } from '../test/kit/postgres/server.ts'
import { largeFile } from '../test/kit/supabase/large-file.ts'
import { manyFiles } from '../test/kit/supabase/many-files.ts'
import { type StorageDouble, startStorage } from '../test/kit/supabase/storage.ts'
import { writeStorageRows } from '../test/kit/supabase/storage-rows.ts'
import { median } from './bench-measure.ts'
import { bundle } from './demo-action.ts'

const { values } = parseArgs({
  options: {
    objects: { type: 'string', default: '10000' },
    bytes: { type: 'string', default: '20000' },
    repeats: { type: 'string', default: '3' },
    latency: { type: 'string', default: '0' },
    from: { type: 'string', default: 'api' },
    listed: { type: 'string' },
    v8: { type: 'string', default: '' },
    large: { type: 'string' },
    bundle: { type: 'string', default: bundle }
  }
})
const jobs = 16
const key = 'sb_secret_bench_00000000000000000000000000'
const identity = await generateIdentity()
const recipients = await identityToRecipient(identity)
const root = await mkdtemp(path.join(tmpdir(), 'sb-bench-'))

/**
 * The downloads alone, by `fetch` in a process of its own, which is what a script of somebody's own would do: each body is read to its end, and is
 * forgotten or, where `into` is given, written to a file there.
 */
async function plain(storage: StorageDouble, into: string | null): Promise<number> {
  const keys = [...storage.objects.values()].map((object) => object.key)
  const write = into === null ? '' : `await require('node:fs/promises').writeFile('${into}/' + next, Buffer.from(body))`
  const script = `const keys = JSON.parse(require('node:fs').readFileSync(0, 'utf8'))
const worker = async () => {
  for (let next = keys.pop(); next !== undefined; next = keys.pop()) {
    const response = await fetch('${storage.url}/storage/v1/object/bench/' + next, { headers: { apikey: '${key}' } })
    const body = await response.arrayBuffer()
    ${write}
  }
}
Promise.all(Array.from({ length: ${jobs} }, worker))`
  if (into !== null) await mkdir(into)
  const started = performance.now()
  const child = spawn(process.execPath, ['-e', script], { stdio: ['pipe', 'inherit', 'inherit'] })
  child.stdin.end(JSON.stringify(keys))
  const code = await new Promise((done) => child.once('close', done))
  if (code !== 0) throw new Error(`the plain download ended with ${String(code)}`)
  return performance.now() - started
}

interface Measured {
  readonly ms: number
  /** Largest resident memory of the action's own process, in bytes. */
  readonly peakBytes: number
  readonly run: ActionRun
}

function backup(url: string, folder: string, server: PostgresServer | null): Promise<Measured> {
  return act({
    ...(server === null ? { include: 'storage' } : { include: 'database, storage', ...databaseOf(server) }),
    'supabase-url': url,
    'service-role-key': key,
    project: 'bench',
    folder,
    recipients,
    verify: 'none',
    jobs: String(jobs)
  })
}

function databaseOf(server: PostgresServer): Record<string, string> {
  return { 'database-url': server.url('postgres', 'postgres'), 'pg-bin': server.binDir }
}

/** A backup of the database alone: what the listing from it must not be blamed for. */
function dumpOnly(server: PostgresServer, folder: string): Promise<Measured> {
  return act({ include: 'database', ...databaseOf(server), project: 'bench', folder, recipients, verify: 'none' })
}

/** A project's database with nothing in it yet, where objects are listed from one. */
async function database(): Promise<PostgresServer | null> {
  if (values.from === 'api') return null
  if (values.from !== 'database') throw new Error(`--from is api or database, not ${values.from}`)
  const server = await startPostgres({ major: 17 })
  await loadSupabase(server, { user: false })
  return server
}

async function act(inputs: Readonly<Record<string, string>>): Promise<Measured> {
  const started = performance.now()
  let peakBytes = 0
  let watch: NodeJS.Timeout | undefined
  const run = await runAction({
    bundle: values.bundle,
    inputs: { destinations: 'folder', ...inputs },
    env: values.v8 === '' ? {} : { NODE_OPTIONS: values.v8 },
    onStart: ({ pid }) => {
      watch = setInterval(() => {
        peakBytes = Math.max(peakBytes, peakOf(pid))
      }, 50)
    }
  })
  clearInterval(watch)
  const ms = performance.now() - started
  await run.cleanUp()
  if (run.code !== 0) throw new Error(run.log)
  return { ms, peakBytes, run }
}

function peakOf(pid: number): number {
  try {
    return Number(/^VmHWM:\s+(\d+) kB/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1] ?? 0) * 1024
  } catch {
    // It has just ended.
    return 0
  }
}

async function times(): Promise<void> {
  const count = Number(values.objects)
  const size = Number(values.bytes)
  const storage = await filled(count, size)
  const server = await database()
  const samples: Record<'plain' | 'files' | 'dump' | 'first' | 'unchanged' | 'onePercent', number[]> = {
    plain: [],
    files: [],
    dump: [],
    first: [],
    unchanged: [],
    onePercent: []
  }
  try {
    for (let round = 0; round < Number(values.repeats); round++) {
      const folder = path.join(root, String(round))
      if (server !== null) {
        await writeStorageRows(server, storage)
        samples.dump.push((await dumpOnly(server, `${folder}-dump`)).ms)
      }
      samples.plain.push(await plain(storage, null))
      samples.files.push(await plain(storage, `${folder}-plain`))
      samples.first.push((await backup(storage.url, folder, server)).ms)
      const before = storage.downloads()
      samples.unchanged.push((await backup(storage.url, folder, server)).ms)
      const again = storage.downloads() - before
      let changed = 0
      for (let number = 0; number < count / 100; number++)
        changed += storage.put('bench', `file-${number * 100}`, randomBytes(size)).size
      if (server !== null) await writeStorageRows(server, storage)
      const one = await backup(storage.url, folder, server)
      samples.onePercent.push(one.ms)
      const fetched = countsOf(one.run)['downloadedBytes']
      console.log(`round ${round + 1}: unchanged: ${again} downloads; ${changed} bytes changed: ${fetched} downloaded`)
    }
  } finally {
    await storage.stop()
    await server?.stop()
  }
  const [floor, files, first] = [median(samples.plain), median(samples.files), median(samples.first)]
  const dump = server === null ? null : median(samples.dump)
  const times = (ms: number): string => `${(ms / floor).toFixed(2)} x, ${(ms / files).toFixed(2)} x with files`
  console.log(
    '| plain download | the same, each to a file | backup of the database alone | first backup | unchanged | 1 % changed |'
  )
  console.log('| --- | --- | --- | --- | --- | --- |')
  console.log(
    `| ${[
      seconds(floor),
      seconds(files),
      dump === null ? '-' : seconds(dump),
      `${seconds(first)} (${times(first)}${dump === null ? '' : `; without the database ${times(first - dump)}`})`,
      seconds(median(samples.unchanged)),
      seconds(median(samples.onePercent))
    ].join(' | ')} |`
  )
}

async function memory(most: number): Promise<void> {
  console.log('| objects | first backup | unchanged | verify | restore |\n| --- | --- | --- | --- | --- |')
  for (const count of [most / 100, most / 10, most]) {
    const [source, target] = [await manyFiles({ count, filled: true }), await manyFiles({ count, filled: false })]
    const server = await database()
    try {
      if (server !== null) await server.query(source.rowsSql)
      const folder = path.join(root, `listed-${count}`)
      const first = await backup(source.url, folder, server)
      const same = await backup(source.url, folder, server)
      const verified = await verify(folder)
      const restored = await restore(target.url, folder)
      if (target.present() !== count) throw new Error(`${target.present()} of ${count} files came back`)
      console.log(`| ${count} | ${[first, same, verified, restored].map(told).join(' | ')} |`)
    } finally {
      source.stop()
      target.stop()
      await server?.stop()
    }
  }
}

/** One object that is made while it is sent, and compared while it comes. */
async function large(bytes: number): Promise<void> {
  const [source, target] = [await largeFile({ bytes, filled: true }), await largeFile({ bytes, filled: false })]
  try {
    const folder = path.join(root, 'large')
    const done = [await backup(source.url, folder, null), await verify(folder), await restore(target.url, folder)]
    if (!target.isThere() || target.uploaded() !== bytes) throw new Error('the file did not come back')
    console.log(`| one object of | first backup | verify | restore, each byte read back |\n| --- | --- | --- | --- |`)
    console.log(`| ${bytes} bytes | ${done.map(told).join(' | ')} |`)
  } finally {
    source.stop()
    target.stop()
  }
}

function verify(folder: string): Promise<Measured> {
  return act({ command: 'verify', verify: 'read', folder, identity })
}

function restore(url: string, folder: string): Promise<Measured> {
  return act({
    command: 'restore',
    include: 'storage',
    folder,
    identity,
    'target-supabase-url': url,
    'target-service-role-key': key,
    'target-project-ref': 'bcdefghijklmnopqrstu',
    'confirm-target': 'bcdefghijklmnopqrstu',
    jobs: String(jobs)
  })
}

async function filled(count: number, size: number): Promise<StorageDouble> {
  const storage = await startStorage({ key, ...(values.latency === '0' ? {} : { latencyMs: Number(values.latency) }) })
  storage.addBucket('bench')
  for (let number = 0; number < count; number++) storage.put('bench', `file-${number}`, randomBytes(size))
  return storage
}

function countsOf(run: ActionRun): Readonly<Record<string, number>> {
  return run.result?.backup?.parts.find((part) => part.source === 'storage')?.counts ?? {}
}

function told({ ms, peakBytes }: Measured): string {
  return `${seconds(ms)}, ${Math.round(peakBytes / 1024 / 1024)} MiB`
}

function seconds(ms: number): string {
  return `${(ms / 1000).toFixed(1)} s`
}

try {
  if (values.listed !== undefined) await memory(Number(values.listed))
  else if (values.large !== undefined) await large(Number(values.large))
  else await times()
} finally {
  await rm(root, { recursive: true, force: true })
}
