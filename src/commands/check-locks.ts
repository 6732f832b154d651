import type { GuardedBackup } from '../destinations/destination.ts'
import type { HistoryEntry } from '../history/entries.ts'
import type { Alarm } from '../history/freshness.ts'
import { plural } from '../text/format.ts'
import type { Ports } from './ports.ts'

/** Most findings of one kind that an alarm names: whoever empties a place touches every file. */
const mostNamed = 3

/** Alarms of places that lock: what somebody hid, wrote over or removed, and locks that end too soon. One for each backup and kind. */
export async function checkLocks(entries: readonly HistoryEntry[], ports: Ports): Promise<readonly Alarm[]> {
  const alarms: Alarm[] = []
  for (const destination of ports.destinations) {
    if (destination.inspectLocks === undefined) continue
    const here = entries.filter((entry) => entry.destination === destination.name)
    const findings = await destination.inspectLocks(here.flatMap(guardedBackup))
    const groups = Map.groupBy(findings, ({ ref, kind }) => `${ref.project}/${ref.id} ${kind}`)
    for (const group of groups.values()) {
      const [first] = group
      if (first === undefined) continue
      const named = group.slice(0, mostNamed).map(({ detail }) => detail)
      const more = group.length > mostNamed ? `; and ${plural(group.length - mostNamed, 'more file')}` : ''
      alarms.push({
        kind: first.kind === 'lock-too-short' ? 'lock-too-short' : 'tampered',
        project: first.ref.project,
        detail: `${destination.place}, backup ${first.ref.id} of ${first.ref.project}: ${named.join('; ')}${more}.`
      })
    }
  }
  return alarms
}

function guardedBackup({ ref, manifest }: HistoryEntry): GuardedBackup[] {
  if (manifest === null) return []
  const namesOf = (files: typeof manifest.files) =>
    files.flatMap((file) => (file.volumes ?? [file]).map(({ name }) => name))
  return [{ ref, files: namesOf(manifest.files), shared: namesOf(manifest.shared) }]
}
