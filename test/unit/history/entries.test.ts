import { expect, test } from 'vitest'
import { timeOfBackupId } from '../../../src/archive/backup-id.ts'
import { renderManifest, withDigest } from '../../../src/archive/manifest.ts'
import type { VerificationRecord } from '../../../src/archive/verification-record.ts'
import type { ListedBackup } from '../../../src/destinations/destination.ts'
import { entryOf, newestFirst, rank, readHistory } from '../../../src/history/entries.ts'
import { exampleManifest } from '../archive/manifests.ts'
import { unusedPlace } from '../places.ts'

const manifest = withDigest(exampleManifest())
const listed = (facts: Partial<ListedBackup> = {}): ListedBackup => ({
  project: manifest.project,
  id: manifest.id,
  manifest: renderManifest(manifest),
  records: [],
  files: new Map(),
  ...facts
})
const record = (at: string | null, facts: Partial<VerificationRecord> = {}, name = 'verification-1.json') => ({
  name,
  content: Buffer.from(
    JSON.stringify({
      format: 1,
      id: manifest.id,
      project: manifest.project,
      tool: 'supabase-backup 1.0.0',
      outcome: 'passed',
      verification: { level: 'restore', at, tables: { restore: 1, read: 0, differing: 0 }, notProven: [] },
      ...facts
    })
  )
})
const monday = '2026-11-23T10:00:00.000Z'
const tuesday = '2026-11-24T10:00:00.000Z'
const now = new Date('2026-11-25T10:00:00.000Z')

test('F40, T20: a success that is dated in the future hides no damage, and such a failure is not outdone', () => {
  const ahead = '2099-01-01T00:00:00.000Z'
  const failed = (at: string) => record(at, { outcome: 'failed', error: 'SB501' })
  for (const records of [
    [record(ahead), failed(tuesday)],
    [failed(tuesday), record(ahead)],
    [failed(ahead), record(tuesday)]
  ])
    expect(entryOf(listed({ records }), 'folder', now)).toMatchObject({ verified: 'none', damaged: true })
  // Clocks may differ by some minutes, and one that was wrong takes nothing away where nothing failed.
  const soon = '2026-11-25T10:59:00.000Z'
  for (const records of [[failed(tuesday), record(soon)], [record(ahead)]])
    expect(entryOf(listed({ records }), 'folder', now)).toMatchObject({ verified: 'restore', damaged: false })
})

test('the latest failed verification stands over every proof, until a later one passes', () => {
  const proven = entryOf(listed({ records: [record(monday)] }), 'folder', now)
  expect(proven).toMatchObject({ verified: 'restore', verifiedAt: new Date(monday), damaged: false })
  const failed = record(tuesday, { outcome: 'failed', error: 'SB501' })
  // In whatever order the place lists them.
  for (const records of [
    [record(monday), failed],
    [failed, record(monday)]
  ])
    expect(entryOf(listed({ records }), 'folder', now)).toMatchObject({
      verified: 'none',
      verifiedAt: null,
      damaged: true
    })
  expect(
    entryOf(listed({ records: [record(null, { outcome: 'failed' }), record(monday)] }), 'folder', now)
  ).toMatchObject({
    damaged: false
  })
  // Records without a time come first, however many there are.
  const timeless = [record(null, { outcome: 'failed' }), record(null)]
  for (const records of [
    [...timeless, failed],
    [failed, ...timeless]
  ])
    expect(entryOf(listed({ records }), 'folder', now)).toMatchObject({ damaged: true })
})

test('the level is the best that was reached, and its time that of the latest proof of it', () => {
  const proof = (level: 'checksum' | 'read', at: string | null) => ({
    level,
    at,
    tables: { restore: 0, read: 0, differing: 0 },
    notProven: []
  })
  const of = (...records: readonly ReturnType<typeof record>[]) => entryOf(listed({ records }), 'folder', now)
  const read = (at: string | null) => record(at, { verification: proof('read', at) })
  const checksum = (at: string) => record(at, { verification: proof('checksum', at) })
  expect(of(read(monday), checksum(tuesday))).toMatchObject({ verified: 'read', verifiedAt: new Date(monday) })
  expect(of(read(monday), read(tuesday))).toMatchObject({ verified: 'read', verifiedAt: new Date(tuesday) })
  expect(of(read(null))).toMatchObject({ verified: 'read', verifiedAt: null })
  expect(of(read(null), read(monday))).toMatchObject({ verifiedAt: new Date(monday) })
  expect(of()).toMatchObject({ verified: 'none', verifiedAt: null, damaged: false })
  const proven = { ...manifest, verification: proof('read', monday) }
  expect(entryOf(listed({ manifest: renderManifest(proven) }), 'folder', now)).toMatchObject({
    verified: 'read',
    verifiedAt: new Date(monday),
    changed: true
  })
  expect(entryOf(listed({ manifest: Buffer.from('{'), records: [read(monday)] }), 'folder', now)).toMatchObject({
    verified: 'read',
    changed: false
  })
})

test('records of other backups, records that are none, and other files beside a backup prove nothing', () => {
  const records = [
    record(monday, { id: '20261122T161908Z-aaaaaaaa' }),
    record(monday, { project: 'blog' }),
    record(monday, {}, 'note.json'),
    { name: 'verification-2.json', content: Buffer.from('{"outcome":"passed"}') },
    { name: 'verification-3.json', content: Buffer.from([0xff, 0x7b]) }
  ]
  expect(entryOf(listed({ records }), 'folder', now)).toMatchObject({ records: [], verified: 'none', damaged: false })
})

