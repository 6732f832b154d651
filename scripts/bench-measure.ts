import { spawn } from 'node:child_process'
import { readFile, writeFile } from 'node:fs/promises'
import path from 'node:path'

/** What one way cost once. */
export interface Measured {
  readonly wallSeconds: number
  /** User and system time of the processes that were started here; the server's backends are not among them. */
  readonly cpuSeconds: number
  /** Largest sum of the resident memory of all its processes at one moment, in bytes. What several share counts once (PSS). */
  readonly peakBytes: number
}

const sampleMs = 50

/**
 * Runs a bash script to its end and measures the whole tree of processes that it starts. `bash` itself keeps the time
 * of the children that it waited for, whatever they started in turn, to a millisecond.
 */
export async function measure(
  script: string,
  env: Readonly<Record<string, string>>,
  folder: string
): Promise<Measured> {
  const timesFile = path.join(folder, 'times')
  const errorFile = path.join(folder, 'errors')
  await writeFile(errorFile, '')
  const wrapped = `set -o pipefail; { ${script}\n} 2>>"$BENCH_ERRORS"; code=$?; times >"$BENCH_TIMES"; exit $code`
  const started = performance.now()
  const child = spawn('bash', ['-c', wrapped], {
    cwd: folder,
    env: {
      PATH: process.env.PATH ?? '/usr/bin:/bin',
      LC_ALL: 'C',
      ...env,
      BENCH_TIMES: timesFile,
      BENCH_ERRORS: errorFile
    },
    stdio: ['ignore', 'ignore', 'inherit']
  })
  const ended = new Promise<number | NodeJS.Signals | null>((resolve, reject) => {
    child.once('error', reject)
    child.once('close', (code, signal) => resolve(code ?? signal))
  })
  let peakBytes = 0
  let sampling = true
  const sampled = (async () => {
    while (sampling && child.pid !== undefined) {
      peakBytes = Math.max(peakBytes, await residentBytes(child.pid))
      await new Promise((resolve) => setTimeout(resolve, sampleMs))
    }
  })()
  const code = await ended
  const wallSeconds = (performance.now() - started) / 1000
  sampling = false
  await sampled
  if (code !== 0) {
    throw new Error(`This ended with ${String(code)}:\n${script}\n${(await readFile(errorFile, 'utf8')).slice(-4000)}`)
  }
  return { wallSeconds, cpuSeconds: parseTimes(await readFile(timesFile, 'utf8')), peakBytes }
}

/** Seconds in the four numbers that `times` prints: the shell's and its children's user and system time. */
export function parseTimes(text: string): number {
  let seconds = 0
  let numbers = 0
  for (const [, minutes, rest] of text.matchAll(/(\d+)m([\d.]+)s/g)) {
    seconds += Number(minutes) * 60 + Number(rest)
    numbers += 1
  }
  if (numbers !== 4) throw new Error(`times printed something else: ${text}`)
  return seconds
}

/** The resident memory of a process and everything below it, shared pages in equal shares. A process that ends meanwhile counts as nothing. */
async function residentBytes(pid: number): Promise<number> {
  let sum = 0
  const waiting = [pid]
  for (let next = waiting.pop(); next !== undefined; next = waiting.pop()) {
    const rollup = await readFile(`/proc/${next}/smaps_rollup`, 'utf8').catch(() => '')
    sum += Number(/^Pss: +(\d+) kB$/m.exec(rollup)?.[1] ?? 0) * 1024
    const children = await readFile(`/proc/${next}/task/${next}/children`, 'utf8').catch(() => '')
    for (const one of children.split(' ')) if (one !== '') waiting.push(Number(one))
  }
  return sum
}

/** The middle value; the mean of the two middle ones of an even number. */
export function median(values: readonly number[]): number {
  if (values.length === 0) throw new Error('There is no median of nothing')
  const sorted = [...values].sort((a, b) => a - b)
  const half = sorted.length >> 1
  const upper = sorted[half] ?? Number.NaN
  return sorted.length % 2 === 1 ? upper : ((sorted[half - 1] ?? Number.NaN) + upper) / 2
}
