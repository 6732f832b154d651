import { isBackupId } from '../archive/backup-id.ts'
import { UserError } from '../errors.ts'
import { formatTime } from '../text/format.ts'
import { type HistoryEntry, newestFirst } from './entries.ts'
import { byBackup, type Doubt, doubtOfCopies, isFromTheFuture, isTrustworthy } from './trust.ts'

/** Which backup is meant: the newest, one by its id, or the newest at or before a time. */
export type BackupChoice =
  | { readonly kind: 'latest' }
  | { readonly kind: 'id'; readonly id: string }
  | { readonly kind: 'at'; readonly time: Date }

/**
 * Finds a backup among all that the destinations list; the same one may lie in several places, and the copies to rely on come first.
 *
 * `latest` is the newest backup to rely on. Where a newer one exists that is not, nobody but a person can say which is meant: SB909 names both. A time takes
 * the newest to rely on at or before it. An id is taken at its word.
 */
export function selectBackup(entries: readonly HistoryEntry[], choice: BackupChoice, now: Date): HistoryEntry[] {
  const copies = choice.kind === 'id' ? byId(entries, choice) : newestToRelyOn(entries, choice, now)
  return copies
    .filter((copy) => copy.manifest !== null)
    .toSorted((a, b) => Number(!isTrustworthy(a, now)) - Number(!isTrustworthy(b, now)))
}

/** What a choice by time passed over: newer backups that are not relied on. For warnings. */
export function passedOver(
  entries: readonly HistoryEntry[],
  choice: BackupChoice,
  chosen: readonly HistoryEntry[],
  now: Date
): string[] {
  const [first] = chosen
  if (choice.kind === 'id' || first === undefined) return []
  return doubtful(within(entries, choice), first, now).map(
    ({ id, words }) => `Backup ${id} is newer than ${first.ref.id} and was passed over: ${words}.`
  )
}

/**
 * The backup that is to be verified: the newest that a run of the workflow made. It need not be one to rely on: a verification is what makes it one, or
 * says why it is none.
 */
export function selectToVerify(entries: readonly HistoryEntry[], choice: BackupChoice, now: Date): HistoryEntry[] {
  if (choice.kind === 'id') return selectBackup(entries, choice, now)
  const made = within(entries, choice).filter(
    (entry) => entry.manifest !== null && entry.manifest.kind !== 'safety' && entry.unvouched === undefined
  )
  const newest = byBackup(made)
  const found = newest.find(([first]) => first !== undefined && !isFromTheFuture(first, now)) ?? newest[0]
  if (found === undefined) throw new UserError('SB901', notFoundText(entries, choice), {})
  return found
}

function byId(entries: readonly HistoryEntry[], choice: { readonly kind: 'id'; readonly id: string }): HistoryEntry[] {
  const same = entries.filter((entry) => entry.ref.id === choice.id)
  const found = same.find((entry) => entry.manifest !== null) ?? same[0]
  if (found === undefined) throw new UserError('SB901', notFoundText(entries, choice), {})
  if (found.manifest === null)
    throw new UserError(
      'SB902',
      `Backup ${found.ref.id} cannot be read: ${found.unreadable ?? 'its manifest is damaged'}.`
    )
  return same.filter((entry) => entry.ref.project === found.ref.project)
}

type ByTime = Exclude<BackupChoice, { kind: 'id' }>

function within(entries: readonly HistoryEntry[], choice: ByTime): readonly HistoryEntry[] {
  if (choice.kind === 'latest') return entries
  return entries.filter((entry) => entry.createdAt.getTime() <= choice.time.getTime())
}

function newestToRelyOn(entries: readonly HistoryEntry[], choice: ByTime, now: Date): HistoryEntry[] {
  const backups = byBackup(within(entries, choice))
  const found =
    backups.find((copies) => doubtOfCopies(copies, now) === null) ??
    // Nothing but what a wrong clock has dated: better than none.
    backups.find((copies) => doubtOfCopies(copies, now)?.kind === 'future')
  const [first] = found ?? []
  const newer = doubtful(within(entries, choice), first, now)
  const [doubted] = newer
  if (found === undefined) {
    if (doubted === undefined) throw new UserError('SB901', notFoundText(entries, choice), {})
    const code = doubted.kind === 'unsigned' ? 'SB510' : doubted.kind === 'unreadable' ? 'SB902' : 'SB909'
    throw new UserError(code, `No backup here is one to rely on. Of the newest, ${doubted.id}: ${doubted.words}.`, {
      remedy: `Make a new backup, or look at what there is (\`command: list\`). To use this one knowingly, write \`backup: ${doubted.id}\`.`
    })
  }
  if (choice.kind === 'latest' && doubted !== undefined && first !== undefined)
    throw new UserError(
      'SB909',
      `The newest backup is ${doubted.id}, and it is not one to rely on: ${doubted.words}.${newer.length > 1 ? ` So ${newer.length === 2 ? 'is one more' : `are ${newer.length - 1} more`} before it.` : ''} The newest to rely on is ${first.ref.id} of ${formatTime(first.createdAt)}.`,
      {
        remedy: `Write \`backup: ${first.ref.id}\` for the one to rely on, or \`backup: ${doubted.id}\` for the newest.`
      }
    )
  return found
}

/** Backups newer than `than` (all without it) that are not to be relied on, newest first. Safety copies and what is dated in the future are no candidates. */
function doubtful(
  entries: readonly HistoryEntry[],
  than: HistoryEntry | undefined,
  now: Date
): (Doubt & { readonly id: string })[] {
  return byBackup(entries).flatMap((copies) => {
    const [first] = copies
    if (first === undefined || (than !== undefined && newestFirst(first, than) >= 0)) return []
    if (isFromTheFuture(first, now) || copies.every((copy) => copy.manifest?.kind === 'safety')) return []
    const doubt = doubtOfCopies(copies, now)
    return doubt === null ? [] : [{ ...doubt, id: first.ref.id }]
  })
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
