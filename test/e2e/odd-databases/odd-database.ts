/** What became of a run, as its output `status` says. */
type Outcome = 'complete' | 'partial' | 'unproven'

/** One odd database that people have: how it is made, and what must become of it. */
export interface OddDatabase {
  /** What is odd about it, and in which way. */
  readonly kind: string
  readonly variant: string
  /** Who makes it, backs it up and restores it: `postgres` in a project, or the superuser of a bare server. */
  readonly as: 'postgres' | 'superuser'
  readonly majors?: readonly (15 | 17)[]
  /** Options of CREATE DATABASE, for source and target. */
  readonly create?: string
  /** Run by the superuser in the source, before and after `sql`; `$database` is its name. */
  readonly before?: string
  readonly sql: string
  readonly after?: string
  /** Run by the superuser at the end: what belongs to the whole server goes. */
  readonly undo?: string
  /** Run by the superuser in the target. */
  readonly target?: string
  /** Inputs of the backup, and of the restore. */
  readonly inputs?: Readonly<Record<string, string>>
  readonly restoreInputs?: Readonly<Record<string, string>>
  /** How long to wait between backup and restore. */
  readonly pauseMs?: number
  /** What the backup may be called, best first; a proof by restoring unless `level` says less. */
  readonly backup?: readonly Outcome[]
  readonly level?: 'read'
  /** What one of the backup's findings says. */
  readonly told?: RegExp
  readonly restore?: readonly Outcome[]
  /** What one of the restore's findings says. */
  readonly restoreTold?: RegExp
  /** Statements of `pg_dump -s` that the target may have otherwise or not at all. */
  readonly differs?: RegExp
  /** Tables whose rows the target need not have, or not as they were. */
  readonly otherRows?: RegExp
  /** Asked in both, and must be answered alike. */
  readonly ask?: string
  /** Runs with every change; all others in the night. */
  readonly usual?: true
}

/** Rows of one kind: what they share, and the variants. */
export function kind(
  name: string,
  shared: Partial<OddDatabase>,
  variants: Readonly<Record<string, Partial<OddDatabase>>>
): OddDatabase[] {
  return Object.entries(variants).map(([variant, own]) => ({
    as: 'superuser',
    sql: '',
    ...shared,
    ...own,
    kind: name,
    variant
  }))
}
