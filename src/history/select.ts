import { isBackupId } from '../archive/backup-id.ts'
import { UserError } from '../errors.ts'
import { futureToleranceMs, type HistoryEntry, newestFirst } from './entries.ts'

/** Which backup is meant: the newest, one by its id, or the newest at or before a time. */
export type BackupChoice =
  | { readonly kind: 'latest' }
  | { readonly kind: 'id'; readonly id: string }
  | { readonly kind: 'at'; readonly time: Date }

/** Whether a backup is dated in the future: it is kept, marked, and never `latest` while there is another. */
export function isFromTheFuture(entry: HistoryEntry, now: Date): boolean {
  return entry.createdAt.getTime() > now.getTime() + futureToleranceMs
}

/** Finds a backup among all that the destinations list; the same one may lie in several places. */
export function selectBackup(entries: readonly HistoryEntry[], choice: BackupChoice, now: Date): HistoryEntry[] {
  const found = pick(entries, choice, now)
  if (found === undefined) throw new UserError('SB901', notFoundText(entries, choice), {})
  if (found.manifest === null)
    throw new UserError(
      'SB902',
      `Backup ${found.ref.id} cannot be read: ${found.unreadable ?? 'its manifest is damaged'}.`
    )
  return entries.filter(
    (entry) => entry.ref.id === found.ref.id && entry.ref.project === found.ref.project && entry.manifest !== null
  )
}

function pick(entries: readonly HistoryEntry[], choice: BackupChoice, now: Date): HistoryEntry | undefined {
  if (choice.kind === 'id') {
    const same = entries.filter((entry) => entry.ref.id === choice.id)
    return same.find((entry) => entry.manifest !== null) ?? same[0]
  }
  // A backup whose latest verification failed, or that no version here can read, is never chosen by itself.
  const usable = entries.filter((entry) => entry.manifest !== null && !entry.damaged).toSorted(newestFirst)
  const present = usable.filter((entry) => !isFromTheFuture(entry, now))
  if (choice.kind === 'at') return usable.find((entry) => entry.createdAt.getTime() <= choice.time.getTime())
  return present[0] ?? usable[0]
}

function notFoundText(entries: readonly HistoryEntry[], choice: BackupChoice): string {
  const newest = entries
    .toSorted(newestFirst)
    .slice(0, 3)
    .map((entry) => entry.ref.id)
  const there = newest.length === 0 ? 'There is no backup at all.' : `The newest ones are ${newest.join(', ')}.`
  switch (choice.kind) {
    case 'latest':
      return `No backup that can be used was found. ${there}`
    case 'id':
      return isBackupId(choice.id)
        ? `There is no backup ${choice.id}. ${there}`
        : `"${choice.id}" is not the id of a backup. ${there}`
    case 'at':
      return `There is no backup made at or before ${choice.time.toISOString()}. ${there}`
  }
}

/**
 * Without labels that hold nothing but safety copies: those are targets of restores, which nobody backs up here. All of them where no other label is there.
 */
export function withoutBareTargets(entries: readonly HistoryEntry[]): readonly HistoryEntry[] {
  const backedUp = new Set(
    entries.filter((entry) => entry.manifest?.kind !== 'safety').map((entry) => entry.ref.project)
  )
  return backedUp.size === 0 ? entries : entries.filter((entry) => backedUp.has(entry.ref.project))
}

/**
 * Those among which a choice is made when no id says which backup is meant: of one project, that is, and of none that is a restore's target alone. SB903
 * names the projects where there are several.
 */
export function entriesMeant(entries: readonly HistoryEntry[], choice: BackupChoice): readonly HistoryEntry[] {
  if (choice.kind === 'id') return entries
  const meant = withoutBareTargets(entries)
  soleProject(meant)
  return meant
}

/** The one project that entries belong to; a UserError that names them when there are several. */
export function soleProject(entries: readonly HistoryEntry[]): string | undefined {
  const projects = [...new Set(entries.map((entry) => entry.ref.project))].sort()
  if (projects.length > 1)
    throw new UserError('SB903', `There are backups of ${projects.length} projects: ${projects.join(', ')}.`)
  return projects[0]
}
