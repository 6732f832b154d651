import { mkdirSync, rmSync } from 'node:fs'
import { lstat, mkdir, readdir, rm, statfs } from 'node:fs/promises'
import { join } from 'node:path'
import { fullDisk } from '../../base/full-disk.ts'
import type { RandomBytes } from '../../context.ts'
import { UserError } from '../../errors.ts'
import { isDeadRun, readRunMark } from './run-mark.ts'

/** The folders of one run under RUNNER_TEMP/supabase-backup. */
export interface RunFolder {
  /** Of this run alone (mode 0700), removed by `remove`. */
  readonly temp: string
  /** What stays after the run: the result file and downloads. */
  readonly kept: string
  /** Path for a file that is being written to be renamed into `kept`; what a killed run leaves there is removed by the next one. */
  readonly part: string
  /** Removes `temp` and everything in it; synchronous, so that it also works in the last moment of a killed run. Never throws. */
  remove(): void
}

/** Makes the run's folders, after removing what runs that were killed left behind. */
export async function openRunFolder(runnerTemp: string, randomBytes: RandomBytes): Promise<RunFolder> {
  const kept = join(runnerTemp, 'supabase-backup')
  const temp = join(kept, `run-${readRunMark() ?? 'unknown'}-${Buffer.from(randomBytes(4)).toString('hex')}`)
  try {
    await mkdir(kept, { recursive: true, mode: 0o700 })
    // What another step has put there would take everything in plain to where it points, and be cleared there.
    if (!(await lstat(kept)).isDirectory())
      throw new UserError('SB311', `The temporary folder ${kept} is a link.`, { remedy: `Remove ${kept}.` })
    for (const name of await readdir(kept)) {
      const mark = /^run-(.+)-[0-9a-f]{8}(?:\.part)?$/.exec(name)?.[1]
      if (mark !== undefined && isDeadRun(mark)) await rm(join(kept, name), { recursive: true, force: true })
    }
    mkdirSync(temp, { mode: 0o700 })
  } catch (thrown) {
    if (thrown instanceof UserError) throw thrown
    throw fullDisk(thrown) ?? new UserError('SB311', `The temporary folder ${kept} cannot be used.`, { cause: thrown })
  }
  return {
    temp,
    kept,
    part: `${temp}.part`,
    remove: () => {
      try {
        rmSync(temp, { recursive: true, force: true, maxRetries: 3 })
      } catch {
        // What cannot be removed now is removed by the next run on this machine, which sees that this one is dead.
      }
    }
  }
}

/** Bytes that this user may still write where `folder` lies; null where the file system does not say. */
export async function freeBytesIn(folder: string): Promise<number | null> {
  try {
    const found = await statfs(folder)
    return found.bsize * found.bavail
  } catch {
    return null
  }
}
