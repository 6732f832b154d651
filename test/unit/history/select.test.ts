import { expect, test } from 'vitest'
import packageJson from '../../../package.json' with { type: 'json' }
import { isBackupId, makeBackupId, timeOfBackupId } from '../../../src/archive/backup-id.ts'
import { version } from '../../../src/base/version.ts'
import type { HistoryEntry } from '../../../src/history/entries.ts'
import { isFromTheFuture, selectBackup, soleProject, withoutBareTargets } from '../../../src/history/select.ts'

const now = new Date('2026-11-22T12:00:00Z')
const manifest = {} as NonNullable<HistoryEntry['manifest']>

function entry(time: string, rest: Partial<HistoryEntry> = {}): HistoryEntry {
  const createdAt = new Date(time)
  return {
    ref: { project: 'shop', id: `${createdAt.toISOString().replace(/[-:]|\.\d+/g, '')}-aaaaaaaa` },
    destination: 'folder',
    createdAt,
    manifest,
    records: [],
    verified: 'none',
    verifiedAt: null,
    changed: false,
    damaged: false,
    pinned: false,
    acknowledged: false,
    ...rest
  }
}

const chosen = (entries: readonly HistoryEntry[], choice: Parameters<typeof selectBackup>[1]) =>
  selectBackup(entries, choice, now)[0]?.createdAt.toISOString()

test('latest is the newest that can be used, never one of the future while there is another', () => {
  const entries = [
    entry('2026-11-20T00:00:00Z'),
    entry('2026-11-21T00:00:00Z'),
    entry('2026-11-21T12:00:00Z', { damaged: true }),
    entry('2026-11-22T00:00:00Z', { manifest: null, unreadable: 'newer' }),
    entry('2027-01-01T00:00:00Z')
  ]
  expect(chosen(entries, { kind: 'latest' })).toBe('2026-11-21T00:00:00.000Z')
  expect(chosen([entry('2027-01-01T00:00:00Z')], { kind: 'latest' })).toBe('2027-01-01T00:00:00.000Z')
  expect(() => chosen([], { kind: 'latest' })).toThrow('There is no backup at all')
})

test('a time takes the newest at or before it', () => {
  const entries = [entry('2026-11-20T00:00:00Z'), entry('2026-11-21T00:00:00Z')]
  expect(chosen(entries, { kind: 'at', time: new Date('2026-11-20T23:59:59Z') })).toBe('2026-11-20T00:00:00.000Z')
  expect(chosen(entries, { kind: 'at', time: new Date('2026-11-21T00:00:00Z') })).toBe('2026-11-21T00:00:00.000Z')
  expect(() => chosen(entries, { kind: 'at', time: new Date('2026-11-19T00:00:00Z') })).toThrow('at or before')
})

test('an id takes every copy of that backup, and one that cannot be read says why', () => {
  const here = entry('2026-11-20T00:00:00Z')
  const there = { ...here, destination: 'release' as const }
  expect(selectBackup([here, there], { kind: 'id', id: here.ref.id }, now)).toHaveLength(2)
  expect(() =>
    selectBackup([{ ...here, manifest: null, unreadable: 'install 9.0.0' }], { kind: 'id', id: here.ref.id }, now)
  ).toThrow('install 9.0.0')
})

test('what cannot be had is told with what is there', () => {
  const three = ['2026-11-18', '2026-11-19', '2026-11-20', '2026-11-21'].map((date) => entry(`${date}T00:00:00Z`))
  const newest = 'The newest ones are 20261121T000000Z-aaaaaaaa, 20261120T000000Z-aaaaaaaa, 20261119T000000Z-aaaaaaaa.'
  const missing = '20261101T000000Z-bbbbbbbb'
  const select =
    (choice: Parameters<typeof selectBackup>[1], entries = three) =>
    () =>
      selectBackup(entries, choice, now)
  expect(select({ kind: 'id', id: missing })).toThrow(`There is no backup ${missing}. ${newest}`)
  expect(select({ kind: 'id', id: 'monday' })).toThrow(`"monday" is not the id of a backup. ${newest}`)
  expect(select({ kind: 'at', time: new Date('2026-11-01T00:00:00Z') })).toThrow(
    `There is no backup made at or before 2026-11-01T00:00:00.000Z. ${newest}`
  )
  const damaged = three.map((one) => ({ ...one, damaged: true }))
  expect(select({ kind: 'latest' }, damaged)).toThrow(`No backup that can be used was found. ${newest}`)
  expect(select({ kind: 'latest' }, [])).toThrow('No backup that can be used was found. There is no backup at all.')
})

test('an id takes the copy that can be read, and never the backup of another project', () => {
  const here = entry('2026-11-20T00:00:00Z')
  const broken = { ...here, destination: 'release' as const, manifest: null }
  const foreign = { ...here, ref: { project: 'blog', id: here.ref.id } }
  expect(selectBackup([broken, here, foreign], { kind: 'id', id: here.ref.id }, now)).toEqual([here])
  expect(() => selectBackup([broken], { kind: 'id', id: here.ref.id }, now)).toThrow(
    `Backup ${here.ref.id} cannot be read: its manifest is damaged.`
  )
})

test('an hour ahead is a clock that is a little off, more is the future', () => {
  expect(isFromTheFuture(entry('2026-11-22T13:00:00Z'), now)).toBe(false)
  expect(isFromTheFuture(entry('2026-11-22T13:00:00.001Z'), now)).toBe(true)
})

test('several projects are never mixed silently', () => {
  expect(() =>
    soleProject([entry('2026-11-20T00:00:00Z'), entry('2026-11-20T00:00:00Z', { ref: { project: 'blog', id: 'x' } })])
  ).toThrow('There are backups of 2 projects: blog, shop.')
  expect(soleProject([entry('2026-11-20T00:00:00Z'), entry('2026-11-21T00:00:00Z')])).toBe('shop')
  expect(soleProject([])).toBeUndefined()
})

test('ids carry their time and differ within one second', () => {
  const clock = { now: () => now, monotonic: () => 0, sleep: () => Promise.resolve() }
  let byte = 0
  const make = () => makeBackupId(clock, (length) => Uint8Array.from({ length }, () => byte++))
  const [first, second] = [make(), make()]
  expect(first).not.toBe(second)
  expect(isBackupId(first)).toBe(true)
  expect(timeOfBackupId(first)?.toISOString()).toBe('2026-11-22T12:00:00.000Z')
})

test('the program says the version of its package', () => {
  expect(version).toBe(packageJson.version)
})

test('labels that hold nothing but safety copies are no projects beside one that is backed up', () => {
  const safety = { ...manifest, kind: 'safety' as const }
  const spare = { project: 'spare', id: '20261121T000000Z-aaaaaaaa' }
  const own = entry('2026-11-20T00:00:00Z')
  const copies = [
    entry('2026-11-21T00:00:00Z', { ref: spare, manifest: safety }),
    entry('2026-11-21T12:00:00Z', { manifest: safety })
  ]
  expect(withoutBareTargets([own, ...copies])).toEqual([own, copies[1]])
  const unknown = entry('2026-11-21T00:00:00Z', { ref: spare, manifest: null, unreadable: 'newer' })
  expect(withoutBareTargets([own, unknown, ...copies])).toHaveLength(4)
  expect(withoutBareTargets(copies.slice(0, 1))).toHaveLength(1)
})
