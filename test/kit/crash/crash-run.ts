import { existsSync } from 'node:fs'
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { pathToFileURL } from 'node:url'
import { type ActionRun, runAction } from '../action.ts'
import type { Github } from '../github/server.ts'
import { type Ending, endings, followUp, signalOf } from './end-run.ts'
import type { MessageGate } from './message-gate.ts'

/** A moment at which a run can be ended: a change of a file that it makes, or a call that it sends, by number. */
export interface Point {
  readonly number: number
  readonly phase: 'before' | 'half' | 'after'
  readonly what: string
}

export interface Crash {
  readonly point: Point
  readonly ending: Ending
}

export interface CrashedRun {
  readonly run: ActionRun
  /** All points that the run came to. */
  readonly points: readonly Point[]
  /** Whether it came to the one at which it was to end. */
  readonly fired: boolean
}

export interface CrashRunOptions {
  readonly inputs: Readonly<Record<string, string>>
  readonly env: Readonly<Record<string, string>>
  readonly temp: string
  readonly crash?: Crash
}

/** Runs the action, counting the changes that it makes to files under `folders` and the temporary folder. */
export async function crashAtFile(folders: readonly string[], options: CrashRunOptions): Promise<CrashedRun> {
  const { crash } = options
  const own = await mkdtemp(join(tmpdir(), 'sb-crash-'))
  const log = join(own, 'log')
  const hook = pathToFileURL(join(import.meta.dirname, 'count-writes.ts')).href
  const textOf = async () => (existsSync(log) ? await readFile(log, 'utf8') : '')
  let ended = false
  let child: { pid: number; kill(signal: NodeJS.Signals): void } | undefined
  const following = async (ending: Ending) => {
    while (!ended && !(await textOf()).includes('fired\n')) await delay(10)
    if (child !== undefined) await followUp(ending, child, () => ended)
  }
  try {
    let follow: Promise<void> | undefined
    const run = await runAction({
      inputs: options.inputs,
      temp: options.temp,
      env: {
        ...options.env,
        NODE_OPTIONS: `--import ${hook}`,
        CRASH_UNDER: [options.temp, ...folders].join(':'),
        CRASH_LOG: log,
        ...(crash === undefined
          ? {}
          : {
              CRASH_AT: `${crash.point.number}:${crash.point.phase}`,
              CRASH_SIGNAL: signalOf(crash.ending)
            })
      },
      onStart: (started) => {
        child = started
        if (crash !== undefined) follow = following(crash.ending)
      }
    })
    ended = true
    await follow
    const text = await textOf()
    return { run, points: text.split('\n').flatMap(filePoints), fired: text.includes('fired\n') }
  } finally {
    await rm(own, { recursive: true, force: true })
  }
}

function filePoints(line: string): Point[] {
  const [, digits = '', call = '', path = ''] = /^(\d+) (\S+) (.*)$/.exec(line) ?? []
  if (digits === '') return []
  const what = `${call} ${path.replace(/^.*\/(?=[^/]+\/[^/]+$)/, '')}`
  const halves = /write|writeFile|appendFile|^rm/.test(call) && !call.endsWith('FileSync')
  const phases = halves ? (['before', 'half', 'after'] as const) : (['before', 'after'] as const)
  return phases.map((phase) => ({ number: Number(digits), phase, what }))
}

/** A run that can be ended from a gate that its calls or messages pass. */
function endableRun({ inputs, env, temp, crash }: CrashRunOptions) {
  let fired = false
  let ended = false
  let child: { pid: number; kill(signal: NodeJS.Signals): void } | undefined
  let follow: Promise<void> | undefined
  return {
    get fired() {
      return fired
    },
    /** A killed run: nothing of it passes any more. */
    get isCut() {
      return fired && crash?.ending === 'SIGKILL'
    },
    /** Ends the run; what is passing the gate is cut where it was killed. */
    end(): 'cut' | 'go' {
      fired = true
      if (child === undefined) return 'cut'
      if (crash === undefined) throw new Error('no ending was chosen')
      child.kill(signalOf(crash.ending))
      follow = followUp(crash.ending, child, () => ended)
      return crash.ending === 'SIGKILL' ? 'cut' : 'go'
    },
    async run() {
      const run = await runAction({
        inputs,
        env,
        temp,
        onStart: (started) => {
          child = started
        }
      })
      ended = true
      await follow
      return run
    }
  }
}

