import { UserError } from '../errors.ts'
import type { HistoryEntry } from '../history/entries.ts'
import { backupRows } from '../history/rows.ts'
import { type BackupChoice, selectBackup, soleProject } from '../history/select.ts'
import type { Result } from '../result.ts'
import { readAll } from './list.ts'
import type { Ports } from './ports.ts'

export interface DeleteOptions {
  readonly project: string | undefined
  readonly choice: BackupChoice
  /** Must be the id of the backup, unless `dryRun`. */
  readonly confirmTarget: string | undefined
  readonly dryRun: boolean
}

/** Deletes one backup, named twice, from every destination that holds it. */
export async function runDelete(options: DeleteOptions, ports: Ports): Promise<Result> {
  const { clock } = ports.context
  const startedAt = clock.now()
  const started = clock.monotonic()
  const entries = await readAll(ports.destinations, options.project)
  const found = meant(entries, options, clock.now())
  const id = found[0]?.ref.id ?? ''
  if (!options.dryRun && options.confirmTarget !== id)
    throw new UserError('SB002', `To delete backup ${id}, set the input \`confirm-target\` to ${id}.`)
  const removed: NonNullable<Result['retention']> = []
  for (const entry of found) {
    const destination = ports.destinations.find((one) => one.name === entry.destination)
    if (destination === undefined) continue
    if (!options.dryRun) await destination.delete(entry.ref)
    removed.push({
      id: entry.ref.id,
      project: entry.ref.project,
      destination: entry.destination,
      keep: false,
      reasons: ['deleted by hand'],
      removed: !options.dryRun
    })
  }
  if (!options.dryRun)
    for (const destination of ports.destinations.filter((one) => found.some((entry) => entry.destination === one.name)))
      await destination.reclaim?.()
  const left = options.dryRun ? entries : await readAll(ports.destinations, options.project)
  return {
    command: 'delete',
    status: 'complete',
    startedAt: startedAt.toISOString(),
    durationMs: Math.round(clock.monotonic() - started),
    tool: ports.tool,
    project: found[0]?.ref.project ?? null,
    verified: 'none',
    destinations: ports.destinations.map(({ name, place }) => ({ name, place, stored: false, url: null })),
    backups: backupRows(left, clock.now()),
    url: null,
    path: null,
    warnings: [],
    retention: removed
  }
}

/** The copies of the backup that is meant. One whose manifest nobody can read is found by its id alone: it, too, must go. */
function meant(entries: readonly HistoryEntry[], options: DeleteOptions, now: Date): readonly HistoryEntry[] {
  const { choice } = options
  if (choice.kind !== 'id') {
    soleProject(entries)
    return selectBackup(entries, choice, now)
  }
  const found = entries.filter((entry) => entry.ref.id === choice.id)
  if (found.length === 0) throw new UserError('SB901', `There is no backup ${choice.id}.`)
  return found
}
