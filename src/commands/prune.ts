import type { Destination } from '../destinations/destination.ts'
import { UserError } from '../errors.ts'
import { acknowledge } from '../history/acknowledge.ts'
import { pauseThatDoubtsTheClock } from '../history/clock-doubt.ts'
import type { HistoryEntry } from '../history/entries.ts'
import { backupRows } from '../history/history-rows.ts'
import {
  bytesOf,
  counts,
  planRetention,
  type RetentionRules,
  unacknowledged,
  type Verdict
} from '../history/retention.ts'
import type { Result } from '../result.ts'
import { formatAge, formatBytes, formatCount, plural } from '../text/format.ts'
import { readAll } from './list.ts'
import type { Ports } from './ports.ts'
import { sweepPool } from './sweep-pool.ts'

export interface PruneOptions {
  /** Undefined: every project that the destinations hold, each by itself. */
  readonly project: string | undefined
  readonly keep: RetentionRules
  /** Id of an anomalous backup whose change was intended. */
  readonly acknowledge: string | undefined
  readonly dryRun: boolean
}

type Retention = NonNullable<Result['retention']>

/** Removes what the rules no longer keep, or with `dryRun` shows what that would be. */
export async function runPrune(options: PruneOptions, ports: Ports): Promise<Result> {
  const { clock, log } = ports.context
  const startedAt = clock.now()
  const started = clock.monotonic()
  // The first listing that fails ends the run: what could not be listed is never taken for nothing.
  let entries: readonly HistoryEntry[] = await readAll(ports, options.project)
  const warnings: string[] = []
  if (options.acknowledge !== undefined) {
    const acknowledged = await acknowledge(
      options.dryRun ? [] : ports.destinations,
      entries,
      options.acknowledge,
      clock.now()
    )
    if (acknowledged.outcome === 'unknown')
      throw new UserError('SB901', `There is no backup ${options.acknowledge} to acknowledge.`)
    if (acknowledged.outcome === 'not anomalous')
      warnings.push(`Backup ${options.acknowledge} is not anomalous: there is nothing to acknowledge.`)
    entries = acknowledged.entries
  }
  const pruned = await applyRetention(entries, options.keep, ports, options.dryRun, options.project)
  warnings.push(...pruned.warnings)
  for (const warning of warnings) log.warning(warning)
  const left = options.dryRun || pruned.removed === 0 ? entries : await readAll(ports, options.project)
  const { error } = pruned
  return {
    command: 'prune',
    status: error === undefined ? 'complete' : error.code === 'SB904' ? 'anomalous' : 'failed',
    startedAt: startedAt.toISOString(),
    durationMs: Math.round(clock.monotonic() - started),
    tool: ports.tool,
    project: options.project ?? null,
    verified: 'none',
    destinations: ports.destinations.map(({ name, place }) => ({ name, place, stored: false, url: null })),
    backups: backupRows(left, clock.now()),
    url: null,
    path: null,
    warnings,
    retention: pruned.retention,
    ...(error === undefined ? {} : { error: { code: error.code, message: error.message, remedy: error.remedy } })
  }
}

export interface Pruned {
  readonly retention: Retention
  /** Backups that are gone now. */
  readonly removed: number
  readonly warnings: readonly string[]
  /** Why not everything was removed that the rules no longer keep. */
  readonly error?: UserError
}

/**
 * Decides over `entries`, which must be complete listings, and removes what no rule keeps: nothing while an anomalous backup of
 * the project is open, nothing when the clock is wrong. A place where a removal fails is left as it is for the next run. Of `project` the pool is swept also
 * where no backup of it is left.
 */
