import { storedCanary } from '../archive/canary.ts'
import { formatAge, formatTime, plural } from '../text/format.ts'
import { type HistoryEntry, newestFirst } from './entries.ts'
import { isKeyShown } from './recipients.ts'
import { byBackup, type Doubt, doubtOf, doubtOfCopies, madeHere, newestTrustworthy } from './trust.ts'
import { scheduledTimes, type WorkflowPlan } from './workflow-schedule.ts'

/** Something that the owner of the backups should know now. Texts hold labels and times, nothing from inside a project. */
export interface Alarm {
  readonly kind:
    | 'too-old'
    | 'not-verified'
    | 'missed-schedule'
    | 'workflow-disabled'
    | 'expires-soon'
    | 'recipients-changed'
    | 'anomalous'
    | 'damaged'
    | 'unvouched'
    | 'room'
    | 'tampered'
    | 'lock-too-short'
    | 'unreachable'
  readonly detail: string
  /** The label of the project; left out for what concerns all. */
  readonly project?: string
}

/** What a check came to. */
export interface Freshness {
  readonly alarms: readonly Alarm[]
  /** What is worth a look, but no reason to fail. */
  readonly warnings: readonly string[]
}

export interface FreshnessRules {
  readonly maxAgeMs: number
  /** Fingerprints that the newest backup should be encrypted for; empty: not looked at. */
  readonly recipients: readonly string[]
}

/** A workflow that makes backups on a schedule. */
export interface ScheduledWorkflow extends WorkflowPlan {
  /** File name: `backup.yml`. */
  readonly file: string
  readonly state: string
}

const hour = 60 * 60 * 1000
const day = 24 * hour
/** A backup that will be gone within this time is an alarm. */
const expirySoonMs = 7 * day
/** GitHub starts scheduled runs late at busy times, and a backup takes its time. */
const lateMs = 2 * hour
/** How far back a schedule is looked for: longer than a month, shorter than what makes a yearly one matter. */
const longestLookBackMs = 40 * day
const mostTimes = 500

/** Looks at the backups of ONE project in all its places. */
export function checkProject(
  project: string,
  entries: readonly HistoryEntry[],
  rules: FreshnessRules,
  now: Date
): Freshness {
  const all = madeHere(entries, now)
  const good = newestTrustworthy(entries, now)
  const alarms: Alarm[] = []
  const warnings: string[] = []
  const alarm = (kind: Alarm['kind'], detail: string): void => void alarms.push({ kind, detail, project })
  /** What speaks against a backup that is newer than the newest to rely on. */
  const tellOfNewer = (id: string, { kind, words }: Doubt): void => {
    const of = `Backup ${id} of ${project}`
    if (kind === 'anomalous') alarm('anomalous', `${of} is anomalous and not acknowledged.`)
    else if (kind === 'damaged') alarm('damaged', `The latest verification of backup ${id} of ${project} failed.`)
    else if (kind === 'unvouched' || kind === 'unsigned') alarm('unvouched', `${of} is not counted: ${words}.`)
    else if (kind === 'hollow' || kind === 'changed' || kind === 'unreadable')
      alarm('damaged', `${of} cannot be used: ${words}.`)
    else if (good !== undefined && (kind === 'incomplete' || kind === 'unverified'))
      warnings.push(`${of} is newer than the newest to rely on: ${words}.`)
  }

  if (good === undefined) {
    const [first] = all
    const doubt = first === undefined ? null : doubtOf(first, now)
    alarm(
      'not-verified',
      first === undefined
        ? `${project} has no verified backup: there is no backup that can be read.`
        : doubt === null || doubt.kind === 'unverified'
          ? `${project} has no verified backup: there is ${plural(all.length, 'backup')}, the newest of ${formatTime(first.createdAt)}.`
          : `${project} has no backup to rely on: there is ${plural(all.length, 'backup')}, the newest of ${formatTime(first.createdAt)}: ${doubt.words}.`
    )
  } else {
    const age = now.getTime() - good.createdAt.getTime()
    if (age > rules.maxAgeMs) {
      alarm(
        'too-old',
        `The newest verified backup of ${project} is ${formatAge(age)} old (${formatTime(good.createdAt)}); allowed are ${formatAge(rules.maxAgeMs)}.`
      )
    }
    const expires = expiryOf(good, entries)
    // Where backups are kept for a few days only, every one of them expires soon: then half of that time counts.
    if (
      expires !== undefined &&
      expires.getTime() - now.getTime() < Math.min(expirySoonMs, (expires.getTime() - good.createdAt.getTime()) / 2)
    ) {
      alarm(
        'expires-soon',
        `The newest verified backup of ${project}, ${good.ref.id}, expires at ${formatTime(expires)}.`
      )
    }
  }
  for (const copies of byBackup(entries)) {
    const [entry] = copies
    if (entry === undefined || (good !== undefined && newestFirst(entry, good) >= 0)) break
    const doubt = doubtOfCopies(copies, now)
    if (doubt !== null) tellOfNewer(entry.ref.id, doubt)
  }
  const encrypted = all.find((entry) => entry.manifest !== null)?.manifest
  if (rules.recipients.length > 0 && encrypted !== undefined && encrypted !== null) {
    const missing = rules.recipients.filter((one) => !encrypted.encryption.recipients.includes(one))
    const other = encrypted.encryption.recipients.filter((one) => !rules.recipients.includes(one))
    if (missing.length + other.length > 0) {
      const parts = [
        ...(missing.length > 0 ? [`not for ${missing.join(', ')}`] : []),
        ...(other.length > 0 ? [`for ${other.join(', ')}, which \`recipients\` does not name`] : [])
      ]
      alarm(
        'recipients-changed',
        `The newest backup of ${project}, ${encrypted.id}, is encrypted ${parts.join(' and ')}.`
      )
    }
  }
  if (encrypted !== undefined && encrypted !== null && isKeyShown(entries, encrypted.encryption) === false) {
    const canary = storedCanary(encrypted)
    const how =
      canary === undefined
        ? 'run `verify` once with `identity`'
        : `open ${canary} of backup ${encrypted.id} with \`age -d -i key.txt\` where the key lies, and give the word that it prints as \`canary\` to a run of \`verify\` or \`backup\``
    warnings.push(
      `Nobody has shown yet that a key opens the backups of ${project} (${encrypted.encryption.recipients.join(', ')}): ${how}.`
    )
  }
  const unreadable = entries.filter((entry) => entry.manifest === null).length
  if (unreadable > 0) warnings.push(`${plural(unreadable, 'backup')} of ${project} cannot be read by this version.`)
  return { alarms, warnings }
}

