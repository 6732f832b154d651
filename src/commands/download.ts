import { constants } from 'node:fs'
import { copyFile, mkdir, open, rename, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { pipeline } from 'node:stream/promises'
import { isCanaryName } from '../archive/canary.ts'
import { renderManifest } from '../archive/manifest.ts'
import { splitStoredName } from '../archive/stored-names.ts'
import { UserError } from '../errors.ts'
import { backupRows } from '../history/history-rows.ts'
import { type BackupChoice, entriesMeant, passedOver, selectBackup } from '../history/select.ts'
import type { Result } from '../result.ts'
import { backupOfManifest } from './backup-of-manifest.ts'
import { type FetchableBackup, type FetchOptions, openEntry } from './fetch-backup.ts'
import { readReachable } from './list.ts'
import type { Ports } from './ports.ts'

export interface DownloadOptions extends Omit<FetchOptions, 'dir'> {
  readonly project: string | undefined
  readonly choice: BackupChoice
  /** Folder in which the folder of the download is made. */
  readonly into: string
}

/**
 * Fetches one backup and leaves its files in a folder: opened and decompressed where keys were given, as stored otherwise.
 * A place whose copy is damaged is passed over when another one holds the backup, too.
 */
export async function runDownload(options: DownloadOptions, ports: Ports): Promise<Result> {
  const { context } = ports
  const { clock } = context
  const startedAt = clock.now()
  const started = clock.monotonic()
  const warnings: string[] = []
  const entries = await readReachable(ports, options.project, warnings)
  const meant = entriesMeant(entries, options.choice)
  const copies = selectBackup(meant, options.choice, clock.now())
  warnings.push(...passedOver(meant, options.choice, copies, clock.now()))
  let path: string | undefined
  for (const [index, copy] of copies.entries()) {
    const dir = join(context.temp, `fetched-${index}`)
    try {
      const backup = openEntry(copy, ports, { ...options, dir }, copies)
      path = await leaveFiles(backup, options, join(context.temp, 'download'))
      break
    } catch (thrown) {
      const last = index === copies.length - 1
      if (last || !(thrown instanceof UserError) || context.signal.aborted) throw thrown
      warnings.push(`The copy in ${copy.destination} could not be used: ${thrown.message}`)
    } finally {
      await rm(dir, { recursive: true, force: true })
    }
  }
  const manifest = copies[0]?.manifest ?? null
  return {
    command: 'download',
    status: 'complete',
    startedAt: startedAt.toISOString(),
    durationMs: Math.round(clock.monotonic() - started),
    tool: ports.tool,
    project: copies[0]?.ref.project ?? null,
    verified: 'none',
    destinations: ports.destinations.map(({ name, place }) => ({ name, place, stored: false, url: null })),
    backups: backupRows(entries, clock.now()),
    url: copies[0]?.url ?? null,
    path: path ?? null,
    warnings,
    ...(manifest === null ? {} : { backup: backupOfManifest(manifest) })
  }
}

/** Writes all files into `part`, a folder of this run alone, and moves it to its place when it is whole: nothing half stays of a killed run. */
async function leaveFiles(backup: FetchableBackup, options: DownloadOptions, part: string): Promise<string> {
  const { manifest, opened } = backup
  const opening = options.keys !== null || manifest.encryption.scheme === 'none'
  const folder = join(options.into, `download-${manifest.project}-${manifest.id}`)
  await mkdir(part, { mode: 0o700 })
  try {
    // Contents first: they tell files of another backup from this one's, and a wrong key before anything large is fetched.
    if (opening) await opened.contents()
    for (const file of [...manifest.files, ...manifest.shared]) {
      const { plainName } = splitStoredName(file.name)
      // Its word is for whoever opens it with a key elsewhere; among opened files it would show nothing.
      if (opening && isCanaryName(plainName)) continue
      await opened.fetch([plainName])
      if (opening) {
        const target = await open(join(part, plainName), 'wx', 0o600)
        await pipeline(opened.files.open(plainName), target.createWriteStream())
      } else {
        await copyFile(
          opened.pathOf(plainName),
          join(part, file.name),
          constants.COPYFILE_EXCL | constants.COPYFILE_FICLONE
        )
      }
      await opened.drop(plainName)
    }
    await writeFile(join(part, 'manifest.json'), renderManifest(manifest), { flag: 'wx', mode: 0o600 })
    await rm(folder, { recursive: true, force: true })
    await rename(part, folder)
    return folder
  } catch (thrown) {
    await rm(part, { recursive: true, force: true })
    throw thrown
  }
}
