import { Readable } from 'node:stream'
import { describe, expect, test } from 'vitest'
import type { StoredFile } from '../../../src/archive/manifest.ts'
import {
  largestPoolIndex,
  packOfPoolIndex,
  parsePoolIndex,
  poolIndexName,
  renderPoolIndex,
  sealedForTheSame
} from '../../../src/archive/pool-index.ts'
import type { Pool, PooledFile } from '../../../src/destinations/destination.ts'
import type { HistoryEntry } from '../../../src/history/entries.ts'
import { newestWithPacks, readKnownPacks, reliablePacks, unusedPackNames } from '../../../src/history/pool.ts'
import { entry as historyEntry, hour, now } from './histories.ts'

const to = (...recipients: string[]) => ({ scheme: 'age-x25519' as const, recipients })
const entry = (number: number) => String(number).repeat(32)
const pack = (name: string, volumes?: PooledFile[]) => ({
  name,
  bytes: 10,
  sha256: 'a'.repeat(64),
  ...(volumes === undefined
    ? {}
    : { volumes: volumes.map((one) => ({ name: one.name, bytes: one.bytes, sha256: 'b'.repeat(64) })) })
})
const file = (name: string, bytes = 10, sha256?: string): PooledFile => ({
  name,
  bytes,
  createdAt: now,
  ...(sha256 === undefined ? {} : { sha256 })
})

function poolOf(files: readonly PooledFile[], contents: Readonly<Record<string, Uint8Array>>): Pool {
  const never = () => Promise.reject(new Error('nothing was to be changed'))
  return {
    list: async () => files,
    get: async (_project, name) => ({
      bytes: contents[name]?.length ?? 0,
      open: () => Readable.from([contents[name] ?? new Uint8Array()])
    }),
    put: never,
    delete: never
  }
}

test('a pack is relied on when it is whole, its list can be read, and the same keys open it', async () => {
  const cut = [file('cut.tar.000'), file('cut.tar.001')]
  const packs = {
    'good.tar': { pack: pack('good.tar'), encryption: to('a', 'b'), entries: [entry(1)] },
    'cut.tar': { pack: pack('cut.tar', cut), encryption: to('b', 'a'), entries: [entry(2)] },
    'short.tar': { pack: pack('short.tar'), encryption: to('a', 'b'), entries: [entry(3)] },
    'other.tar': { pack: pack('other.tar'), encryption: to('a', 'c'), entries: [entry(4)] },
    'gone.tar': { pack: pack('gone.tar'), encryption: to('a', 'b'), entries: [entry(5)] },
    'half.tar': {
      pack: pack('half.tar', [file('half.tar.000'), file('half.tar.001')]),
      encryption: to('a', 'b'),
      entries: [entry(8)]
    },
    'wrong.tar': { pack: pack('wrong.tar'), encryption: to('a', 'b'), entries: [entry(6)] }
  }
  const lists = Object.fromEntries(
    Object.entries(packs).map(([name, index]) => [poolIndexName(name), renderPoolIndex({ format: 1, ...index })])
  )
  const known = await readKnownPacks(
    poolOf(
      [
        ...Object.keys(lists).map((name) => file(name)),
        file('good.tar', 10, 'a'.repeat(64)),
        ...cut,
        file('short.tar', 9),
        file('other.tar'),
        file('wrong.tar', 10, 'c'.repeat(64)),
        file(poolIndexName('broken.tar')),
        file('half.tar.000'),
        file('huge.tar'),
        file(poolIndexName('huge.tar'), largestPoolIndex + 1)
      ],
      {
        ...lists,
        [poolIndexName('broken.tar')]: Buffer.from('{'),
        // It could be read, but what claims to be so large is not even asked for.
        [poolIndexName('huge.tar')]: renderPoolIndex({
          format: 1,
          pack: pack('huge.tar'),
          encryption: to('a', 'b'),
          entries: [entry(7)]
        })
      }
    ),
    'shop',
    { ...to('a', 'b'), samePassphrase: new Set() },
    () => true
  )
  expect([1, 2, 3, 4, 5, 6, 7, 8].map((number) => known.find(entry(number))?.name)).toEqual([
    'good.tar',
    'cut.tar',
    undefined,
    undefined,
    undefined,
    undefined,
    undefined,
    undefined
  ])
})