/** When the last copy of a backup will be gone; undefined when a place keeps it. */
function expiryOf(backup: HistoryEntry, entries: readonly HistoryEntry[]): Date | undefined {
  const copies = entries.filter((entry) => entry.ref.id === backup.ref.id && entry.manifest !== null)
  const ends = copies.map((copy) => copy.expiresAt).filter((end) => end !== undefined)
  return ends.length < copies.length ? undefined : new Date(Math.max(...ends.map((end) => end.getTime())))
}

/**
 * Looks at the schedules: workflows that are switched off, and scheduled runs that left no backup.
 *
 * @param entries the backups of all projects that are looked at.
 */
export function checkSchedules(
  workflows: readonly ScheduledWorkflow[],
  projects: readonly string[],
  entries: readonly HistoryEntry[],
  now: Date
): Freshness {
  const alarms: Alarm[] = []
  const warnings: string[] = []
  const planned: { readonly workflow: ScheduledWorkflow; readonly times: readonly Date[]; readonly due: Date }[] = []
  for (const workflow of workflows) {
    if (workflow.projects !== null && !workflow.projects.some((one) => projects.includes(one))) continue
    if (workflow.state !== 'active') {
      alarms.push({
        kind: 'workflow-disabled',
        detail: `The workflow ${workflow.file} is switched off (${workflow.state}): its schedule does not run.`
      })
      continue
    }
    const times = scheduledTimes(workflow.schedules, new Date(now.getTime() - longestLookBackMs), now, mostTimes)
    if (times === undefined) {
      warnings.push(`A schedule of ${workflow.file} cannot be read: missed runs are not noticed.`)
      continue
    }
    const due = times.find((time) => time.getTime() + lateMs <= now.getTime())
    if (due !== undefined) planned.push({ workflow, times, due })
  }
  for (const project of projects) {
    const own = planned.filter(({ workflow }) => workflow.projects?.includes(project) === true)
    const open = planned.filter(({ workflow }) => workflow.projects === null)
    // Where several could be meant, the one that asks least is taken: no alarm by mistake.
    const found = (own.length > 0 ? own : open).toSorted((a, b) => a.due.getTime() - b.due.getTime())[0]
    if (found === undefined) continue
    const made = madeHere(
      entries.filter((entry) => entry.ref.project === project),
      now
    )
    const newest = made[0]
    const { file } = found.workflow
    // A runner's clock may be a little behind that of the scheduler.
    if (newest === undefined || newest.createdAt.getTime() < found.due.getTime() - 60_000) {
      const since = newest === undefined ? '' : ` The newest is of ${formatTime(newest.createdAt)}.`
      alarms.push({
        kind: 'missed-schedule',
        detail: `${file} was to run at ${formatTime(found.due)}, and no backup of ${project} was made since.${since}`,
        project
      })
      continue
    }
    // Backups younger than a day are never pruned: fewer of them than scheduled runs means that runs were dropped or failed.
    const yesterday = now.getTime() - day
    const scheduled = found.times.filter(
      (time) => time.getTime() >= yesterday && time.getTime() + lateMs <= now.getTime()
    ).length
    const taken = new Set(made.filter((entry) => entry.createdAt.getTime() >= yesterday).map((entry) => entry.ref.id))
      .size
    if (taken < scheduled) {
      warnings.push(
        `${file} was to run ${plural(scheduled, 'time')} in the last 24 hours; ${plural(taken, 'backup')} of ${project} came of it.`
      )
    }
  }
  return { alarms, warnings }
}
