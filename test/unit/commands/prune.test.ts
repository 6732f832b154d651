import { expect, test } from 'vitest'
import { runDelete } from '../../../src/commands/delete.ts'
import { pruneAfterBackup, runPrune } from '../../../src/commands/prune.ts'
import type { Destination, PooledFile } from '../../../src/destinations/destination.ts'
import { UserError } from '../../../src/errors.ts'
import type { RetentionRules } from '../../../src/history/retention.ts'
import { day, earlierBackup } from '../../kit/history.ts'
import { context, place } from '../../kit/memory-place.ts'

const rules: RetentionRules = {
  last: 1,
  hourly: undefined,
  daily: undefined,
  weekly: undefined,
  monthly: undefined,
  yearly: undefined,
  withinMs: undefined,
  maxBytes: undefined
}

const prune = (...destinations: Destination[]) =>
  runPrune(
    { project: 'shop', keep: rules, acknowledge: undefined, dryRun: false },
    { context, tool: 'supabase-backup 0.0.0', destinations }
  )
const daily = (count: number) => Array.from({ length: count }, (_, index) => earlierBackup((index + 2) * day))

test('F70: refused at change k, for every k: oldest first, the newest stays, and the next run finishes', async () => {
  const backups = daily(5)
  const oldestFirst = backups
    .slice(1)
    .map((backup) => backup.ref.id)
    .reverse()
  for (let refuse = 1; refuse <= 5; refuse += 1) {
    const here = place(backups, refuse)
    const cut = await prune(here.destination)
    expect({ status: cut.status, error: cut.error?.code }).toEqual({ status: 'failed', error: 'SB906' })
    expect(here.done.filter((what) => what !== 'reclaim')).toEqual(oldestFirst.slice(0, refuse - 1))
    expect(here.stored.has(backups[0]?.ref.id ?? '')).toBe(true)
    expect(cut.retention?.filter((one) => one.removed === true)).toHaveLength(refuse - 1)
    const again = place(backups.filter((backup) => here.stored.has(backup.ref.id)))
    expect((await prune(again.destination)).status).toBe('complete')
    expect([...again.stored.keys()]).toEqual([backups[0]?.ref.id])
  }
})

test('space is freed once, after all removals, and not when there was none', async () => {
  const here = place(daily(3))
  await prune(here.destination)
  expect(here.done.indexOf('reclaim')).toBe(2)
  here.done.length = 0
  await prune(here.destination)
  expect(here.done).toEqual([])
})

test('F72: one place that cannot be listed, and nothing is removed in any', async () => {
  const good = place(daily(3))
  const bad = place([], undefined, {
    name: 'release',
    list: () => ({
      [Symbol.asyncIterator]: () => ({ next: () => Promise.reject(new UserError('SB401', 'no answer')) })
    })
  })
  await expect(prune(good.destination, bad.destination)).rejects.toThrow('no answer')
  expect(good.done).toEqual([])
})

test('T9: a clock that is off by more than an hour removes nothing', async () => {
  for (const hours of [-2, 2]) {
    const here = place(daily(3), undefined, { serverTime: async () => new Date(Date.now() + hours * 3_600_000) })
    const refused = await prune(here.destination)
    expect(refused.error?.code).toBe('SB905')
    expect(here.done).toEqual([])
    expect(refused.retention?.every((one) => one.keep)).toBe(true)
  }
  const near = place(daily(3), undefined, { serverTime: async () => new Date(Date.now() + 1_800_000) })
  expect((await prune(near.destination)).status).toBe('complete')
})

test('F71: shared files go when none of the listed backups needs them and they are older than a day', async () => {
  const file = (name: string, ageMs: number): PooledFile => ({
    name,
    bytes: 7,
    createdAt: new Date(Date.now() - ageMs)
  })
  const needing = [2, 3].map((age) =>
    earlierBackup(age * day, { shared: [{ name: `needed-${age}`, bytes: 7, sha256: '0'.repeat(64) }] })
  )
  const files = [file('needed-2', 9 * day), file('needed-3', 9 * day), file('young', day / 2), file('unused', 2 * day)]
  const here = place(needing)
  for (const one of files) here.pooled.set(one.name, one)
  await prune(here.destination)
  // What only the backup needed that has just been removed goes with the next run.
  expect([...here.pooled.keys()]).toEqual(['needed-2', 'needed-3', 'young'])
  await prune(here.destination)
  expect([...here.pooled.keys()]).toEqual(['needed-2', 'young'])

  // Nobody knows what a manifest needs that cannot be read.
  const unclear = place(needing)
  for (const one of files) unclear.pooled.set(one.name, one)
  const [first] = [...unclear.stored.values()]
  if (first !== undefined) unclear.stored.set(first.id, { ...first, manifest: Buffer.from('{') })
  await prune(unclear.destination)
  expect(unclear.pooled.size).toBe(4)
})