test('a pack made with a passphrase is relied on where it is known to be the same one', async () => {
  const byPassphrase = { scheme: 'age-scrypt' as const, recipients: [] }
  const names = ['same.tar', 'unknown.tar']
  const pool = poolOf(
    [...names, 'for-keys.tar'].flatMap((name) => [file(name), file(poolIndexName(name))]),
    Object.fromEntries(
      [...names, 'for-keys.tar'].map((name, index) => [
        poolIndexName(name),
        renderPoolIndex({
          format: 1,
          pack: pack(name),
          encryption: name === 'for-keys.tar' ? to() : byPassphrase,
          entries: [entry(index)]
        })
      ])
    )
  )
  const samePassphrase = new Set(['same.tar', 'for-keys.tar'])
  const found = async (sealing: Parameters<typeof readKnownPacks>[2]) => {
    const known = await readKnownPacks(pool, 'shop', sealing, () => true)
    return [0, 1, 2].map((number) => known.find(entry(number))?.name)
  }
  expect(await found({ ...byPassphrase, samePassphrase })).toEqual(['same.tar', undefined, undefined])
  expect(await found({ ...byPassphrase, samePassphrase: new Set() })).toEqual([undefined, undefined, undefined])
  expect(await found({ ...to('a'), samePassphrase })).toEqual([undefined, undefined, undefined])
})

test('which backup tells whether a passphrase is the same: the newest with packs that was sealed with one and not changed', () => {
  const of = (age: number, scheme: 'age-scrypt' | 'none', packs: number, changed = false) => ({
    ...historyEntry({
      ageMs: age * hour,
      shared: Array.from({ length: packs }, () => pack('a.tar')),
      manifest: { encryption: { scheme, recipients: [] } }
    }),
    changed
  })
  const [older, newer] = [of(5, 'age-scrypt', 2), of(4, 'age-scrypt', 1)]
  const others = [of(1, 'age-scrypt', 1, true), of(2, 'age-scrypt', 0), of(3, 'none', 1)]
  expect(newestWithPacks([...others, older, newer])).toBe(newer)
  expect(newestWithPacks([{ ...older, manifest: null }, ...others])).toBeUndefined()
})

test('sealed for the same is said of equal recipients in any order, and never of a passphrase', () => {
  expect(sealedForTheSame(to('a', 'b'), to('b', 'a'))).toBe(true)
  expect(sealedForTheSame(to('a'), to('a', 'b'))).toBe(false)
  expect(sealedForTheSame({ scheme: 'none', recipients: [] }, to())).toBe(false)
  expect(sealedForTheSame({ scheme: 'none', recipients: [] }, { scheme: 'none', recipients: [] })).toBe(true)
  const passphrase = { scheme: 'age-scrypt' as const, recipients: [] }
  expect(sealedForTheSame(passphrase, passphrase)).toBe(false)
})

test('what no manifest needs goes after a day, its list with it, and everything of a needed pack stays', () => {
  const old = (name: string) => ({ ...file(name), createdAt: new Date(now.getTime() - 25 * hour) })
  const cut = pack('cut.tar', [file('cut.tar.000'), file('cut.tar.001')])
  const manifests = [{ shared: [pack('a.tar')] }, { shared: [cut, pack('a.tar')] }]
  const pooled = [
    old('a.tar'),
    old(poolIndexName('a.tar')),
    old('cut.tar.000'),
    old('cut.tar.001'),
    old(poolIndexName('cut.tar')),
    // The whole of a pack that is needed in volumes is needed by nobody.
    old('cut.tar'),
    old('b.tar'),
    old(poolIndexName('b.tar')),
    file('young.tar'),
    { ...file('a-day.tar'), createdAt: new Date(now.getTime() - 24 * hour) },
    { ...file('a-day-and-more.tar'), createdAt: new Date(now.getTime() - 24 * hour - 1) }
  ]
  expect(unusedPackNames(manifests, pooled, now)).toEqual([
    'cut.tar',
    'b.tar',
    poolIndexName('b.tar'),
    'a-day-and-more.tar'
  ])
  expect(unusedPackNames([], [old('b.tar')], now)).toEqual(['b.tar'])
})

