import { type ErrorCode, errorCodes } from './error-codes.ts'

/** What a `UserError` may carry besides its code and its first sentence. */
export interface UserErrorDetails {
  /** What to do about it; the remedy of the code's entry in the catalogue when left out. */
  readonly remedy?: string
  /** The error underneath, kept for the debug log. */
  readonly cause?: unknown
  /**
   * True where the same step may succeed when it is repeated (a broken connection, a 503). False for what stays wrong
   * however often it is tried: a wrong password, a missing scope, a damaged file.
   */
  readonly mayPass?: boolean
}

/**
 * An error for the person who runs the action: it says what happened, why, and what to do, under a code that stays the
 * same. Everything else that is thrown is a bug and keeps its stack.
 *
 * `what` may quote names from a database or a server: it is escaped where it is written, never here. It never holds a
 * secret.
 */
export class UserError extends Error {
  readonly code: ErrorCode
  readonly remedy: string
  readonly mayPass: boolean

  constructor(code: ErrorCode, what: string, details: UserErrorDetails = {}) {
    super(what, details.cause === undefined ? undefined : { cause: details.cause })
    this.name = 'UserError'
    this.code = code
    this.remedy = details.remedy ?? errorCodes[code].remedy
    this.mayPass = details.mayPass ?? false
  }
}

/** The error for an `AbortSignal` that fired: the run was cancelled or its time was up. */
export function cancelled(signal: AbortSignal): Error {
  return signal.reason instanceof Error ? signal.reason : new UserError('SB301', 'The run was cancelled.')
}

/** Any thrown value as an `Error`, its text kept. */
export function asError(thrown: unknown): Error {
  return thrown instanceof Error ? thrown : new Error(String(thrown))
}
