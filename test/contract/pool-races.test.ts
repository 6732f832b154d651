import { mkdtemp, rm, utimes } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Readable } from 'node:stream'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { parseManifest } from '../../src/archive/manifest.ts'
import { runPrune } from '../../src/commands/prune.ts'
import { publish } from '../../src/commands/publish.ts'
import type { Destination, Pool } from '../../src/destinations/destination.ts'
import { folderDestination } from '../../src/destinations/folder/index.ts'
import { UserError } from '../../src/errors.ts'
import { day, earlierBackup, seedBackup, sha256 } from '../kit/history.ts'
import { listed, manifestBytes, testContext } from './destination-suite.ts'

let root: string
let number = 0

beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), 'sb-pool-races-'))
})
afterAll(() => rm(root, { recursive: true, force: true }))

const content = Buffer.from('files that were captured long ago')
const pack = { name: `objects-${sha256(content).slice(0, 16)}.tar`, bytes: content.length, sha256: sha256(content) }

/** Calls `at` before call number `k` of a place and its pool; how many calls there were. */
function watched(inner: Destination, at: (call: number) => Promise<void>) {
  let calls = 0
  const step = async () => {
    calls += 1
    await at(calls)
  }
  const wrap = <A extends unknown[], R>(call: (...given: A) => Promise<R>) => {
    return async (...given: A): Promise<R> => {
      await step()
      return call(...given)
    }
  }
  const { pool } = inner
  if (pool === undefined) throw new Error('a place without a pool')
  const watchedPool: Pool = {
    list: wrap(pool.list),
    put: wrap(pool.put),
    get: wrap(pool.get),
    delete: wrap(pool.delete)
  }
  const destination: Destination = {
    ...inner,
    put: wrap(inner.put),
    commit: wrap(inner.commit),
    delete: wrap(inner.delete),
    async *list(project) {
      await step()
      yield* inner.list(project)
    },
    pool: watchedPool
  }
  return { destination, calls: () => calls }
}

/** A place with a pack that no backup needs any more, older than a day, and an old backup besides. */
async function place() {
  number += 1
  const path = join(root, `place-${number}`)
  const open = async () => folderDestination({ path }, await testContext(root))
  const driver = await open()
  await driver.pool?.put('shop', pack.name, { ...pack, open: () => Readable.from([content]) })
  const old = new Date(Date.now() - 3 * day)
  await utimes(join(path, 'shop', 'objects', pack.name), old, old)
  for (const age of [2, 3]) await seedBackup(driver, earlierBackup(age * day))
  return { open, driver }
}

async function back(destination: Destination): Promise<'stored' | string> {
  const { ref, manifest } = earlierBackup(0)
  const parsed = parseManifest(manifest)
  if (parsed.kind !== 'ok') throw new Error('no manifest')
  const { files: _, ...frame } = parsed.manifest
  try {
    await publish(await testContext(root), destination, ref, frame, [], (one) => one, {
      fresh: new Map(),
      again: new Set(),
      old: new Map([['folder', [pack]]])
    })
    return 'stored'
  } catch (thrown) {
    if (thrown instanceof UserError) return thrown.code
    throw thrown
  }
}

/** How the pruning ended. */
async function sweep(destination: Destination): Promise<string> {
  const rules = {
    last: 1,
    hourly: undefined,
    daily: undefined,
    weekly: undefined,
    monthly: undefined,
    yearly: undefined
  }
  const { error } = await runPrune(
    {
      project: 'shop',
      keep: { ...rules, withinMs: undefined, maxBytes: undefined },
      acknowledge: undefined,
      dryRun: false
    },
    { context: await testContext(root), tool: 'supabase-backup 0.0.0', destinations: [destination] }
  )
  return error === undefined ? 'done' : error.message
}

/** No backup is listed whose packs are gone. Returns whether one that needs the pack is there. */
async function whole(destination: Destination): Promise<boolean> {
  const pooled = (await destination.pool?.list('shop')) ?? []
  const needing = [...(await listed(destination)).values()].flatMap((one) => {
    const parsed = parseManifest(manifestBytes(one))
    return parsed.kind === 'ok' ? parsed.manifest.shared : []
  })
  for (const { name } of needing) expect(pooled.map((one) => one.name)).toContain(name)
  return needing.length > 0
}

test('F71: a sweep at any moment of a backup that relies on an old pack: it is stored whole, or fails and is not there', async () => {
  const outcomes = new Set<string>()
  for (let k = 1, calls = 1; k <= calls; k += 1) {
    const { open, driver } = await place()
    const other = await open()
    const backup = watched(driver, async (call) => {
      if (call === k) await sweep(other)
    })
    const outcome = await back(backup.destination)
    // One that fails early makes fewer calls than one that is stored.
    if (outcome !== 'stored' || k <= backup.calls()) calls = k + 1
    expect({ k, outcome, there: await whole(driver) }).toEqual({ k, outcome, there: outcome === 'stored' })
    outcomes.add(outcome)
  }
  expect([...outcomes].sort()).toEqual(['SB506', 'stored'])
})

test('F71: a backup at any moment of a sweep: what it relies on stays, or it fails and is not there, or the sweep tells of it', async () => {
  const outcomes = new Set<string>()
  for (let k = 1, calls = 1; k <= calls; k += 1) {
    const { open, driver } = await place()
    const other = await open()
    let outcome = ''
    const prune = watched(driver, async (call) => {
      if (call === k) outcome = await back(other)
    })
    const swept = await sweep(prune.destination)
    calls = Math.max(calls, prune.calls())
    // Between the last look and the removal nothing holds the backup off: then the sweep says which one it is.
    const told = /backup (\S+) was finished while/.exec(swept)
    if (told !== null) {
      expect([...(await listed(driver)).keys()]).toContain(`shop/${told[1]}`)
      outcomes.add('told')
      continue
    }
    expect({ k, swept, there: await whole(driver) }).toEqual({ k, swept: 'done', there: outcome === 'stored' })
    outcomes.add(outcome)
  }
  expect([...outcomes].sort()).toEqual(['SB506', 'stored', 'told'])
})
