import { formatBytes, formatCount, formatDuration } from '../../text/format.ts'
import type { DashboardBackup, DashboardProof } from './data.ts'

export type Tone = 'good' | 'fair' | 'attention' | 'bad'

/** Something that happened. */
export interface Happening {
  readonly at: string
  readonly tone: Tone
  readonly title: string
  readonly detail: string
  readonly backup: DashboardBackup
}

/** How good a backup is, as one tone: `fair` is complete, but not proven by restoring. */
export function toneOf(backup: DashboardBackup): Tone {
  if (backup.status === 'damaged' || backup.status === 'unreadable' || backup.status === 'unproven') return 'bad'
  if (backup.status === 'anomalous') return backup.acknowledged ? 'fair' : 'bad'
  if (backup.status === 'partial' || backup.verified === 'none') return 'attention'
  return backup.verified === 'restore' ? 'good' : 'fair'
}

export const levelWords: Readonly<Record<DashboardBackup['verified'], string>> = {
  restore: 'Restored',
  read: 'Read',
  checksum: 'Checksum',
  none: 'Not verified'
}

export const toneWords: Readonly<Record<Tone, string>> = {
  good: 'complete and restored',
  fair: 'complete, not restored',
  attention: 'partial or not verified',
  bad: 'unproven, anomalous, damaged or unreadable'
}

/** When something happened, and to which backup; `proof` where it was proven again. Words are made for those that are shown. */
export interface Moment {
  readonly at: string
  readonly backup: DashboardBackup
  readonly proof?: DashboardProof
}

/** What happened to the backups, newest first: made, proven or found damaged later. */
export function momentsOf(backups: readonly DashboardBackup[]): Moment[] {
  const found: Moment[] = []
  for (const backup of backups) {
    found.push({ at: backup.createdAt, backup })
    for (const proof of backup.proofs) if (proof.later && proof.at !== null) found.push({ at: proof.at, backup, proof })
  }
  return found.sort((a, b) => (a.at < b.at ? 1 : a.at > b.at ? -1 : 0))
}

export function describe({ at, backup, proof }: Moment): Happening {
  if (proof === undefined)
    return { at, tone: toneOf(backup), title: madeTitle(backup), detail: madeDetail(backup), backup }
  const passed = proof.outcome === 'passed'
  return {
    at,
    tone: passed ? (proof.level === 'restore' ? 'good' : 'fair') : 'bad',
    title: passed ? `Verified again: ${levelWords[proof.level].toLowerCase()}` : 'Verification failed',
    detail: [
      `backup ${backup.id}`,
      ...(proof.durationMs === null ? [] : [`in ${formatDuration(proof.durationMs)}`]),
      ...(proof.error === undefined ? [] : [proof.error])
    ].join(', '),
    backup
  }
}

function madeTitle(backup: DashboardBackup): string {
  const kind =
    backup.kind === 'safety'
      ? 'Safety copy'
      : backup.type === null || backup.type === 'full'
        ? 'Backup'
        : `Backup (${backup.type})`
  return `${kind}: ${backup.status}${backup.status === 'anomalous' && backup.acknowledged ? ', acknowledged' : ''}`
}

function madeDetail(backup: DashboardBackup): string {
  return [
    ...(backup.rows === null ? [] : [`${formatCount(backup.rows)} rows`]),
    ...(backup.objects === null ? [] : [`${formatCount(backup.objects)} files`]),
    ...(backup.bytes === null ? [] : [formatBytes(backup.bytes)]),
    ...(backup.durationMs === null ? [] : [`in ${formatDuration(backup.durationMs)}`]),
    ...(backup.note === undefined ? [] : [backup.note])
  ].join(', ')
}

/** One day of the strip of a project. */
export interface Day {
  /** Midnight where the reader is, in milliseconds. */
  readonly start: number
  readonly backups: number
  /** The best of the day's backups, but `bad` as soon as one is: something to look at does not hide behind a good one. */
  readonly tone: Tone | null
}

const order: readonly Tone[] = ['good', 'fair', 'attention', 'bad']

/** The last `count` days up to today, oldest first. */
export function daysOf(backups: readonly DashboardBackup[], count: number, now: Date): Day[] {
  const tones = new Map<number, Tone[]>()
  for (const backup of backups) {
    const made = new Date(backup.createdAt)
    const start = new Date(made.getFullYear(), made.getMonth(), made.getDate()).getTime()
    tones.set(start, [...(tones.get(start) ?? []), toneOf(backup)])
  }
  return Array.from({ length: count }, (_, index) => {
    const start = new Date(now.getFullYear(), now.getMonth(), now.getDate() - (count - 1 - index)).getTime()
    const all = tones.get(start) ?? []
    return {
      start,
      backups: all.length,
      tone: all.includes('bad') ? 'bad' : (order.find((tone) => all.includes(tone)) ?? null)
    }
  })
}
