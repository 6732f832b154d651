import * as core from '@actions/core'
import type { Redact } from '../base/redact.ts'
import type { Clock } from '../context.ts'
import type { Log } from '../log.ts'
import { logLine, shorten } from '../text/escape.ts'
import { fullStop } from '../text/format.ts'

/** Least time between two lines of progress. */
const progressEveryMs = 10_000
/** The runner cuts an annotation at 4096 characters (ExecutionContext.cs). */
const longestAnnotation = 3_500

export interface RunnerLog extends Log {
  /** The annotation that a failed run ends with: a title for people, then code, what and remedy. */
  error(error: {
    readonly title: string
    readonly code: string
    readonly message: string
    readonly remedy: string
  }): void
  /** What the run came to, as its own annotation, so that it is found without unfolding anything. */
  verdict(text: string): void
  /** A fault of this program: its text as an annotation, its stack in the debug log. */
  bug(error: Error): void
}

/** Has the runner mask a secret that no input gave. */
export function maskSecret(secret: string): void {
  core.setSecret(secret)
}

/** The log of a workflow run: the only writer to standard output. Every text is made inert and free of secrets here. */
export function createRunnerLog(clock: Clock, redact: Redact): RunnerLog {
  let lastProgress = Number.NEGATIVE_INFINITY
  let grouped = false
  const line = (text: string): string => logLine(redact(text))
  // An annotation may have lines of its own: @actions/core sends a line break as %0A.
  const annotation = (text: string): string => shorten(text.split(/\r?\n/).map(line).join('\n'), longestAnnotation)

  /** Told once: what a command warned of at once comes again at the end, with all that stands in its result. */
  const warned = new Set<string>()
  return {
    info: (message) => core.info(line(message)),
    warning: (message) => {
      if (warned.has(message)) return
      warned.add(message)
      core.warning(annotation(message))
    },
    debug: (message) => {
      for (const part of message.split(/\r?\n/)) core.debug(line(part))
    },
    progress: (message) => {
      const now = clock.monotonic()
      if (now - lastProgress < progressEveryMs) return
      lastProgress = now
      core.info(line(message()))
    },
    group: async (title, work) => {
      // GitHub does not nest groups: the end of an inner one would end the outer one, too.
      if (grouped) {
        core.info(line(title))
        return await work()
      }
      grouped = true
      core.startGroup(line(title))
      try {
        return await work()
      } finally {
        core.endGroup()
        grouped = false
      }
    },
    error: (error) => {
      const text = `${error.code}: ${fullStop(error.message)} ${fullStop(error.remedy)}`
      core.error(annotation(text), { title: line(error.title) })
    },
    verdict: (text) => {
      core.notice(annotation(text))
    },
    bug: (error) => {
      core.error(
        annotation(
          `SB999: Internal error in this action (a bug): ${fullStop(error.message)} Please report it with the debug log.`
        ),
        { title: 'Internal error in this action (a bug)' }
      )
      for (const part of (error.stack ?? '').split('\n')) core.debug(line(part))
    }
  }
}
