import { copyFile, link, mkdir, readdir, readFile, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { parseManifest } from '../archive/manifest.ts'
import { poolIndexName } from '../archive/pool-index.ts'
import { isFileName, isRecordName, manifestName, poolName } from '../destinations/names.ts'

/**
 * A folder that holds the files of one backup, as somebody downloaded them from a release, from artifacts or from a bucket, laid out as the destination
 * `folder` wants it: `<label>/<id>/`, and what backups share in `<label>/objects/`. Links where they can be made, so that nothing is copied. Returns
 * the path to use; the one that was given where it holds no manifest itself.
 */
export async function layOutDownload(folder: string, into: string): Promise<string> {
  const names = await namesIn(folder)
  const manifestFile = [...names].find(([name]) => name === manifestName)?.[1]
  if (manifestFile === undefined) return folder
  const parsed = parseManifest(await readFile(join(folder, manifestFile)))
  if (parsed.kind !== 'ok') return folder
  const { manifest } = parsed
  const backup = join(into, manifest.project, manifest.id)
  const pool = join(into, manifest.project, poolName)
  await mkdir(backup, { recursive: true, mode: 0o700 })
  await mkdir(pool, { recursive: true, mode: 0o700 })
  const shared = new Set(
    manifest.shared.flatMap((pack) => [...(pack.volumes ?? [pack]).map(({ name }) => name), poolIndexName(pack.name)])
  )
  for (const [name, file] of names) {
    if (!isFileName(name) && !isRecordName(name)) continue
    await place(join(folder, file), join(shared.has(name) ? pool : backup, name))
  }
  return into
}

/** Plain files by the name of what they hold: artifacts are called `<label>.<id>.<file>`, each in a folder of its own or not. */
async function namesIn(folder: string): Promise<ReadonlyMap<string, string>> {
  const found = new Map<string, string>()
  if ((await stat(folder).catch(() => undefined))?.isDirectory() !== true) return found
  for (const entry of await readdir(folder, { withFileTypes: true })) {
    if (!entry.isFile()) continue
    const name = /^[a-z0-9-]{1,40}\.\d{8}T\d{6}Z-[a-z2-7]{8}\.(.+)$/.exec(entry.name)?.[1] ?? entry.name
    found.set(name, entry.name)
  }
  return found
}

async function place(from: string, to: string): Promise<void> {
  try {
    await link(from, to)
  } catch {
    // Another file system, or one without links.
    await copyFile(from, to)
  }
}
