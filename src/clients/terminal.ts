import { createInterface } from 'node:readline/promises'
import { Writable } from 'node:stream'
import type { Redact } from '../base/redact.ts'
import type { Clock } from '../context.ts'
import { shorten, visible } from '../text/escape.ts'
import { fullStop } from '../text/format.ts'
import type { RunnerLog } from './runner-log.ts'

/** Least time between two looks of a progress that is written over, and of one that is not. */
const overwrittenEveryMs = 200
const writtenEveryMs = 10_000

export interface TerminalLogOptions {
  /** Whether lines can be written over. */
  readonly isTerminal: boolean
  readonly width: number
  readonly debug: boolean
  write(text: string): void
}

/** The log of a run at a terminal: on standard error, so that standard output is the result's alone. */
export function createTerminalLog(options: TerminalLogOptions, clock: Clock, redact: Redact): RunnerLog {
  let last = Number.NEGATIVE_INFINITY
  let isProgress = false
  const warned = new Set<string>()
  const clear = (): void => {
    if (isProgress) options.write('\r\u001b[K')
    isProgress = false
  }
  const line = (text: string): void => {
    clear()
    options.write(`${visible(redact(text))}\n`)
  }
  return {
    info: line,
    warning(message) {
      if (warned.has(message)) return
      warned.add(message)
      line(`Warning: ${message}`)
    },
    debug(message) {
      if (options.debug) for (const part of message.split(/\r?\n/)) line(`  ${part}`)
    },
    progress(message) {
      const now = clock.monotonic()
      if (now - last < (options.isTerminal ? overwrittenEveryMs : writtenEveryMs)) return
      last = now
      if (!options.isTerminal) {
        line(message())
        return
      }
      options.write(`\r\u001b[K${shorten(visible(redact(message())), Math.max(20, options.width - 1))}`)
      isProgress = true
    },
    async group(title, work) {
      line(title)
      return await work()
    },
    verdict: () => clear(),
    error(error) {
      line(`Error ${error.code}: ${error.title}`)
      line(`  ${fullStop(error.message)}`)
      line(`  What to do: ${fullStop(error.remedy)}`)
    },
    bug(error) {
      line(`Error SB999: a bug in this program: ${error.message}`)
      if (options.debug) for (const part of (error.stack ?? '').split('\n')) line(part)
    }
  }
}

/** Asks a person. `hidden`: what is typed does not show. */
export async function askAtTerminal(question: string, hidden: boolean): Promise<string> {
  let isMuted = false
  const output = new Writable({
    write(chunk, _encoding, done) {
      if (!isMuted) process.stderr.write(chunk)
      done()
    }
  })
  const lines = createInterface({ input: process.stdin, output, terminal: true })
  try {
    const answer = lines.question(question)
    isMuted = hidden
    return (await answer).trim()
  } finally {
    isMuted = false
    lines.close()
    if (hidden) process.stderr.write('\n')
  }
}