test('lists of packs are told from other files by their names', () => {
  expect(packOfPoolIndex(poolIndexName('a.tar.zst.age'))).toBe('a.tar.zst.age')
  for (const name of ['a.tar', 'a.index.jsonx', 'a.json', '.index.json', '../a.index.json', '-a.index.json', ''])
    expect([name, packOfPoolIndex(name)]).toEqual([name, null])
})

test('the list of one pack is not that of another, and none that is too large is read', () => {
  const bytes = renderPoolIndex({ format: 1, pack: pack('a.tar'), encryption: to('a'), entries: [entry(1)] })
  expect(parsePoolIndex(bytes, 'a.tar')?.entries).toEqual([entry(1)])
  expect(parsePoolIndex(bytes, 'b.tar')).toBeNull()
  expect(Buffer.from(bytes).toString().endsWith('}\n')).toBe(true)
  for (const wrong of [
    renderPoolIndex({ format: 2 as 1, pack: pack('a.tar'), encryption: to('a'), entries: [] }),
    renderPoolIndex({ format: 1, pack: pack('a.tar'), encryption: to('a'), entries: ['../x'] })
  ])
    expect(parsePoolIndex(wrong, 'a.tar')).toBeNull()
  expect(parsePoolIndex(Buffer.from('[]'), 'a.tar')).toBeNull()
  expect(parsePoolIndex(Buffer.alloc(largestPoolIndex + 1, ' '), 'a.tar')).toBeNull()
})

describe('T8, T22: which packs of a pool are relied on', () => {
  const entryWith = (shared: readonly StoredFile[], more: Partial<HistoryEntry> = {}): HistoryEntry => ({
    ...historyEntry({ ageMs: hour, shared: [...shared] }),
    ...more
  })
  const verifiedAt = (at: string, outcome: 'passed' | 'failed'): Partial<HistoryEntry> => ({
    damaged: outcome === 'failed',
    verified: outcome === 'failed' ? 'none' : 'read',
    verifiedAt: outcome === 'failed' ? null : new Date(at),
    records: [
      {
        format: 1,
        id: 'x',
        project: 'shop',
        tool: 'x',
        outcome,
        verification: {
          level: outcome === 'failed' ? 'none' : 'read',
          at,
          tables: { restore: 0, read: 0, differing: 0 },
          notProven: []
        }
      }
    ]
  })

  test('those that manifests name, all of them with the same digest; a list in the pool says nothing by itself', () => {
    const forged = { ...pack('a.tar'), sha256: 'f'.repeat(64) }
    expect(reliablePacks([])(pack('a.tar'))).toBe(false)
    expect(reliablePacks([entryWith([pack('a.tar')])])(pack('a.tar'))).toBe(true)
    expect(reliablePacks([entryWith([pack('a.tar')])])(forged)).toBe(false)
    const both = reliablePacks([entryWith([pack('a.tar')]), entryWith([forged]), entryWith([pack('a.tar')])])
    expect([both(pack('a.tar')), both(forged)]).toEqual([false, false])
    expect(reliablePacks([entryWith([pack('a.tar')], { changed: true })])(pack('a.tar'))).toBe(false)
  })

  test('none of a backup whose latest verification failed, until another that needs it was read whole', () => {
    const failed = entryWith([pack('a.tar'), pack('b.tar')], verifiedAt('2026-11-20T10:00:00Z', 'failed'))
    const earlier = entryWith([pack('a.tar')], verifiedAt('2026-11-20T09:00:00Z', 'passed'))
    const later = entryWith([pack('a.tar')], verifiedAt('2026-11-20T11:00:00Z', 'passed'))
    const never = entryWith([pack('a.tar'), pack('b.tar')])
    const found = (entries: readonly HistoryEntry[]) =>
      ['a.tar', 'b.tar'].map((name) => reliablePacks(entries)(pack(name)))
    expect(found([failed, never])).toEqual([false, false])
    expect(found([failed, earlier])).toEqual([false, false])
    expect(found([failed, later])).toEqual([true, false])
  })
})
