import { type ErrorCode, errorCodes } from '../../error-codes.ts'
import { UserError } from '../../errors.ts'
import { poolerRule } from './pooler-errors.ts'

/** Most characters of a server's message that are kept; what it quotes may be as long as a value. */
const longestMessage = 2000

/** An error message of the server, by the fields of the protocol. All text is hostile. */
export class ServerError extends Error {
  /** SQLSTATE, five characters; empty where the server sent none. */
  readonly sqlState: string
  readonly severity: string
  readonly detail: string | undefined
  readonly hint: string | undefined
  /** The object that the server names for it. */
  readonly schema: string | undefined
  readonly table: string | undefined
  readonly constraint: string | undefined

  constructor(fields: Readonly<Record<string, unknown>>) {
    super(text(fields.message) ?? 'the server gave no message')
    this.name = 'ServerError'
    this.sqlState = text(fields.code)?.slice(0, 5) ?? ''
    this.severity = text(fields.severity) ?? 'ERROR'
    this.detail = text(fields.detail)
    this.hint = text(fields.hint)
    this.schema = text(fields.schema)
    this.table = text(fields.table)
    this.constraint = text(fields.constraint)
  }
}

function text(value: unknown): string | undefined {
  if (typeof value !== 'string') return undefined
  return value.length > longestMessage ? `${value.slice(0, longestMessage)}...` : value
}

/** The driver's error as a `ServerError` when a server sent it, else undefined. */
export function serverErrorOf(thrown: unknown): ServerError | undefined {
  if (thrown instanceof ServerError) return thrown
  // The driver's own class is not compared: two copies of it in one bundle would make that fail in silence.
  if (!(thrown instanceof Error) || !('severity' in thrown)) return undefined
  return new ServerError({ ...thrown, message: thrown.message })
}

/** SQLSTATE of an error thrown by a `Connection`, wherever in its causes; undefined when no server's answer is behind it. */
export function sqlStateOf(thrown: unknown): string | undefined {
  let error = thrown
  for (let depth = 0; depth < 5 && error instanceof Error; depth += 1) {
    if (error instanceof ServerError) return error.sqlState
    error = error.cause
  }
  return undefined
}

/** SQLSTATEs after which the same work may succeed when it is done again from the start. Source: PostgreSQL, appendix A. */
const passing = new Set([
  '40001', // serialization_failure; on a replica also "conflict with recovery"
  '40P01', // deadlock_detected
  '53300', // too_many_connections
  '55P03', // lock_not_available
  '57P01', // admin_shutdown: pg_terminate_backend, a restart
  '57P02', // crash_shutdown
  '57P03', // cannot_connect_now
  '57P05' // idle_session_timeout
])

/**
 * Classes whose DETAIL is made of rows (`Failing row contains (...)`, `Key (email)=(...) already exists`): logs of a public repository are read by everyone.
 * Source: PostgreSQL, appendix A: data exceptions, violations of integrity, of `with check option`, and what user code raises.
 */
const holdsRows = /^(?:22|23|44|P0)/

/** The error for a statement that the server refused. Its `cause` is the `ServerError`. */
export function statementError(error: ServerError): UserError {
  const code = codeOfStatement(error)
  const about = error.detail === undefined || holdsRows.test(error.sqlState) ? '' : ` (${error.detail})`
  const remedy = code === 'SB122' ? remedyOfPermission(error) : errorCodes[code].remedy
  return new UserError(code, `The database answered: ${error.message}${about} [${error.sqlState}]`, {
    cause: error,
    remedy,
    mayPass: passing.has(error.sqlState) || error.sqlState.startsWith('08') || isLostByPooler(error)
  })
}

function codeOfStatement(error: ServerError): ErrorCode {
  if (error.sqlState === '42501') return 'SB122'
  if (/^57P0[125]$/.test(error.sqlState) || error.sqlState.startsWith('08') || isLostByPooler(error)) return 'SB120'
  if (error.sqlState === '42P05') return 'SB110'
  return 'SB123'
}

/** Whether the pooler in between lost the server: it gives its own errors the SQLSTATE of PostgreSQL's internal ones. */
function isLostByPooler(error: ServerError): boolean {
  return error.sqlState === 'XX000' && poolerRule(error.message)?.mayPass === true
}

/** What to grant, where the message says what it is about: `permission denied for table notes`. */
function remedyOfPermission(error: ServerError): string {
  const kind = /^permission denied for ([a-z ]+?) /.exec(error.message)?.[1]
  const common = errorCodes.SB122.remedy
  if (kind === 'schema') return `Grant USAGE on the schema to the role. ${common}`
  if (kind === 'table' || kind === 'view' || kind === 'sequence' || kind === 'materialized view') {
    return `Grant SELECT on the ${kind} to the role, or leave it out with \`exclude-tables\`. ${common}`
  }
  if (kind === 'function') return `Grant EXECUTE on the function to the role. ${common}`
  if (/row-level security/.test(error.message)) {
    return 'Row level security would hide rows from this role: connect as `postgres`, or give the role BYPASSRLS.'
  }
  return common
}
