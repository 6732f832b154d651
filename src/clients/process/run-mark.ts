import { createHash } from 'node:crypto'
import { readFileSync, readlinkSync } from 'node:fs'

/**
 * Names one running process so that a later run can tell whether it still lives: boot, PID namespace, process id and start
 * time, hashed where they say something about the machine. `null` where the operating system does not tell (only Linux does).
 */
export function readRunMark(pid: number = process.pid): string | null {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8')
    // The second field is the program's name in parentheses and may hold blanks; start time is field 22.
    const startTime = stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19]
    return `${machine()}.${pid}.${startTime}`
  } catch {
    return null
  }
}

/**
 * True only where it is certain that the process of this mark has ended: it ran on this boot of this machine, in this PID
 * namespace, and no process with its id and start time is there any more.
 */
export function isDeadRun(mark: string): boolean {
  const parts = /^([0-9a-f]{16})\.(\d{1,10})\.(\d{1,20})$/.exec(mark)
  if (parts === null) return false
  let here: string
  try {
    here = machine()
  } catch {
    return false
  }
  return parts[1] === here && readRunMark(Number(parts[2])) !== mark
}

function machine(): string {
  const boot = readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim()
  return createHash('sha256')
    .update(`${boot} ${readlinkSync('/proc/self/ns/pid')}`)
    .digest('hex')
    .slice(0, 16)
}
