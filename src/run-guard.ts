import { asError, UserError } from './errors.ts'

export interface RunGuard {
  /** Rejects, once, when the run will not come to its end by itself: with the reason that the run is to be told with. */
  readonly abandoned: Promise<never>
}

export interface RunGuardOptions {
  /** Ends the run in order. */
  readonly cancel: AbortController
  readonly log: { info(message: string): void; debug(message: string): void }
  /** Last words, where even the telling of the failure never came to its end. */
  readonly lastWords: (error: Error) => void
  /** How long a run that was cancelled may take to put things back. */
  readonly graceMs?: number
}

/** Setting limits of buckets back and removing drafts take seconds; the runner itself kills 10 s after the first signal. */
const defaultGraceMs = 120_000

/**
 * Sees to it that a run ends, and never well unless it says so: the exit code is one of failure from here on. Node ends a process whose event loop
 * runs empty with code 0, whoever still waits for a promise: here that is a failure like any other, with outputs, summary and error. So is what nobody
 * caught, and a run that is still there long after it was cancelled. The first signal cancels, the second abandons the run, the third leaves at once.
 */
export function guardRun({ cancel, log, lastWords, graceMs = defaultGraceMs }: RunGuardOptions): RunGuard {
  process.exitCode = 1
  const { promise: abandoned, reject } = Promise.withResolvers<never>()
  // Whoever waits for the run waits for this, too; that nobody does yet is no failure.
  abandoned.catch(() => undefined)
  let over = false
  const abandon = (reason: unknown): void => {
    over = true
    reject(asError(reason))
    cancel.abort(reason)
  }
  const leave = (error: Error): void => {
    lastWords(error)
    process.stdout.write('', () => process.exit(1))
  }

  process.on('beforeExit', () => {
    if (over) leave(neverEnded())
    else abandon(cancel.signal.aborted ? cancel.signal.reason : neverEnded())
  })
  const uncaught = (thrown: unknown): void => {
    if (over) log.debug(asError(thrown).stack ?? asError(thrown).message)
    else abandon(thrown)
  }
  // Where nobody reads the log any more (a pipe that was closed), every line fails: that is no fault of the run, and must not be told in another line.
  for (const output of [process.stdout, process.stderr]) output.on('error', () => undefined)
  process.on('uncaughtException', uncaught)
  process.on('unhandledRejection', uncaught)
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
    process.on(signal, () => {
      if (over) process.exit(1)
      if (cancel.signal.aborted) return abandon(cancel.signal.reason)
      log.info(`${signal}: cancelling`)
      cancel.abort(new UserError('SB301', `The run was cancelled (${signal}).`))
    })
  }
  cancel.signal.addEventListener('abort', () => {
    setTimeout(() => {
      if (!over) abandon(cancel.signal.reason)
    }, graceMs).unref()
  })
  return { abandoned }
}

function neverEnded(): UserError {
  return new UserError('SB307', 'The run stopped in the middle: it waits for something that can no longer come.')
}