test('T8: a manifest in the place of another id or project is shown as unreadable, with nothing of what it says', () => {
  for (const swapped of [{ id: '20261122T161908Z-aaaaaaaa' }, { project: 'blog' }]) {
    const found = entryOf(listed({ ...swapped, records: [] }), 'folder', now)
    expect(found).toMatchObject({
      manifest: null,
      unreadable: `its manifest is that of shop/${manifest.id}`,
      verified: 'none',
      damaged: false
    })
  }
})

test('F66: what cannot be read is shown with the reason; what is no backup is not shown', () => {
  const newer = Buffer.from(JSON.stringify({ ...manifest, minReader: 99, tool: 'supabase-backup 9.1.0' }))
  expect(entryOf(listed({ manifest: newer }), 'folder', now)?.unreadable).toBe(
    'written by a newer version: install 9.1.0 or later'
  )
  const broken = entryOf(listed({ manifest: Buffer.from('{') }), 'folder', now)
  expect(broken).toMatchObject({
    manifest: null,
    unreadable: expect.stringContaining('cannot be read'),
    changed: false
  })
  expect(broken?.createdAt).toEqual(timeOfBackupId(manifest.id))
  expect(entryOf(listed({ id: 'notes' }), 'folder', now)).toBeNull()
  expect(entryOf(listed({ id: '20261399T161908Z-aaaaaaaa' }), 'folder', now)).toBeNull()
})

test('T8: a manifest of another time does not make a backup older or younger than its id says', () => {
  const later = renderManifest(withDigest({ ...exampleManifest(), createdAt: '2027-01-01T00:00:00.000Z' }))
  const id = '20261122T161908Z-aaaaaaaa'
  expect(entryOf(listed({ id, manifest: later }), 'folder', now)?.createdAt).toEqual(timeOfBackupId(id))
  expect(entryOf(listed({ manifest: later }), 'folder', now)?.createdAt).toEqual(new Date('2027-01-01T00:00:00.000Z'))
})

test('a verification that failed proves nothing, whatever level it was to reach', () => {
  const read = { level: 'read' as const, at: tuesday, tables: { restore: 0, read: 1, differing: 0 }, notProven: [] }
  const records = [record(monday, { outcome: 'failed' }), record(tuesday, { verification: read })]
  expect(entryOf(listed({ records }), 'folder', now)).toMatchObject({ verified: 'read', damaged: false })
})

test('each mark is its own', () => {
  const marked = (name: string) => entryOf(listed({ records: [{ name, content: new Uint8Array() }] }), 'folder', now)
  expect(marked('keep')).toMatchObject({ pinned: true, acknowledged: false })
  expect(marked('acknowledged')).toMatchObject({ pinned: false, acknowledged: true })
  expect(marked('verification-1.json')).toMatchObject({ pinned: false, acknowledged: false })
})

test('marks beside a backup, its page and its end are taken over', () => {
  const records = ['keep', 'acknowledged'].map((name) => ({ name, content: new Uint8Array() }))
  const expiresAt = new Date(tuesday)
  expect(entryOf(listed(), 'release', now)).toMatchObject({
    destination: 'release',
    pinned: false,
    acknowledged: false
  })
  expect(Object.keys(entryOf(listed(), 'folder', now) ?? {})).not.toEqual(expect.arrayContaining(['url']))
  expect(entryOf(listed({ records, url: 'https://x.example', expiresAt }), 'folder', now)).toMatchObject({
    pinned: true,
    acknowledged: true,
    url: 'https://x.example',
    expiresAt
  })
})

test('a history is read newest first, and those of one second by their ids', async () => {
  const of = (id: string) =>
    listed({
      id,
      manifest: renderManifest(withDigest({ ...exampleManifest(), id, createdAt: '2026-11-22T16:19:08.000Z' }))
    })
  const place = {
    ...unusedPlace('folder'),
    async *list() {
      yield of('20261122T161908Z-aaaaaaaa')
      yield listed({ id: 'notes' })
      yield of('20261122T161908Z-cccccccc')
      yield of('20261122T161908Z-bbbbbbbb')
    }
  }
  const found = await readHistory(place, now)
  expect(found.map(({ ref }) => ref.id.slice(-8))).toEqual(['cccccccc', 'bbbbbbbb', 'aaaaaaaa'])
  const [one, other] = found
  if (one === undefined || other === undefined) throw new Error('not reached')
  expect([newestFirst(one, other), newestFirst(one, one), newestFirst(other, one)]).toEqual([-1, 0, 1])
  await expect(readHistory(unusedPlace('folder'), now)).rejects.toThrow('nothing was to be asked')
  expect(rank('none')).toBeLessThan(rank('checksum'))
})

test('T12: a manifest that the place did not read makes one entry that cannot be read, with what lies beside it', () => {
  const notRead = 'it has 67108865 bytes, and at most 67108864 are read'
  const records = [{ name: 'keep', content: new Uint8Array() }, record(monday)]
  expect(
    entryOf(listed({ manifest: { notRead }, records, url: 'https://example.com/backup' }), 'folder', now)
  ).toMatchObject({
    ref: { project: manifest.project, id: manifest.id },
    createdAt: timeOfBackupId(manifest.id),
    manifest: null,
    unreadable: `its manifest cannot be read: ${notRead}`,
    changed: false,
    verified: 'restore',
    pinned: true,
    url: 'https://example.com/backup'
  })
})
