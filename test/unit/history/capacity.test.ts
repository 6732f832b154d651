import { describe, expect, test } from 'vitest'
import type { DestinationName } from '../../../src/destinations/destination.ts'
import { checkRoom, type Room, takenBytes } from '../../../src/history/capacity.ts'
import { entryOf } from '../../../src/history/entries.ts'
import { day, earlierBackup } from '../../kit/history.ts'

const file = (name: string, bytes: number) => ({ name, bytes, sha256: '0'.repeat(64) })

function entry(destination: DestinationName, ageDays: number, bytes: number, project = 'shop', shared = 0) {
  const { ref, manifest } = earlierBackup(ageDays * day, {
    project,
    files: [file('database.dump', bytes)],
    shared: shared === 0 ? [] : [file('objects-1.tar', shared)]
  })
  const made = entryOf({ ...ref, manifest, records: [], files: new Map() }, destination, new Date())
  if (made === null) throw new Error('no backup')
  return made
}

const entries = [
  entry('folder', 1, 100, 'shop', 1000),
  entry('folder', 2, 900, 'shop', 1000),
  entry('folder', 3, 50, 'blog'),
  entry('release', 1, 7)
]
const room = (leftBytes: number | null, destination: DestinationName = 'folder'): Room => ({
  destination,
  place: 'the place',
  takenBytes: takenBytes(entries, destination),
  leftBytes
})

describe('room', () => {
  test('a place holds its own backups, shared files once', () => {
    expect([takenBytes(entries, 'folder'), takenBytes(entries, 'release'), takenBytes(entries, 'artifact')]).toEqual([
      2050, 7, 0
    ])
  })
  // The newest of each project take 150 bytes.
  test.each([
    [149, 1, 0],
    [150, 0, 1],
    [1049, 0, 1],
    [1050, 0, 0],
    [null, 0, 0]
  ])('%j bytes left: %i alarms, %i warnings', (left, alarms, warnings) => {
    const found = checkRoom([room(left)], entries)
    expect([found.alarms.length, found.warnings.length]).toEqual([alarms, warnings])
  })
  test('the newest of a project is found wherever it stands in the list, and what cannot be read takes no room', () => {
    const unreadable = { ...entry('folder', 0, 9000), manifest: null }
    for (const all of [
      [...entries, unreadable],
      [unreadable, ...entries.toReversed()]
    ]) {
      expect(checkRoom([room(149)], all).alarms).toHaveLength(1)
      expect(checkRoom([room(150)], all).alarms).toEqual([])
    }
    expect(checkRoom([room(200)], entries).warnings).toEqual([
      expect.stringMatching(
        /^the place has room for 200.B more beside .* of backups: less than 7 times the newest ones \(150.B\)\.$/
      )
    ])
  })
  test('says of which place, and nothing of an empty one', () => {
    expect(checkRoom([room(10), room(0, 'artifact')], entries).alarms).toEqual([
      {
        kind: 'room',
        detail: expect.stringMatching(
          /^the place has room for 10 \S+ more beside 2\S* kB of backups; the newest ones take 150 /
        )
      }
    ])
  })
})
