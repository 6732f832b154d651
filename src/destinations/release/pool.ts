import type { Asset, Release, Releases } from '../../clients/github/releases.ts'
import { UserError } from '../../errors.ts'
import type { Log } from '../../log.ts'
import type { Body, Pool, PooledFile, Volume } from '../destination.ts'
import { assertLabel, assertPoolName } from '../names.ts'
import type { AssetStore } from './assets.ts'
import { renderDraftBody } from './body.ts'
import { publishNumbered } from './publish-numbered.ts'
import { parsePoolTag, poolTag } from './tags.ts'

/** GitHub's limit of files in one release. */
const mostAssets = 1000

interface Shelf {
  readonly release: Release
  readonly assets: Asset[]
  /** Files that are on their way. */
  reserved: number
}

/**
 * The pool of shared files in releases `backup-<label>-objects-<n>`. A release takes further files until it is full;
 * where releases are frozen on publishing, each file gets one of its own, and goes with it.
 */
export function releasePool(releases: Releases, assets: AssetStore, log: Log): Pool {
  const known = new Map<string, Promise<Shelf[]>>()
  let creating: Promise<unknown> = Promise.resolve()

  async function load(project: string): Promise<Shelf[]> {
    assertLabel(project)
    const shelves: Shelf[] = []
    for await (const release of releases.list()) {
      if (release.draft || parsePoolTag(release.tag)?.project !== project) continue
      shelves.push({ release, assets: [...(await releases.assets(release.id))], reserved: 0 })
    }
    return shelves
  }

  /** The shelves as this run knows them: its own files are added, so that not every file costs a listing. */
  async function shelvesOf(project: string): Promise<Shelf[]> {
    let shelves = known.get(project)
    if (shelves === undefined) {
      shelves = load(project)
      known.set(project, shelves)
      shelves.catch(() => known.delete(project))
    }
    return await shelves
  }

  function open(shelves: readonly Shelf[]): Shelf | undefined {
    return shelves.find((one) => !one.release.immutable && one.assets.length + one.reserved < mostAssets)
  }

  async function storeOnNewShelf(shelves: Shelf[], project: string, name: string, body: Volume): Promise<void> {
    const numbers = shelves.map((one) => parsePoolTag(one.release.tag)?.number ?? 0)
    const number = Math.max(0, ...numbers) + 1
    const draft = await releases.createDraft({
      tag: poolTag(project, number),
      name: `Storage files of ${project} (${number})`,
      body: renderDraftBody(poolBody(project))
    })
    const asset = await assets.store(draft, name, body)
    const release = await publishNumbered(releases, draft, poolBody(project), (free) => poolTag(project, free), number)
    shelves.push({ release, assets: [asset], reserved: 0 })
  }

  async function storeOn(shelf: Shelf, name: string, body: Volume): Promise<void> {
    shelf.reserved += 1
    try {
      shelf.assets.push(await assets.store(shelf.release, name, body))
    } finally {
      shelf.reserved -= 1
    }
  }

  function find(shelves: readonly Shelf[], name: string): Asset | undefined {
    return shelves.flatMap((one) => one.assets).find((one) => one.name === name && one.whole)
  }

  async function put(project: string, name: string, body: Volume): Promise<void> {
    assertPoolName(name)
    if (body.bytes === 0) throw new Error(`nothing to store as ${name}`)
    const shelves = await shelvesOf(project)
    const there = find(shelves, name)
    if (there !== undefined) {
      if (await assets.holds(there, body)) return
      throw new UserError('SB414', `The shared file ${name} of ${project} is stored with other bytes.`)
    }
    const shelf = open(shelves)
    if (shelf !== undefined) {
      await storeOn(shelf, name, body)
      return
    }
    const work = creating.then(async () => {
      const opened = open(shelves)
      if (opened === undefined) await storeOnNewShelf(shelves, project, name, body)
      else await storeOn(opened, name, body)
    })
    creating = work.catch(() => undefined)
    await work
  }

  async function list(project: string): Promise<readonly PooledFile[]> {
    known.delete(project)
    const files = new Map<string, PooledFile>()
    for (const { name, bytes, sha256, changedAt, whole } of (await shelvesOf(project)).flatMap((one) => one.assets)) {
      const other = files.get(name)
      if (!whole || (other !== undefined && other.createdAt > changedAt)) continue
      files.set(name, { name, bytes, createdAt: changedAt, ...(sha256 === undefined ? {} : { sha256 }) })
    }
    return [...files.values()]
  }

  async function get(project: string, name: string): Promise<Body> {
    assertPoolName(name)
    const asset = find(await shelvesOf(project), name) ?? find(await reload(project), name)
    if (asset === undefined) throw new UserError('SB404', `The pool of ${project} has no file ${name}.`)
    return {
      bytes: asset.bytes,
      open: () => releases.open(asset),
      ...(asset.sha256 === undefined ? {} : { sha256: asset.sha256 })
    }
  }

  async function reload(project: string): Promise<Shelf[]> {
    known.delete(project)
    return await shelvesOf(project)
  }

  async function remove(project: string, names: readonly string[]): Promise<readonly string[]> {
    const stayed: string[] = []
    for (const name of names) assertPoolName(name)
    const gone = new Set(names)
    for (const shelf of await reload(project)) {
      const doomed = shelf.assets.filter((asset) => gone.has(asset.name))
      if (doomed.length === 0) continue
      if (!shelf.release.immutable) {
        for (const asset of doomed) await releases.deleteAsset(asset.id)
      } else if (doomed.length === shelf.assets.length) {
        await releases.delete(shelf.release.id)
        await releases.deleteTag(shelf.release.tag)
      } else {
        stayed.push(...doomed.map(({ name }) => name))
        log.warning(
          `${doomed.length} shared files of ${project} stay in the release ${shelf.release.tag}: it is immutable and holds files that are still needed.`
        )
      }
    }
    known.delete(project)
    return stayed
  }

  return { list, put, get, delete: remove }
}

function poolBody(project: string): string {
  return `Files that backups of \`${project}\` share. Deleting this release breaks those backups.\n`
}
