import type { Destination } from '../destinations/destination.ts'
import { UserError } from '../errors.ts'
import { type HistoryEntry, keepMarker, readHistory } from '../history/entries.ts'
import { filterRows, filterWords, type HistoryFilter, narrows } from '../history/filter.ts'
import { backupRows } from '../history/history-rows.ts'
import type { Moment } from '../inputs/backup-selector.ts'
import type { Result } from '../result.ts'
import { plannedLabels } from './plan.ts'
import type { Ports } from './ports.ts'

export interface ListOptions {
  readonly project: string | undefined
  /** Id of a backup to keep whatever the rules say, or no longer. */
  readonly pin: string | undefined
  readonly unpin: string | undefined
  /** What of it to show. */
  readonly filter: Pick<HistoryFilter, 'types'> & { readonly since: Moment | undefined }
  /** Path of the file of `plan`, whose projects are shown even where they have no backup. */
  readonly projects: string | undefined
}

/** Lists what all destinations hold, or what the filter lets through of it, after pinning or unpinning where that was asked for. */
export async function runList(options: ListOptions, ports: Ports): Promise<Result> {
  const { clock } = ports.context
  const startedAt = clock.now()
  const started = clock.monotonic()
  let entries = await readAll(ports, options.project)
  if (options.pin !== undefined) await mark(ports.destinations, entries, options.pin, true)
  if (options.unpin !== undefined) await mark(ports.destinations, entries, options.unpin, false)
  if (options.pin !== undefined || options.unpin !== undefined) entries = await readAll(ports, options.project)
  const filter: HistoryFilter = { ...options.filter, since: dateOf(options.filter.since, startedAt) }
  const planned = options.projects === undefined ? undefined : await plannedLabels(options.projects, options.project)
  const rows = backupRows(entries, clock.now())
  return {
    command: 'list',
    status: 'complete',
    startedAt: startedAt.toISOString(),
    durationMs: Math.round(clock.monotonic() - started),
    tool: ports.tool,
    project: options.project ?? null,
    verified: 'none',
    destinations: ports.destinations.map(({ name, place }) => ({ name, place, stored: false, url: null })),
    backups: filterRows(rows, filter),
    ...(narrows(filter)
      ? { filter: { conditions: filterWords(filter), of: new Set(rows.map((row) => `${row.project}/${row.id}`)).size } }
      : {}),
    ...(planned === undefined ? {} : { planned: [...planned.enabled] }),
    url: null,
    path: null,
    warnings: []
  }
}

export function dateOf(moment: Moment | undefined, now: Date): Date | undefined {
  if (moment === undefined) return undefined
  return 'at' in moment ? moment.at : new Date(now.getTime() - moment.agoMs)
}

/** The histories of all destinations; the first that cannot be read fails the whole. */
export async function readAll({ destinations, context, trusted }: Ports, project?: string): Promise<HistoryEntry[]> {
  const entries: HistoryEntry[] = []
  for (const destination of destinations)
    entries.push(...(await readHistory(destination, context.clock.now(), project, trusted)))
  return entries
}

/** The histories of the places that answer. Those that do not are told in `warnings`; when none does, the first error is thrown. */
export async function readReachable(
  ports: Ports,
  project: string | undefined,
  warnings: string[]
): Promise<HistoryEntry[]> {
  const { context, destinations, trusted } = ports
  const entries: HistoryEntry[] = []
  const errors: UserError[] = []
  for (const destination of destinations) {
    try {
      entries.push(...(await readHistory(destination, context.clock.now(), project, trusted)))
    } catch (thrown) {
      if (!(thrown instanceof UserError) || context.signal.aborted) throw thrown
      errors.push(thrown)
      warnings.push(
        `${destination.place} could not be read, so what lies there is not known: ${thrown.code}: ${thrown.message}`
      )
    }
  }
  const [first] = errors
  if (first !== undefined && errors.length === destinations.length) throw first
  return entries
}

async function mark(
  destinations: readonly Destination[],
  entries: readonly HistoryEntry[],
  id: string,
  keep: boolean
): Promise<void> {
  const found = entries.filter((entry) => entry.ref.id === id)
  if (found.length === 0) throw new UserError('SB901', `There is no backup ${id} to ${keep ? 'pin' : 'unpin'}.`)
  for (const entry of found) {
    const destination = destinations.find((one) => one.name === entry.destination)
    if (destination === undefined || entry.pinned === keep) continue
    await destination.annotate(
      entry.ref,
      keepMarker,
      keep ? Buffer.from(`kept whatever the retention rules say\n`) : null
    )
  }
}
