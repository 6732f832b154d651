import type { NewRunRecord, RunEvent } from '../archive/run-record.ts'
import { isLabel } from '../destinations/names.ts'
import type { Result } from '../result.ts'

/** What a run was asked for, as far as its record tells of it. */
export interface RunAsked {
  readonly command: Result['command']
  readonly project: string | undefined
  readonly dryRun: boolean
  /** Keep rules, as `keep-daily: 7`. */
  readonly keep: readonly string[]
  readonly acknowledge: string | undefined
}

/** Where and by whom a run was started. */
export type RunOrigin = Pick<NewRunRecord, 'run' | 'schedule' | 'action'>

/**
 * What the journal is told of a run: one record for each project that it concerns. A check that finds nothing, a listing and what changes nothing leave
 * none, so that the journal grows by a record a night.
 */
export function recordsOfRun(asked: RunAsked, result: Result, origin: RunOrigin): NewRunRecord[] {
  const event = eventOf(asked, result)
  if (event === undefined) return []
  // What is no label has no journal.
  return projectsOf(asked, result)
    .filter(isLabel)
    .map((project) => ({
      project,
      command: event.command,
      event: event.event,
      startedAt: result.startedAt,
      durationMs: result.durationMs,
      status: result.status,
      level: result.verified,
      ...(result.error === undefined ? {} : { error: result.error.code }),
      ...backupOf(event.event, result),
      ...alarmsOf(result, project),
      ...(asked.keep.length === 0 ? {} : { keep: [...asked.keep] }),
      ...(asked.acknowledge === undefined ? {} : { acknowledged: asked.acknowledge }),
      ...origin,
      tool: result.tool
    }))
}

function eventOf(
  { command, dryRun, acknowledge }: RunAsked,
  result: Result
): { readonly command: NewRunRecord['command']; readonly event: RunEvent } | undefined {
  switch (command) {
    case 'backup':
      return { command, event: isStored(result) ? 'made' : 'failed' }
    case 'verify':
      return { command, event: result.verified === 'none' && result.keyNoted !== true ? 'failed' : 'verified' }
    case 'restore':
      if (dryRun) return undefined
      if (result.status === 'failed') return { command, event: 'failed' }
      return { command, event: result.restore?.['toItself'] === true ? 'restored' : 'drilled' }
    case 'check':
      return result.status === 'complete' ? undefined : { command, event: 'alarmed' }
    case 'prune':
      return acknowledge === undefined || dryRun || result.status === 'failed'
        ? undefined
        : { command, event: 'acknowledged' }
    default:
      return undefined
  }
}

function isStored({ destinations }: Result): boolean {
  return destinations.some(({ stored }) => stored)
}

/** A check concerns the projects that its alarms name; where an alarm names none, as that of a full place, all that it looked at. */
function projectsOf(asked: RunAsked, result: Result): string[] {
  if (asked.command !== 'check') {
    const project = result.project ?? asked.project
    return project === undefined ? [] : [project]
  }
  const alarms = result.alarms ?? []
  const named = alarms.flatMap(({ project }) => (project === undefined ? [] : [project]))
  const looked = [
    ...result.backups.map(({ project }) => project),
    ...(asked.project === undefined ? [] : [asked.project])
  ]
  return [...new Set(alarms.length > 0 && named.length === alarms.length ? named : [...named, ...looked])].sort()
}

function backupOf(event: RunEvent, result: Result): Partial<NewRunRecord> {
  const { backup, verification, keyShown, keyNoted } = result
  const isThere = backup !== undefined && event !== 'failed'
  return {
    ...(isThere
      ? {
          backup: backup.id,
          backupAt: backup.createdAt,
          sizeBytes: backup.sizeBytes,
          ...(backup.encryption.recipients.length === 0 ? {} : { recipients: backup.encryption.recipients })
        }
      : {}),
    ...(keyShown === true || keyNoted === true ? { keyShown: true } : keyShown === false ? { keyShown: false } : {}),
    ...(verification === undefined
      ? {}
      : {
          tables: verification.tables,
          ...(verification.durationMs === undefined ? {} : { proofMs: verification.durationMs })
        })
  }
}

function alarmsOf({ alarms = [] }: Result, project: string): Partial<NewRunRecord> {
  const kinds = alarms
    .filter((alarm) => alarm.project === undefined || alarm.project === project)
    .map(({ kind }) => kind)
  return kinds.length === 0 ? {} : { alarms: [...new Set(kinds)] }
}
