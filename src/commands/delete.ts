import type { Destination, DestinationName } from '../destinations/destination.ts'
import { UserError } from '../errors.ts'
import { type HistoryEntry, readHistory } from '../history/entries.ts'
import { backupRows } from '../history/history-rows.ts'
import { type BackupChoice, entriesMeant, selectToVerify } from '../history/select.ts'
import type { Result } from '../result.ts'
import { plural } from '../text/format.ts'
import { readAll } from './list.ts'
import type { Ports } from './ports.ts'
import { countLeftInPool, sweepPool } from './sweep-pool.ts'

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
  const entries = await readAll(ports, options.project)
  const found = meant(entries, options, clock.now())
  const id = found[0]?.ref.id ?? ''
  if (!options.dryRun && options.confirmTarget !== id)
    throw new UserError('SB002', `To delete backup ${id}, set the input \`confirm-target\` to ${id}.`)
  const failures: UserError[] = []
  const warnings: string[] = []
  const gone = new Set<DestinationName>()
  if (!options.dryRun) {
    for (const destination of ports.destinations) {
      try {
        await deleteIn(destination, found)
        gone.add(destination.name)
        warnings.push(...(await sweepAfter(destination, found, ports)))
      } catch (thrown) {
        if (!(thrown instanceof UserError) || ports.context.signal.aborted) throw thrown
        failures.push(thrown)
        ports.context.log.warning(`${destination.place}: ${thrown.code}: ${thrown.message}`)
      }
    }
  }
  const removed = found.map(({ ref, destination }) => ({
    ...ref,
    destination,
    keep: false,
    reasons: ['deleted by hand'],
    removed: gone.has(destination)
  }))
  const left = options.dryRun ? entries : await readAll(ports, options.project)
  const [first] = failures
  const error =
    first === undefined
      ? undefined
      : new UserError('SB906', `Backup ${id} could not be removed everywhere: ${messagesOf(failures)}`, {
          cause: first,
          remedy: `${first.remedy} Then delete it again: what is left goes with it.`
        })
  return {
    command: 'delete',
    status: error === undefined ? 'complete' : 'failed',
    startedAt: startedAt.toISOString(),
    durationMs: Math.round(clock.monotonic() - started),
    tool: ports.tool,
    project: found[0]?.ref.project ?? null,
    verified: 'none',
    destinations: ports.destinations.map(({ name, place }) => ({ name, place, stored: false, url: null })),
    backups: backupRows(left, clock.now()),
    url: null,
    path: null,
    warnings,
    retention: removed,
    ...(error === undefined ? {} : { error: { code: error.code, message: error.message, remedy: error.remedy } })
  }
}

/** Also where the place lists no such backup: what a removal that was cut off has left there belongs to none. */
async function deleteIn(destination: Destination, found: readonly HistoryEntry[]): Promise<void> {
  const [any] = found
  if (any !== undefined) await destination.delete(any.ref)
  if (found.some((entry) => entry.destination === destination.name)) await destination.reclaim?.()
}

/** Shared files that only this backup needed go with it; those that a backup under way may rely on are told as what stays. */
async function sweepAfter(destination: Destination, found: readonly HistoryEntry[], ports: Ports): Promise<string[]> {
  const project = found[0]?.ref.project
  if (destination.pool === undefined || project === undefined) return []
  const left = await readHistory(destination, ports.context.clock.now(), project)
  if ((await sweepPool(destination, project, left, ports)) > 0) await destination.reclaim?.()
  const staying = await countLeftInPool(destination, project, left)
  if (staying === 0) return []
  const warning = `${destination.place}: ${plural(staying, 'shared file')} of ${project} that no backup needs now may be needed by one that is being made, and stay until they are a day old. Run \`prune\` with \`project: ${project}\` after that to remove them.`
  ports.context.log.warning(warning)
  return [warning]
}

function messagesOf(failures: readonly UserError[]): string {
  return failures.map((failure) => `${failure.code}: ${failure.message}`).join(' ')
}

/** The copies of the backup that is meant. One whose manifest nobody can read is found by its id alone: it, too, must go. */
function meant(entries: readonly HistoryEntry[], options: DeleteOptions, now: Date): readonly HistoryEntry[] {
  const { choice } = options
  if (choice.kind !== 'id') return selectToVerify(entriesMeant(entries, choice), choice, now)
  const found = entries.filter((entry) => entry.ref.id === choice.id)
  if (found.length === 0) throw new UserError('SB901', `There is no backup ${choice.id}.`)
  return found
}
