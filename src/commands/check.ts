import { rename, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { Destination } from '../destinations/destination.ts'
import { UserError } from '../errors.ts'
import { checkRoom, type Room, takenBytes } from '../history/capacity.ts'
import type { HistoryEntry } from '../history/entries.ts'
import { type Alarm, checkProject, checkSchedules, type ScheduledWorkflow } from '../history/freshness.ts'
import { gapsOf } from '../history/gaps.ts'
import { backupRows } from '../history/history-rows.ts'
import { pastRuns } from '../history/past-runs.ts'
import { withoutBareTargets } from '../history/select.ts'
import { newestTrustworthy } from '../history/trust.ts'
import { readWorkflow, withCalled } from '../history/workflow-schedule.ts'
import type { Result } from '../result.ts'
import { formatBytes } from '../text/format.ts'
import { badgeOf } from '../ui/badge.ts'
import { checkLocks } from './check-locks.ts'
import { readPlaces, unreadWords } from './list.ts'
import { type PlannedLabels, plannedLabels } from './plan.ts'
import type { Ports } from './ports.ts'

export interface CheckOptions {
  readonly project: string | undefined
  readonly maxAgeMs: number
  /** Path of the file of `plan`, where it is to be checked that each of its projects has backups. */
  readonly projects: string | undefined
  /** Fingerprints of the recipients that backups should have; empty: not looked at. */
  readonly recipients: readonly string[]
  /** Folder of what stays after the run. */
  readonly kept: string
  /** File name of the workflow of this run, where it is known. */
  readonly workflowFile: string | undefined
}

export interface CheckPorts extends Ports {
  /** The workflows of the repository of this run; undefined where they cannot be asked for. */
  readonly workflows:
    | {
        list(): Promise<readonly { readonly path: string; readonly state: string }[]>
        text(path: string): Promise<string | undefined>
      }
    | undefined
}

/** Looks whether backups are as fresh as they should be. Reads manifests and records alone, and downloads nothing else. */
export async function runCheck(options: CheckOptions, ports: CheckPorts): Promise<Result> {
  const { clock, log } = ports.context
  const startedAt = clock.now()
  const started = clock.monotonic()
  const { entries, unread } = await readPlaces(ports, options.project)
  const reachable = ports.destinations.filter(({ place }) => !unread.some((one) => one.place === place))
  const now = clock.now()
  const planned = options.projects === undefined ? undefined : await plannedLabels(options.projects, options.project)
  const projects = labelsToCheck(entries, planned)
  const alarms: Alarm[] = []
  const warnings: string[] = []
  // What lies elsewhere is judged all the same. A place that has an outage is worth a look; one that refuses us stays away until somebody acts.
  for (const one of unread)
    if (one.error.code === 'SB401') warnings.push(`${unreadWords(one)} (${one.error.code})`)
    else alarms.push({ kind: 'unreachable', detail: `${unreadWords(one)} ${one.error.remedy}` })
  for (const project of projects) {
    const found = checkProject(
      project,
      entries.filter((entry) => entry.ref.project === project),
      options,
      now
    )
    alarms.push(...found.alarms)
    warnings.push(...found.warnings)
  }
  const scheduled = await scheduledWorkflows(options, ports, warnings)
  const schedules = checkSchedules(scheduled, projects, entries, now)
  alarms.push(...schedules.alarms)
  warnings.push(...schedules.warnings)
  alarms.push(...(await checkLocks(entries, { ...ports, destinations: reachable })))
  const rooms = await roomsOf(entries, reachable)
  const room = checkRoom(rooms, entries)
  alarms.push(...room.alarms)
  warnings.push(...room.warnings)
  for (const { place, takenBytes: taken, leftBytes } of rooms)
    log.info(
      `${place} holds ${formatBytes(taken)} of backups${leftBytes === null ? '' : `, and has room for ${formatBytes(leftBytes)} more`}.`
    )
  await writeBadges(options, projects, entries, alarms, warnings, now)

  const error = verdict(options, entries, alarms)
  return {
    command: 'check',
    status: entries.length === 0 ? 'nothing' : error === undefined ? 'complete' : 'failed',
    startedAt: startedAt.toISOString(),
    durationMs: Math.round(clock.monotonic() - started),
    tool: ports.tool,
    project: options.project ?? (projects.length === 1 ? (projects[0] ?? null) : null),
    ...(error === undefined ? {} : { error: { code: error.code, message: error.message, remedy: error.remedy } }),
    verified: levelOf(projects, entries, now),
    destinations: ports.destinations.map(({ name, place }) => ({ name, place, stored: false, url: null })),
    backups: backupRows(entries, now),
    url: null,
    path: null,
    warnings,
    alarms: alarms.map((alarm) => ({ ...alarm })),
    room: rooms.map((one) => ({ ...one })),
    gaps: projects.flatMap((project) => gapsIn(project, ofProject(entries, project), now)),
    ...(planned === undefined ? {} : { planned: [...planned.enabled] })
  }
}

/** All that are backed up (a target that a restore kept a copy of is not) and all that are planned, but for those that the plan has switched off. */
function labelsToCheck(entries: readonly HistoryEntry[], planned: PlannedLabels | undefined): string[] {
  const stored = withoutBareTargets(entries)
    .map((entry) => entry.ref.project)
    .filter((label) => planned?.disabled.includes(label) !== true)
  return [...new Set([...stored, ...(planned?.enabled ?? [])])].sort()
}

function verdict(
  options: CheckOptions,
  entries: readonly HistoryEntry[],
  alarms: readonly Alarm[]
): UserError | undefined {
  if (entries.length === 0) {
    return new UserError(
      'SB921',
      `There is no backup${options.project === undefined ? '' : ` of ${options.project}`} at all.`
    )
  }
  return alarms.length === 0 ? undefined : new UserError('SB920', alarms.map((alarm) => alarm.detail).join(' '))
}

function gapsIn(project: string, entries: readonly HistoryEntry[], now: Date): NonNullable<Result['gaps']> {
  const gaps = gapsOf(pastRuns(entries, now), now)
  if (gaps === undefined) return []
  return [{ project, ...gaps, since: gaps.since.toISOString(), largestAfter: gaps.largestAfter.toISOString() }]
}

/** How far the newest backups are proven: the weakest of all projects. */
function levelOf(projects: readonly string[], entries: readonly HistoryEntry[], now: Date): Result['verified'] {
  const order: readonly Result['verified'][] = ['none', 'checksum', 'read', 'restore']
  const levels = projects.map((project) => newestTrustworthy(ofProject(entries, project), now)?.verified ?? 'none')
  return order.find((level) => levels.includes(level)) ?? 'none'
}

function ofProject(entries: readonly HistoryEntry[], project: string): HistoryEntry[] {
  return entries.filter((entry) => entry.ref.project === project)
}

/**
 * The workflows that make backups on a schedule. When no file of the repository says that it does, the one of this run is
 * taken, unless it uses this action for something else. What GitHub does not show is a warning: the age is checked anyway.
 */
export async function scheduledWorkflows(
  options: Pick<CheckOptions, 'workflowFile'>,
  ports: CheckPorts,
  warnings: string[]
): Promise<readonly ScheduledWorkflow[]> {
  if (ports.workflows === undefined) return []
  const found: ScheduledWorkflow[] = []
  try {
    for (const { path, state } of await ports.workflows.list()) {
      const text = state === 'deleted' ? undefined : await ports.workflows.text(path)
      if (text !== undefined) found.push({ ...readWorkflow(text), file: path.split('/').at(-1) ?? path, state })
    }
  } catch (thrown) {
    if (!(thrown instanceof UserError) || ports.context.signal.aborted) throw thrown
    warnings.push(`The schedules of the workflows could not be looked at: ${thrown.message} ${thrown.remedy}`)
    return []
  }
  const whole = withCalled(found)
  const making = whole.filter((one) => one.use === 'backup')
  const own = whole.filter((one) => one.file === options.workflowFile && one.use === 'none')
  return (making.length > 0 ? making : own).filter((one) => one.schedules.length > 0)
}

/** What each place holds and has left. */
async function roomsOf(entries: readonly HistoryEntry[], destinations: readonly Destination[]): Promise<Room[]> {
  const rooms: Room[] = []
  for (const destination of destinations) {
    const { name, place, limits } = destination
    const taken = takenBytes(entries, name)
    const free = (await destination.freeBytes?.()) ?? null
    const below = limits.mostBytes === undefined ? null : Math.max(0, limits.mostBytes - taken)
    rooms.push({ destination: name, place, takenBytes: taken, leftBytes: free ?? below })
  }
  return rooms
}

/** `badge.json` for all together and `badge-<label>.json` for each project, beside the result file. */
async function writeBadges(
  options: CheckOptions,
  projects: readonly string[],
  entries: readonly HistoryEntry[],
  alarms: readonly Alarm[],
  warnings: readonly string[],
  now: Date
): Promise<void> {
  const newest = new Map(projects.map((project) => [project, newestTrustworthy(ofProject(entries, project), now)]))
  const all = [...newest.values()]
  const oldest = all.includes(undefined)
    ? undefined
    : all.toSorted((a, b) => (a?.createdAt.getTime() ?? 0) - (b?.createdAt.getTime() ?? 0))[0]
  await writeJson(
    join(options.kept, 'badge.json'),
    badgeOf('backup', { newest: oldest, alarms: alarms.length, warnings: warnings.length }, now)
  )
  for (const project of projects) {
    const own = alarms.filter((alarm) => alarm.project === undefined || alarm.project === project)
    const facts = { newest: newest.get(project), alarms: own.length, warnings: 0 }
    await writeJson(join(options.kept, `badge-${project}.json`), badgeOf(`backup of ${project}`, facts, now))
  }
}

async function writeJson(path: string, value: object): Promise<void> {
  await writeFile(`${path}.part`, `${JSON.stringify(value)}\n`, { mode: 0o600 })
  await rename(`${path}.part`, path)
}
