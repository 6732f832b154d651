import type { Destination } from '../destinations/destination.ts'
import { UserError } from '../errors.ts'
import { type HistoryEntry, keepMarker, readHistory } from '../history/entries.ts'
import { filterRows, filterWords, type HistoryFilter, narrows } from '../history/filter.ts'
import { backupRows } from '../history/history-rows.ts'
import { withoutBareTargets } from '../history/select.ts'
import type { Moment } from '../inputs/backup-selector.ts'
import type { Result } from '../result.ts'
import { collectDashboard } from '../ui/dashboard/collect.ts'
import { healthOf } from '../ui/dashboard/health.ts'
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
  const marking = options.pin !== undefined || options.unpin !== undefined
  // What is marked is looked for everywhere; to look, the places that answer are enough.
  let { entries, unread } = marking
    ? { entries: await readAll(ports, options.project), unread: [] }
    : await readPlaces(ports, options.project)
  if (options.pin !== undefined) await mark(ports.destinations, entries, options.pin, true)
  if (options.unpin !== undefined) await mark(ports.destinations, entries, options.unpin, false)
  if (marking) entries = await readAll(ports, options.project)
  const filter: HistoryFilter = { ...options.filter, since: dateOf(options.filter.since, startedAt) }
  const planned = options.projects === undefined ? undefined : await plannedLabels(options.projects, options.project)
  const rows = backupRows(entries, clock.now())
  const [first] = unread
  return {
    command: 'list',
    status: first === undefined ? 'complete' : 'partial',
    ...(first === undefined
      ? {}
      : { error: { code: first.error.code, message: unreadWords(first), remedy: first.error.remedy } }),
    startedAt: startedAt.toISOString(),
    durationMs: Math.round(clock.monotonic() - started),
    tool: ports.tool,
    project: options.project ?? null,
    verified: 'none',
    destinations: ports.destinations.map(({ name, place }) => ({ name, place, stored: false, url: null })),
    backups: filterRows(rows, filter),
    health: healthIn(entries, [...(planned?.enabled ?? [])], ports, clock.now()),
    ...(narrows(filter)
      ? { filter: { conditions: filterWords(filter), of: new Set(rows.map((row) => `${row.project}/${row.id}`)).size } }
      : {}),
    ...(planned === undefined ? {} : { planned: [...planned.enabled] }),
    url: null,
    path: null,
    warnings: unread.slice(1).map((one) => `${one.error.code}: ${unreadWords(one)}`)
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

/** A place that could not be listed, and why. */
export interface Unread {
  readonly place: string
  readonly error: UserError
}

/** The histories of the places that answer, and the places that do not; when none does, the first error is thrown. */
export async function readPlaces(
  { context, destinations, trusted }: Ports,
  project: string | undefined
): Promise<{ readonly entries: HistoryEntry[]; readonly unread: readonly Unread[] }> {
  const entries: HistoryEntry[] = []
  const unread: Unread[] = []
  for (const destination of destinations) {
    try {
      entries.push(...(await readHistory(destination, context.clock.now(), project, trusted)))
    } catch (thrown) {
      if (!(thrown instanceof UserError) || context.signal.aborted) throw thrown
      unread.push({ place: destination.place, error: thrown })
    }
  }
  const [first] = unread
  if (first !== undefined && unread.length === destinations.length) throw first.error
  return { entries, unread }
}

/** The same, with the places that do not answer told in `warnings`. */
export async function readReachable(
  ports: Ports,
  project: string | undefined,
  warnings: string[]
): Promise<HistoryEntry[]> {
  const { entries, unread } = await readPlaces(ports, project)
  warnings.push(...unread.map((one) => `${unreadWords(one)} (${one.error.code})`))
  return entries
}

export function unreadWords({ place, error }: Unread): string {
  return `${place} could not be read, so what lies there is not known: ${error.message}`
}

/** How each project stands, as the dashboard has it: those that are backed up or planned. */
function healthIn(
  entries: readonly HistoryEntry[],
  planned: readonly string[],
  { destinations, tool }: Ports,
  now: Date
): NonNullable<Result['health']> {
  const meant = withoutBareTargets(entries)
  const places = destinations.map(({ name, place }) => ({
    name,
    place,
    inputs: {},
    entries: meant.filter((entry) => entry.destination === name)
  }))
  const data = collectDashboard({ tool, repository: null, places, workflows: null }, now)
  const known = data.projects.map((project) => {
    const backups = data.backups.filter((backup) => backup.project === project.label)
    const { state, reasons } = healthOf(project, backups, data, now)
    return { project: project.label, state, reasons: [...reasons] }
  })
  const missing = planned.filter((label) => !known.some((one) => one.project === label))
  return [
    ...known,
    ...missing.map((project) => ({ project, state: 'bad' as const, reasons: ['It is planned, and has no backup.'] }))
  ]
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
