import { expect, test } from 'vitest'
import type { BackupRef, Destination } from '../../../src/destinations/destination.ts'
import { acknowledge } from '../../../src/history/acknowledge.ts'
import { unusedPlace } from '../places.ts'
import { entry, now } from './histories.ts'

const notes: (readonly [string, BackupRef, string, string])[] = []
const noting = (name: Destination['name']): Destination => ({
  ...unusedPlace(name),
  annotate: async (ref, record, content) => void notes.push([name, ref, record, Buffer.from(content ?? '').toString()])
})

test('T10: an acknowledgement is noted once beside every copy of the anomalous backup, and of no other', async () => {
  const odd = entry({ id: 'odd', manifest: { status: 'anomalous' } })
  const copy = { ...odd, destination: 'release' as const }
  const elsewhere = { ...odd, destination: 'artifact' as const }
  const other = entry({ id: 'other', manifest: { status: 'anomalous' } })
  const places = [noting('folder'), noting('release')]
  const first = await acknowledge(places, [odd, copy, elsewhere, other], 'odd', now)
  expect(first.outcome).toBe('recorded')
  expect(first.entries.map((one) => one.acknowledged)).toEqual([true, true, true, false])
  expect(notes).toEqual([
    ['folder', odd.ref, 'acknowledged', 'the change was intended, 2026-11-22T16:00:00.000Z\n'],
    ['release', odd.ref, 'acknowledged', 'the change was intended, 2026-11-22T16:00:00.000Z\n']
  ])
  const again = await acknowledge(places, first.entries, 'odd', now)
  expect(again).toEqual({ entries: first.entries, outcome: 'known' })
  expect(notes).toHaveLength(2)
})

test('what is not anomalous, or not there, is told and left alone', async () => {
  const good = entry({ id: 'good' })
  const unreadable = entry({ id: 'unreadable', unreadable: true })
  const entries = [good, unreadable]
  expect(await acknowledge([], entries, 'good', now)).toEqual({ entries, outcome: 'not anomalous' })
  expect(await acknowledge([], entries, 'unreadable', now)).toEqual({ entries, outcome: 'not anomalous' })
  expect(await acknowledge([], entries, 'nowhere', now)).toEqual({ entries, outcome: 'unknown' })
})
