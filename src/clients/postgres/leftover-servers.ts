import { readFileSync } from 'node:fs'
import { lstat, readdir, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { isDeadRun } from '../process/run-mark.ts'

/** How the folders of throw-away servers begin. */
export const leftoverPrefix = 'sb-server-'
/** File in such a folder that names the run which made it. */
export const runMarkFile = 'run'

/**
 * Ends servers and removes folders that killed runs left on this machine; those of runs that live, or of which that is not certain, stay. Never throws.
 */
export async function removeLeftoverServers(): Promise<void> {
  for (const place of new Set([tmpdir(), '/tmp', '/var/tmp'])) {
    for (const name of await readdir(place).catch(() => [])) {
      if (name.startsWith(leftoverPrefix)) await removeIfDead(path.join(place, name)).catch(() => undefined)
    }
  }
}

async function removeIfDead(folder: string): Promise<void> {
  const found = await lstat(folder)
  // Others may put links or folders of this name there: only a real folder that belongs to this user counts.
  if (!found.isDirectory() || found.uid !== process.getuid?.()) return
  const mark = await readFile(path.join(folder, runMarkFile), 'utf8')
  if (!isDeadRun(mark)) return
  endServerOf(path.join(folder, 'data'))
  await rm(folder, { recursive: true, force: true, maxRetries: 5 })
}

function endServerOf(dataDir: string): void {
  try {
    const pid = Number(readFileSync(path.join(dataDir, 'postmaster.pid'), 'utf8').split('\n')[0])
    // The number may belong to another process by now: only a server of this very folder is ended.
    const args = readFileSync(`/proc/${pid}/cmdline`, 'utf8').split('\0')
    if (Number.isInteger(pid) && pid > 1 && args.includes(dataDir)) process.kill(pid, 'SIGQUIT')
  } catch {
    // No pid file or no such process: there is no server to end.
  }
}
