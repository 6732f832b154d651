/** One error that pg_restore met and went on after. All text is hostile. */
export interface RestoreError {
  /** Id of the entry of the table of contents; null for statements of pg_restore's own. */
  readonly entry: number | null
  readonly message: string
  /** First line of the statement, where pg_restore shows it. */
  readonly command: string
}

/** What is known of a restore that decides about which errors are let pass. */
export interface RestoreSetting {
  readonly clientMajor: number
  readonly serverMajor: number
  /** Whether an extension of the source is missing on the copy's server. */
  readonly extensionsMissing: boolean
  /** Whether the backup holds only chosen schemas, tables or rows: then parts of it may need what is not in it. */
  readonly narrowed: boolean
}

/** What an error means: nothing at all, an object that the copy has to go without, or that the restore failed. */
export type Verdict =
  | { readonly kind: 'harmless' }
  | { readonly kind: 'leftOut'; readonly reason: string }
  | { readonly kind: 'failed' }

/**
 * The errors that a proof by restoring lets pass; every other one fails it.
 *
 * 1. A pg_restore of 17 or later sets `transaction_timeout`, which older servers do not know. Nothing depends on it.
 *    Each worker of a parallel restore sets it, while it is at whatever entry.
 * 2. A dump of chosen schemas makes the schema public, which every new database has.
 * 3. Where an extension is missing, or the backup was narrowed to a part of the database: objects that need what is not there (`... does
 *    not exist`; never a role). They are named, and what holds rows among them counts as read, not as restored.
 * 4. In the same two cases: a foreign key whose other side's rows are not there. It is named.
 * 5. A security label whose provider is a library that the copy's server has not loaded. It is named.
 */
export function judge(error: RestoreError, setting: RestoreSetting): Verdict {
  if (
    setting.clientMajor >= 17 &&
    setting.serverMajor < 17 &&
    error.message === 'unrecognized configuration parameter "transaction_timeout"' &&
    error.command.startsWith('SET transaction_timeout = 0;')
  ) {
    return { kind: 'harmless' }
  }
  if (error.entry === null) return { kind: 'failed' }
  if (
    setting.narrowed &&
    error.message === 'schema "public" already exists' &&
    error.command.startsWith('CREATE SCHEMA public;')
  ) {
    return { kind: 'harmless' }
  }
  if (
    (setting.extensionsMissing || setting.narrowed) &&
    / does not exist$/.test(error.message) &&
    !error.message.startsWith('role ')
  ) {
    const reason = setting.extensionsMissing
      ? "it needs an extension that the copy's server does not have"
      : 'it needs what is not part of the backup'
    return { kind: 'leftOut', reason }
  }
  if ((setting.extensionsMissing || setting.narrowed) && / violates foreign key constraint /.test(error.message)) {
    return { kind: 'leftOut', reason: 'the rows that it refers to are not there' }
  }
  const provider = /^security label provider "(.*)" is not loaded$/.exec(error.message)?.[1]
  if (provider !== undefined && error.command.startsWith('SECURITY LABEL '))
    return { kind: 'leftOut', reason: needsProvider(provider) }
  return { kind: 'failed' }
}

/** Why a copy goes without the security labels of a provider. */
export function needsProvider(provider: string): string {
  return `it needs the provider ${provider}, which the copy's server does not have loaded`
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