export async function applyRetention(
  entries: readonly HistoryEntry[],
  rules: RetentionRules,
  ports: Ports,
  dryRun: boolean,
  project?: string
): Promise<Pruned> {
  const { context, destinations } = ports
  const now = context.clock.now()
  const warnings: string[] = []
  const errors: UserError[] = []
  const verdicts: Verdict[] = []
  /** Projects whose backups may be removed. */
  const free: string[] = []
  const clockError = await wrongClock(ports, entries, rules)
  if (clockError !== undefined) errors.push(clockError)
  const labels = new Set([...entries.map((entry) => entry.ref.project), ...(project === undefined ? [] : [project])])
  for (const project of [...labels].sort()) {
    const ours = entries.filter((entry) => entry.ref.project === project)
    const open = unacknowledged(ours)
    if (open.length > 0) errors.push(frozen(project, open))
    else if (clockError === undefined) free.push(project)
    const hold =
      open.length > 0
        ? `pruning is frozen: ${open[0]?.ref.id} is anomalous`
        : clockError === undefined
          ? undefined
          : 'the clock is not sure'
    for (const { name, place } of destinations) {
      const here = ours.filter((entry) => entry.destination === name)
      const planned = planRetention(here, rules, now)
      warnings.push(...remarks(project, place, planned, rules, now))
      verdicts.push(...(hold === undefined ? planned : planned.map((verdict) => heldBack(verdict, hold))))
    }
  }
  const outcome: Removals = dryRun
    ? { gone: new Set(), locked: new Map(), errors: [] }
    : await removeAll(verdicts, free, ports)
  errors.push(...outcome.errors)
  const [first] = errors
  return {
    retention: verdicts
      .map((verdict) => {
        const lock = outcome.locked.get(verdict.entry)
        return lock === undefined ? verdict : heldBack(verdict, lock)
      })
      .map(({ entry, keep, reasons }) => ({
        id: entry.ref.id,
        project: entry.ref.project,
        destination: entry.destination,
        keep,
        reasons: [...reasons],
        ...(keep ? {} : { removed: outcome.gone.has(entry) })
      })),
    removed: outcome.gone.size,
    warnings: [...warnings, ...errors.slice(1).map((error) => `${error.code}: ${error.message}`)],
    ...(first === undefined ? {} : { error: first })
  }
}

function heldBack(verdict: Verdict, reason: string): Verdict {
  return verdict.keep ? verdict : { ...verdict, keep: true, reasons: [reason] }
}

function frozen(project: string, open: readonly HistoryEntry[]): UserError {
  const newest = open[0]?.ref.id ?? ''
  return new UserError(
    'SB904',
    `Nothing of ${project} is removed: ${plural(open.length, 'anomalous backup')} ${open.length === 1 ? 'is' : 'are'} not acknowledged, the newest is ${newest}.`,
    {
      remedy: `Look at what changed. If it was intended, run once with \`acknowledge: ${newest}\`, which covers the earlier ones, too; else find out what emptied the source.`
    }
  )
}

/** What a reader of the plan should know besides the verdicts. */
function remarks(
  project: string,
  place: string,
  planned: readonly Verdict[],
  rules: RetentionRules,
  now: Date
): string[] {
  const found: string[] = []
  if (planned.length > 1 && !planned.some(({ entry }) => counts(entry, now)))
    found.push(
      `${place}: no backup of ${project} is complete and verified, so none counts towards the keep rules and none is removed.`
    )
  const kept = planned.filter((verdict) => verdict.keep).map((verdict) => verdict.entry)
  const bytes = bytesOf(kept)
  if (rules.maxBytes !== undefined && bytes > rules.maxBytes)
    found.push(
      `${place}: the backups of ${project} that must stay take ${formatBytes(bytes)}, more than \`keep-max-bytes\` allows (${formatBytes(rules.maxBytes)}).`
    )
  return found
}

const toleranceMs = 60 * 60 * 1000

/**
 * With a clock that is off, young backups look old: nothing is removed then. Where a place tells its own time that is compared; elsewhere a long pause since
 * the last backup is a doubt, when a rule measures from now.
 */
async function wrongClock(
  ports: Ports,
  entries: readonly HistoryEntry[],
  rules: RetentionRules
): Promise<UserError | undefined> {
  for (const destination of ports.destinations) {
    const theirs = await destination.serverTime?.()
    const ours = ports.context.clock.now()
    if (theirs !== undefined) {
      if (Math.abs(theirs.getTime() - ours.getTime()) > toleranceMs)
        return new UserError(
          'SB905',
          `The clock of this machine says ${ours.toISOString()}, that of ${destination.place} ${theirs.toISOString()}.`
        )
      continue
    }
    const here = entries.filter((entry) => entry.destination === destination.name)
    const pause = rules.withinMs === undefined ? undefined : pauseThatDoubtsTheClock(here, ours)
    if (pause !== undefined)
      return new UserError(
        'SB905',
        `By the clock of this machine it is ${ours.toISOString()}, ${formatAge(pause)} after the last earlier backup in ${destination.place}, and \`keep-within\` goes by that clock alone.`,
        {
          remedy:
            'Look at the clock of this machine. When it is right, nothing is lost: what `keep-within` no longer keeps is removed once a backup is a day old again. Nothing was removed.'
        }
      )
  }
  return undefined
}

