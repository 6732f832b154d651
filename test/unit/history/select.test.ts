import { expect, test } from 'vitest'
import packageJson from '../../../package.json' with { type: 'json' }
import { isBackupId, makeBackupId, timeOfBackupId } from '../../../src/archive/backup-id.ts'
import { version } from '../../../src/base/version.ts'
import type { HistoryEntry } from '../../../src/history/entries.ts'
import {
  passedOver,
  selectBackup,
  selectToVerify,
  soleProject,
  withoutBareTargets
} from '../../../src/history/select.ts'
import { isFromTheFuture } from '../../../src/history/trust.ts'

const now = new Date('2026-11-22T12:00:00Z')
const manifest = { status: 'complete', kind: 'scheduled', parts: [] } as unknown as NonNullable<
  HistoryEntry['manifest']
>

function entry(time: string, rest: Partial<HistoryEntry> = {}): HistoryEntry {
  const createdAt = new Date(time)
  return {
    ref: { project: 'shop', id: `${createdAt.toISOString().replace(/[-:]|\.\d+/g, '')}-aaaaaaaa` },
    destination: 'folder',
    createdAt,
    manifest,
    records: [],
    verified: 'restore',
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
const latest = { kind: 'latest' } as const
const [monday, tuesday, wednesday] = ['2026-11-16', '2026-11-17', '2026-11-18'].map((date) => `${date}T00:00:00Z`) as [
  string,
  string,
  string
]

test('T23: latest is the newest to rely on, whatever safety copies are newer, and never one of the future while there is another', () => {
  const safety = entry(wednesday, { manifest: { ...manifest, kind: 'safety' } })
  expect(chosen([entry(monday), entry(tuesday), safety, entry('2027-01-01T00:00:00Z')], latest)).toBe(
    '2026-11-17T00:00:00.000Z'
  )
  expect(chosen([entry('2027-01-01T00:00:00Z')], latest)).toBe('2027-01-01T00:00:00.000Z')
  expect(() => chosen([], latest)).toThrow('There is no backup at all')
  expect(() => chosen([safety], latest)).toThrow('No backup that can be used was found')
})

const doubts: readonly (readonly [string, Partial<HistoryEntry>])[] = [
  ['it is anomalous', { manifest: { ...manifest, status: 'anomalous' } }],
  ['it is partial', { manifest: { ...manifest, status: 'partial' } }],
  ['it was not verified', { verified: 'none' }],
  ['its latest verification failed', { damaged: true, verified: 'none' }],
  ['its manifest was changed after it was written', { changed: true }],
  ['its file database.dump is not there', { hollow: 'its file database.dump is not there' }],
  ['a stranger wrote it', { unvouched: 'a stranger wrote it' }],
  ['it is not signed', { unsigned: 'it is not signed' }],
  ['it cannot be read (install 9.0.0)', { manifest: null, unreadable: 'install 9.0.0' }]
]

test.each(doubts)('latest stops at a newer backup of which it holds that %s, and names both', (words, facts) => {
  const [good, doubted] = [entry(monday), entry(tuesday, facts)]
  expect(() => chosen([good, doubted], latest)).toThrow(
    expect.objectContaining({
      code: 'SB909',
      message: expect.stringContaining(`${doubted.ref.id}, and it is not one to rely on: ${words}.`),
      remedy: `Write \`backup: ${good.ref.id}\` for the one to rely on, or \`backup: ${doubted.ref.id}\` for the newest.`
    })
  )
  // An older one is passed by, and a time says itself that an older one is meant.
  expect(chosen([doubted, entry(wednesday)], latest)).toBe('2026-11-18T00:00:00.000Z')
  const at = { kind: 'at', time: new Date(wednesday) } as const
  const copies = selectBackup([good, doubted], at, now)
  expect(copies).toEqual([good])
  expect(passedOver([good, doubted], at, copies, now)).toEqual([
    `Backup ${doubted.ref.id} is newer than ${good.ref.id} and was passed over: ${words}.`
  ])
  expect(() => chosen([doubted], latest)).toThrow(
    `No backup here is one to rely on. Of the newest, ${doubted.ref.id}: ${words}.`
  )
})

test('an acknowledged anomaly is relied on, and a backup is as good as its best copy', () => {
  const anomalous = { manifest: { ...manifest, status: 'anomalous' as const } }
  expect(chosen([entry(monday), entry(tuesday, { ...anomalous, acknowledged: true })], latest)).toBe(
    '2026-11-17T00:00:00.000Z'
  )
  const hollow = entry(tuesday, { hollow: 'its file database.dump is not there' })
  const whole = entry(tuesday, { destination: 'release' })
  expect(selectBackup([hollow, entry(monday), whole], latest, now)).toEqual([whole, hollow])
  expect(selectBackup([hollow, whole], { kind: 'id', id: whole.ref.id }, now)).toEqual([whole, hollow])
})

test('what is verified is the newest that the workflow made: proven or not, but no safety copy and none of a stranger', () => {
  const unproven = entry(tuesday, { verified: 'none', damaged: true })
  const safety = entry(wednesday, { manifest: { ...manifest, kind: 'safety' } })
  const planted = entry('2026-11-19T00:00:00Z', { unvouched: 'a stranger wrote it' })
  expect(selectToVerify([entry(monday), unproven, safety, planted], latest, now)).toEqual([unproven])
  expect(() => selectToVerify([safety], latest, now)).toThrow('No backup that can be used was found')
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
  expect(select({ kind: 'latest' }, damaged)).toThrow(
    'No backup here is one to rely on. Of the newest, 20261121T000000Z-aaaaaaaa: its latest verification failed.'
  )
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