test('F72: after a backup, too: a listing that fails removes nothing anywhere, and is a warning', async () => {
  const near = place(daily(3))
  const far = place(daily(3), undefined, {
    name: 'release',
    list: () => ({
      [Symbol.asyncIterator]: () => ({ next: () => Promise.reject(new UserError('SB401', 'the place says no')) })
    })
  })
  const pruned = await pruneAfterBackup('shop', rules, {
    context,
    tool: 'supabase-backup 0.0.0',
    destinations: [near.destination, far.destination]
  })
  expect(pruned).toMatchObject({ removed: 0, retention: [] })
  expect(pruned.warnings.join()).toContain('Nothing was pruned: SB401')
  expect([near.stored.size, near.done]).toEqual([3, []])
})

const pooledFile = (name: string, ageMs: number): PooledFile => ({
  name,
  bytes: 7,
  createdAt: new Date(Date.now() - ageMs)
})
const needing = (ageMs: number, ...names: string[]) =>
  earlierBackup(ageMs, { shared: names.map((name) => ({ name, bytes: 7, sha256: '0'.repeat(64) })) })

test('T24: a manifest that was changed tells nothing of what may go', async () => {
  const here = place([needing(2 * day, 'a'), needing(3 * day, 'b')])
  for (const name of ['a', 'b']) here.pooled.set(name, pooledFile(name, 9 * day))
  const [first] = [...here.stored.values()]
  if (first === undefined || 'notRead' in first.manifest) throw new Error('no backup')
  const forged = Buffer.from(Buffer.from(first.manifest).toString().replace('"a"', '"z"'))
  here.stored.set(first.id, { ...first, manifest: forged })
  await prune(here.destination)
  expect([...here.pooled.keys()]).toEqual(['a', 'b'])
})

test('T24: with its last backup the shared files of a project go, also by a later prune', async () => {
  const only = needing(2 * day, 'old', 'young')
  const here = place([only])
  here.pooled.set('old', pooledFile('old', 2 * day))
  here.pooled.set('young', pooledFile('young', day / 2))
  const deleted = await runDelete(
    { project: 'shop', choice: { kind: 'id', id: only.ref.id }, confirmTarget: only.ref.id, dryRun: false },
    { context, tool: 'supabase-backup 0.0.0', destinations: [here.destination] }
  )
  expect(deleted.status).toBe('complete')
  expect([...here.pooled.keys()]).toEqual(['young'])
  expect(deleted.warnings.join()).toContain('1 shared file of shop')
  here.pooled.set('young', pooledFile('young', 2 * day))
  await prune(here.destination)
  expect(here.pooled.size).toBe(0)
})

test('T9: where a place tells no time, a long pause before a rule that measures from now removes nothing', async () => {
  const at = (now: number) => ({ ...context, clock: { ...context.clock, now: () => new Date(now) } })
  const within = (...ages: number[]) => {
    const here = place(ages.map((age) => earlierBackup(age)))
    return (now: number, keep: Partial<RetentionRules> = { last: undefined, withinMs: 30 * day }) =>
      runPrune(
        { project: 'shop', keep: { ...rules, ...keep }, acknowledge: undefined, dryRun: true },
        { context: at(now), tool: 'supabase-backup 0.0.0', destinations: [here.destination] }
      )
  }
  const daily = within(day / 24, day / 12, day / 8)
  const ahead = await daily(Date.now() + 365 * day)
  expect(ahead.error?.code).toBe('SB905')
  expect(ahead.retention?.every(({ keep }) => keep)).toBe(true)
  // A count does not go by the clock, and a history that always had such pauses has one more.
  expect((await daily(Date.now() + 365 * day, { last: 1 })).error).toBeUndefined()
  expect((await within(35 * day, 65 * day, 95 * day)(Date.now())).error).toBeUndefined()
  // What the same clock dated just now says nothing.
  expect((await within(1000, 200 * day, 201 * day)(Date.now())).error?.code).toBe('SB905')
})
