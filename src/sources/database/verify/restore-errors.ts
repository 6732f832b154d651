/** One error that pg_restore met and went on after. All text is hostile. */
export interface RestoreError {
  /** Id of the entry of the table of contents; null for statements of pg_restore's own. */
  readonly entry: number | null
  readonly message: string
  /** First line of the statement, where pg_restore shows it. */
  readonly command: string
}

/** What is known of a restore that decides about which errors mean nothing. */
export interface RestoreSetting {
  readonly clientMajor: number
  readonly serverMajor: number
  /** Whether the backup holds only chosen schemas, tables or rows. */
  readonly narrowed: boolean
}

/**
 * Errors that mean nothing:
 *
 * 1. A pg_restore of 17 or later sets `transaction_timeout`, which older servers do not know. Nothing depends on it.
 *    Each worker of a parallel restore sets it, while it is at whatever entry.
 * 2. A dump of chosen schemas makes the schema public, which every new database has.
 *
 * What every other one means is found by trying its entry again (`completeCopy`): the words of pg_restore hold no SQLSTATE.
 */
export function isHarmless(error: RestoreError, setting: RestoreSetting): boolean {
  if (
    setting.clientMajor >= 17 &&
    setting.serverMajor < 17 &&
    error.message === 'unrecognized configuration parameter "transaction_timeout"' &&
    error.command.startsWith('SET transaction_timeout = 0;')
  ) {
    return true
  }
  return (
    error.entry !== null &&
    setting.narrowed &&
    error.message === 'schema "public" already exists' &&
    error.command.startsWith('CREATE SCHEMA public;')
  )
}

/** What pg_restore said: its errors, and how many it counted itself. */
export interface RestoreReport {
  readonly errors: readonly RestoreError[]
  /** Of the line `errors ignored on restore: N`; 0 without one. */
  readonly counted: number
}

/** Takes apart what pg_restore wrote to standard error, in English (LC_ALL=C). Names in it may fake lines, but cannot hide any. */
export function parseRestoreErrors(stderr: string): RestoreReport {
  const errors: { entry: number | null; message: string; command: string }[] = []
  let entry: number | null = null
  let counted = 0
  for (const line of stderr.split('\n')) {
    if (/^pg_restore: while INITIALIZING:/.test(line)) entry = null
    const from = /^pg_restore: from TOC entry (\d+);/.exec(line)
    if (from !== null) entry = Number(from[1])
    const error = /^pg_restore: error: (.*)$/.exec(line)
    if (error !== null) errors.push({ entry, message: serverMessage(error[1] ?? ''), command: '' })
    const command = /^Command was: (.*)$/.exec(line)
    const last = errors.at(-1)
    if (command !== null && last !== undefined && last.command === '') last.command = command[1] ?? ''
    const total = /^pg_restore: warning: errors ignored on restore: (\d+)$/.exec(line)
    if (total !== null) counted = Math.max(counted, Number(total[1]))
  }
  return { errors, counted }
}

/** `could not execute query: ERROR:  x` -> `x`; `COPY failed for table "t": ERROR:  x` stays, since it names the table. */
function serverMessage(text: string): string {
  return text.replace(/^could not execute query: (?:ERROR|FATAL): +/, '')
}