/** Runs the action, counting the calls that reach the double of GitHub: its API, its artifact service and storage, and git. */
export async function crashAtCall(github: Github, options: CrashRunOptions): Promise<CrashedRun> {
  const { crash } = options
  const points: Point[] = []
  const ending = endableRun(options)
  let count = 0
  const numbers = new Map<object, number>()
  github.gate = async ({ method, path, writes, phase, request }) => {
    if (phase === 'before') {
      count += 1
      numbers.set(request, count)
      const what = `${method} ${path}`
      points.push({ number: count, phase, what })
      if (writes) points.push({ number: count, phase: 'after', what })
    }
    if (ending.isCut) return 'cut'
    // What earlier runs left makes more calls: the first moment of this kind from that number on.
    const isReached = crash !== undefined && (numbers.get(request) ?? 0) >= crash.point.number
    return !isReached || ending.fired || phase !== crash.point.phase ? 'go' : ending.end()
  }
  try {
    return { run: await ending.run(), points, fired: ending.fired }
  } finally {
    github.gate = undefined
  }
}

/** Runs the action, counting the messages that reach a database, or the requests that reach other servers, through a gate. */
export async function crashAtMessage(
  messages: Pick<MessageGate, 'gate'>,
  options: CrashRunOptions
): Promise<CrashedRun> {
  const { crash } = options
  const points: Point[] = []
  const ending = endableRun(options)
  let first = Number.POSITIVE_INFINITY
  messages.gate = ({ number: all, phase, what }) => {
    first = Math.min(first, all)
    const number = all - first + 1
    points.push({ number, phase, what })
    if (ending.isCut) return 'cut'
    const isReached = crash !== undefined && number >= crash.point.number
    return !isReached || ending.fired || phase !== crash.point.phase ? 'go' : ending.end()
  }
  try {
    return { run: await ending.run(), points, fired: ending.fired }
  } finally {
    messages.gate = undefined
  }
}

/**
 * Some of the points, evenly spread, the first of them and the endings by chance from `seed`; all of them with CRASH_ALL=1, by SIGKILL and the runner's
 * sequence, or the k-th of n shares of all with CRASH_PART=k/n besides. CRASH_ENDING=<ending> takes that ending for each.
 */
export function choosePoints(points: readonly Point[], most: number, seed: number): Crash[] {
  const ending = endings.find((one) => one === process.env['CRASH_ENDING'])
  return chosen(points, most, seed).map((crash) => (ending === undefined ? crash : { ...crash, ending }))
}

function chosen(points: readonly Point[], most: number, seed: number): Crash[] {
  if (process.env['CRASH_ALL'] === '1') {
    const [part = 1, parts = 1] = (process.env['CRASH_PART'] ?? '1/1').split('/').map(Number)
    return points
      .flatMap((point): Crash[] => [
        { point, ending: 'SIGKILL' },
        ...(point.phase === 'before' ? [{ point, ending: 'cancel' } as const] : [])
      ])
      .filter((_, index) => index % parts === part - 1)
  }
  const next = random(seed)
  const start = next()
  const step = Math.max(points.length / most, 1)
  return Array.from({ length: Math.min(most, points.length) }, (_, index) => points[Math.floor((index + start) * step)])
    .filter((point) => point !== undefined)
    .map((point) => ({ point, ending: endingOf(next()) }))
}

/** Most runs are killed at once; the gentler endings share the rest. `chance`: from 0 to 1. */
function endingOf(chance: number): Ending {
  if (chance < 0.6) return 'SIGKILL'
  return chance < 0.8 ? 'cancel' : chance < 0.9 ? 'SIGTERM' : 'SIGINT twice'
}

/** Numbers in [0, 1) that are the same for the same seed (mulberry32). */
export function random(seed: number): () => number {
  let state = seed >>> 0
  return () => {
    state = (state + 0x6d2b79f5) >>> 0
    let mixed = Math.imul(state ^ (state >>> 15), state | 1)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296
  }
}
