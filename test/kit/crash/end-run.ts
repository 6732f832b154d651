import { readdirSync, readFileSync } from 'node:fs'
import { setTimeout as delay } from 'node:timers/promises'

/** How a run is ended: as the out-of-memory killer does, as the runner cancels a step, by SIGTERM alone, or by a person who presses Ctrl-C twice. */
export const endings = ['SIGKILL', 'cancel', 'SIGTERM', 'SIGINT twice'] as const
export type Ending = (typeof endings)[number]

/** The first signal of an ending. */
export function signalOf(ending: Ending): 'SIGKILL' | 'SIGINT' | 'SIGTERM' {
  return ending === 'SIGKILL' || ending === 'SIGTERM' ? ending : 'SIGINT'
}

interface Child {
  readonly pid: number
  kill(signal: NodeJS.Signals): void
}

/** The runner waits 7.5 s after SIGINT and 2.5 s after SIGTERM (ProcessInvoker.cs); tests have less time. */
const scale = 0.25
const untilTerm = 7_500 * scale
const untilKill = 2_500 * scale
/** Between two presses of Ctrl-C, in ms. */
const untilSecond = 100

/** What comes after the first signal. */
export async function followUp(ending: Ending, child: Child, ended: () => boolean): Promise<void> {
  if (ending === 'cancel') await cancelOn(child, ended)
  if (ending !== 'SIGINT twice') return
  await delay(untilSecond)
  if (!ended()) child.kill('SIGINT')
}

/** Goes on with what the runner does after SIGINT: SIGTERM, then SIGKILL for the process and all its children. */
async function cancelOn(child: Child, ended: () => boolean): Promise<void> {
  const wait = async (ms: number) => {
    for (const until = performance.now() + ms; performance.now() < until && !ended(); ) await delay(10)
  }
  await wait(untilTerm)
  if (!ended()) child.kill('SIGTERM')
  await wait(untilKill)
  if (ended()) return
  for (const pid of [...descendants(child.pid), child.pid]) {
    try {
      process.kill(pid, 'SIGKILL')
    } catch {
      // It ended by itself meanwhile.
    }
  }
}

/** Processes of this machine whose arguments or environment name `text`, such as the temporary folder of a run. */
export function processesNaming(text: string): number[] {
  return processes().filter((pid) => read(pid, 'cmdline').includes(text) || read(pid, 'environ').includes(text))
}

/** Waits until no process names `text`; those that are still there after `most` ms are returned. */
export async function orphansOf(text: string, most: number): Promise<readonly string[]> {
  for (const until = performance.now() + most; ; await delay(20)) {
    const left = processesNaming(text)
    if (left.length === 0 || performance.now() > until)
      return left.map((pid) => read(pid, 'cmdline').replaceAll('\0', ' ').trim()).filter((line) => line !== '')
  }
}

/** All children of a process and theirs. */
export function descendants(of: number): number[] {
  const parents = new Map(processes().map((pid) => [pid, parentOf(pid)]))
  const found: number[] = []
  collect(of)
  return found

  function collect(parent: number): void {
    for (const [pid, itsParent] of parents) {
      if (itsParent !== parent) continue
      found.push(pid)
      collect(pid)
    }
  }
}

function processes(): number[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .map(Number)
}

function parentOf(pid: number): number {
  const stat = read(pid, 'stat')
  return Number(stat.slice(stat.lastIndexOf(')') + 2).split(' ')[1] ?? 0)
}

/** A file of /proc about a process; empty when the process is gone. */
export function read(pid: number, name: 'stat' | 'cmdline' | 'environ'): string {
  try {
    return readFileSync(`/proc/${pid}/${name}`, 'latin1')
  } catch {
    return ''
  }
}