interface Removals {
  readonly gone: ReadonlySet<HistoryEntry>
  /** What the place holds locked, with its own words: until when. */
  readonly locked: ReadonlyMap<HistoryEntry, string>
  readonly errors: UserError[]
}

/** Removes oldest first; in each place until something fails there. What is locked is left, and no failure. */
async function removeAll(verdicts: readonly Verdict[], projects: readonly string[], ports: Ports): Promise<Removals> {
  const { context } = ports
  const gone = new Set<HistoryEntry>()
  const locked = new Map<HistoryEntry, string>()
  const errors: UserError[] = []
  for (const destination of ports.destinations) {
    const here = verdicts.filter(({ entry }) => entry.destination === destination.name)
    const doomed = here
      .filter(({ keep }) => !keep)
      .map(({ entry }) => entry)
      .sort((a, b) => a.createdAt.getTime() - b.createdAt.getTime())
    let freed = 0
    try {
      for (const project of projects) {
        const entries = here.map(({ entry }) => entry).filter((entry) => entry.ref.project === project)
        freed += await sweepPool(destination, project, entries, ports)
      }
      for (const entry of doomed) {
        context.signal.throwIfAborted()
        const lock = await lockOver(destination, entry)
        if (lock !== undefined) {
          locked.set(entry, lock)
          context.log.info(`${destination.place}: ${lock}`)
          continue
        }
        gone.add(entry)
        freed += 1
        context.log.info(`${destination.place}: removed ${entry.ref.project} ${entry.ref.id}`)
      }
    } catch (thrown) {
      errors.push(couldNotRemove(thrown, destination, doomed, gone, context.signal))
    }
    try {
      // What is gone frees its space also when a later removal failed.
      if (freed > 0) await destination.reclaim?.()
    } catch (thrown) {
      errors.push(couldNotRemove(thrown, destination, doomed, gone, context.signal))
    }
  }
  return { gone, locked, errors }
}

/** Removes a backup; returns the words of the place where it is locked. */
async function lockOver(destination: Destination, entry: HistoryEntry): Promise<string | undefined> {
  try {
    await destination.delete(entry.ref)
    return undefined
  } catch (thrown) {
    if (thrown instanceof UserError && thrown.code === 'SB426') return thrown.message
    throw thrown
  }
}

/** What stopped the removals in one place; what is no refusal of the place ends the run. */
function couldNotRemove(
  thrown: unknown,
  destination: Destination,
  doomed: readonly HistoryEntry[],
  gone: ReadonlySet<HistoryEntry>,
  signal: AbortSignal
): UserError {
  if (!(thrown instanceof UserError) || signal.aborted) throw thrown
  const left = doomed.filter((entry) => !gone.has(entry)).length
  const what =
    left > 0
      ? `${formatCount(left)} of ${plural(doomed.length, 'backup')} could not be removed`
      : 'not all space could be freed'
  return new UserError('SB906', `${destination.place}: ${what}: ${thrown.message}`, {
    cause: thrown,
    remedy: `${thrown.remedy} The next run removes the rest.`
  })
}

/**
 * Pruning at the end of a backup that is complete: from fresh listings, of its project alone. Never fails the backup: what went wrong
 * comes as a warning.
 */
export async function pruneAfterBackup(
  project: string,
  rules: RetentionRules,
  ports: Ports
): Promise<{ readonly retention: Retention; readonly warnings: readonly string[]; readonly removed: number }> {
  try {
    const entries = await readAll(ports, project)
    const pruned = await ports.context.log.group('Removing what the rules no longer keep', () =>
      applyRetention(entries, rules, ports, false)
    )
    const { error } = pruned
    return {
      retention: pruned.retention,
      removed: pruned.removed,
      warnings: [
        ...(error === undefined ? [] : [`Pruning: ${error.code}: ${error.message} ${error.remedy}`]),
        ...pruned.warnings
      ]
    }
  } catch (thrown) {
    if (!(thrown instanceof UserError) || ports.context.signal.aborted) throw thrown
    return {
      retention: [],
      removed: 0,
      warnings: [`Nothing was pruned: ${thrown.code}: ${thrown.message} ${thrown.remedy}`]
    }
  }
}
