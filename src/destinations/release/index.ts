import { GithubError, hasStatus } from '../../clients/github/errors.ts'
import type { Github } from '../../clients/github/index.ts'
import { type Asset, githubReleases, type Release, repositoryVisibility } from '../../clients/github/releases.ts'
import { assertMayWrite, assertTagAllowed } from '../../clients/github/write-access.ts'
import type { Context } from '../../context.ts'
import { UserError } from '../../errors.ts'
import type { BackupRef, Body, Destination, ListedBackup, ListedFile, RecordFile, Volume } from '../destination.ts'
import { assertPartName, assertRecordName, assertRef, isRecordName, manifestName, tooLargeToRead } from '../names.ts'
import { assetStore, memoryVolume, sha256Hex } from './assets.ts'
import { readReleaseBody, renderDraftBody, renderReleaseBody } from './body.ts'
import { releaseJournal } from './journal.ts'
import { releasePool } from './pool.ts'
import { cleanReleases } from './remove-abandoned-drafts.ts'
import { backupTag, parseBackupTag } from './tags.ts'

export interface ReleaseOptions {
  readonly github: Github
  /** `owner/name` of the repository whose releases hold the backups. */
  readonly repository: string
  readonly context: Context
}

// GitHub takes files under 2 GiB and answers 500 to one of exactly 2 GiB.
const largestFile = Math.floor(1.9 * 1024 ** 3)
// GitHub takes 1000 files a release; some room is left for verification records, which come later.
const mostFiles = 950

interface Stored {
  readonly bytes: number
  readonly sha256: string
}

/** How often something that GitHub has taken is looked for: for half a minute. */
const mostLooks = 6

/** Backups as releases: a draft until the manifest is there, then published, never "latest". */
export function openReleaseDestination(options: ReleaseOptions): Destination {
  const { github, repository, context } = options
  const releases = githubReleases(github, repository)
  const assets = assetStore(github, releases)
  const drafts = new Map<string, Promise<Release>>()
  const stored = new Map<string, Map<string, Stored>>()
  const published = new Map<string, Release>()

  async function draftOf(backup: BackupRef): Promise<Release> {
    const tag = backupTag(backup)
    let draft = drafts.get(tag)
    if (draft === undefined) {
      draft = releases.createDraft({
        tag,
        name: `Backup ${backup.project} ${backup.id}`,
        body: renderDraftBody(renderReleaseBody(backup, new Map()))
      })
      drafts.set(tag, draft)
      draft.catch(() => drafts.delete(tag))
    }
    return await draft
  }

  async function store(backup: BackupRef, name: string, body: Volume): Promise<void> {
    if (body.bytes === 0) throw new Error(`nothing to store as ${name}`)
    const draft = await draftOf(backup)
    await assets.store(draft, name, body)
    const tag = backupTag(backup)
    const files = stored.get(tag) ?? new Map<string, Stored>()
    stored.set(tag, files.set(name, { bytes: body.bytes, sha256: body.sha256 }))
  }

  /** Compares all files of a draft with what was sent, from a fresh listing. */
  async function compareAll(draft: Release): Promise<void> {
    const there = new Map((await releases.assets(draft.id)).map((asset) => [asset.name, asset]))
    for (const [name, sent] of stored.get(draft.tag) ?? []) {
      let asset = there.get(name)
      // GitHub's lists lag behind what was stored.
      for (let look = 1; asset === undefined && look < mostLooks; look += 1) {
        await github.pause(look)
        asset = (await releases.assets(draft.id)).find((one) => one.name === name)
      }
      const same = asset?.whole === true && asset.bytes === sent.bytes && (asset.sha256 ?? sent.sha256) === sent.sha256
      if (!same) throw new UserError('SB414', `${name} in the draft ${draft.tag} is not what was sent.`)
    }
  }

  async function publish(draft: Release, body: string): Promise<Release> {
    let answer: Release | undefined
    try {
      answer = await releases.update(draft.id, { body, publish: true })
    } catch (thrown) {
      if (!(thrown instanceof GithubError)) throw thrown
      if (thrown.reasons.includes('already_exists')) {
        throw new UserError('SB415', `There is a release with the tag ${draft.tag} already.`, { cause: thrown })
      }
      if (!thrown.mayPass) throw thrown
      // The answer was lost: what GitHub shows decides.
      const shown = await releases.get(draft.id)
      if (shown === undefined || shown.draft) throw thrown
    }
    // What GitHub shows lags behind what was done; its own answer counts where that goes on.
    for (let look = 0; look < mostLooks; look += 1) {
      if (look > 0) await github.pause(look)
      const shown = await releases.get(draft.id)
      if (shown !== undefined && !shown.draft) return shown
    }
    if (answer !== undefined && !answer.draft) return answer
    throw new UserError('SB401', `Whether the release ${draft.tag} was published is not known: GitHub shows a draft.`, {
      mayPass: true,
      remedy: 'Look with `command: list` whether the backup is there; where it is not, run the backup again.'
    })
  }

  function isManifest(asset: Asset): boolean {
    return asset.name === manifestName && asset.whole
  }

  /** The published release of a backup with all its files; undefined when the backup is not committed. */
  async function committed(backup: BackupRef): Promise<Release | undefined> {
    assertRef(backup)
    const tag = backupTag(backup)
    const known = published.get(tag)
    if (known !== undefined) return known
    const release = await releases.published(tag)
    if (release === undefined) return undefined
    const whole = { ...release, assets: await assets.all(release) }
    if (!whole.assets.some(isManifest)) return undefined
    published.set(tag, whole)
    return whole
  }

  async function mustExist(backup: BackupRef): Promise<Release> {
    const release = await committed(backup)
    if (release !== undefined) return release
    throw new UserError(
      'SB404',
      `There is no backup ${backup.id} of ${backup.project} among the releases of ${repository}.`
    )
  }

  /** Content of a small file: from the text of the release where that is proven to be the same, else downloaded. */
  async function contentOf(asset: Asset, copies: ReadonlyMap<string, Uint8Array>): Promise<Uint8Array> {
    const copy = copies.get(asset.name)
    if (copy !== undefined && asset.sha256 !== undefined && sha256Hex(copy) === asset.sha256) return copy
    return await assets.read(asset)
  }

  async function recordsOf(release: Release, copies: ReadonlyMap<string, Uint8Array>): Promise<RecordFile[]> {
    const records: RecordFile[] = []
    const found = release.assets.filter((asset) => asset.whole && isRecordName(asset.name))
    // Verification records carry their time in the name; uploading one again does not make it newer.
    found.sort((a, b) => (a.name < b.name ? -1 : 1))
    for (const asset of found) {
      const content = tooLargeToRead(asset.bytes) === null ? await contentOf(asset, copies) : new Uint8Array()
      records.push({ name: asset.name, content })
    }
    if (!release.immutable) return records
    // A frozen release takes no files: there the text itself is the record (see `annotate`).
    for (const [name, content] of copies) {
      if (isRecordName(name) && !records.some((record) => record.name === name)) records.push({ name, content })
    }
    return records
  }

  function filesOf({ assets: all }: Release): ReadonlyMap<string, ListedFile> {
    return new Map(
      all
        .filter((asset) => asset.whole)
        .map(({ name, bytes, sha256 }) => [name, { bytes, ...(sha256 === undefined ? {} : { sha256 }) }])
    )
  }

  async function toListed(release: Release, backup: BackupRef): Promise<ListedBackup | undefined> {
    const whole = { ...release, assets: await assets.all(release) }
    const manifestAsset = whole.assets.find(isManifest)
    if (manifestAsset === undefined) return undefined
    const copies = readReleaseBody(release.body)
    try {
      const manifest = tooLargeToRead(manifestAsset.bytes) ?? (await contentOf(manifestAsset, copies))
      return { ...backup, manifest, records: await recordsOf(whole, copies), files: filesOf(whole), url: release.url }
    } catch (thrown) {
      // Deleted between the listing and the download.
      if (hasStatus(thrown, 404) && (await releases.get(release.id)) === undefined) return undefined
      throw thrown
    }
  }

  async function* list(project?: string): AsyncGenerator<ListedBackup> {
    for await (const release of releases.list()) {
      const backup = release.draft ? null : parseBackupTag(release.tag)
      if (backup === null || (project !== undefined && backup.project !== project)) continue
      const listed = await toListed(release, backup)
      if (listed !== undefined) yield listed
    }
  }

  async function remove(backup: BackupRef): Promise<void> {
    assertRef(backup)
    const tag = backupTag(backup)
    published.delete(tag)
    const release = await releases.published(tag)
    if (release === undefined) {
      // GitHub shows a repository that the token may not see as one without releases.
      await repositoryVisibility(github, repository)
    } else {
      const manifest = (await assets.all(release)).find((asset) => asset.name === manifestName)
      if (manifest !== undefined && !release.immutable) await releases.deleteAsset(manifest.id)
      await releases.delete(release.id)
    }
    await releases.deleteTag(tag)
    if (release !== undefined && (await releases.get(release.id)) !== undefined) {
      throw new UserError('SB403', `The release ${tag} of ${repository} is still there after it was deleted.`)
    }
  }

  async function annotateFrozen(
    release: Release,
    backup: BackupRef,
    name: string,
    content: Uint8Array | null
  ): Promise<void> {
    const copies = new Map(readReleaseBody(release.body))
    if (content === null) copies.delete(name)
    else copies.set(name, content)
    await releases.update(release.id, { body: renderReleaseBody(backup, copies) })
    const shown = readReleaseBody((await releases.get(release.id))?.body ?? '').get(name)
    if ((shown === undefined ? null : sha256Hex(shown)) !== (content === null ? null : sha256Hex(content))) {
      throw new UserError('SB421', `${name} does not fit into the text of the immutable release ${release.tag}.`)
    }
  }

  async function annotate(backup: BackupRef, name: string, content: Uint8Array | null): Promise<void> {
    assertRecordName(name)
    published.delete(backupTag(backup))
    const release = await mustExist(backup)
    published.delete(backupTag(backup))
    if (release.immutable) {
      await annotateFrozen(release, backup, name, content)
      return
    }
    const old = release.assets.find((asset) => asset.name === name)
    if (content === null) {
      if (old !== undefined) await releases.deleteAsset(old.id)
    } else {
      const body = memoryVolume(content)
      const isThere = old !== undefined && (await assets.holds(old, body))
      if (old !== undefined && !isThere) await releases.deleteAsset(old.id)
      if (!isThere) await assets.store(release, name, body)
    }
    // The copies in the text only save downloads: they are taken from the files and need not be complete.
    const copies = new Map(readReleaseBody(release.body))
    if (content === null) copies.delete(name)
    else copies.set(name, content)
    await releases.update(release.id, { body: renderReleaseBody(backup, copies) })
  }

  return {
    name: 'release',
    limits: { largestFile, mostFiles, keepsDays: null, canDelete: true, keepsAcrossRuns: true },
    place: `${repository}, releases`,
    visibility: async () => await repositoryVisibility(github, repository),
    serverTime: async () => github.serverTime(),
    async assertWritable(backup) {
      if (!(await assertMayWrite(github, repository, backupTag(backup))))
        throw new UserError('SB401', `${repository} has no commit yet, and a release needs one.`, {
          remedy: 'Make a first commit there (a README will do), then run the backup again.'
        })
      await assertTagAllowed(github, repository, backupTag(backup))
    },
    async put(backup, name, body) {
      assertRef(backup)
      assertPartName(name)
      await store(backup, name, body)
    },
    async commit(backup, manifest) {
      assertRef(backup)
      await store(backup, manifestName, memoryVolume(manifest))
      const draft = await draftOf(backup)
      await compareAll(draft)
      const shown = await publish(draft, renderReleaseBody(backup, new Map([[manifestName, manifest]])))
      drafts.delete(draft.tag)
      stored.delete(draft.tag)
      return { url: shown.url }
    },
    list,
    async get(backup, name): Promise<Body> {
      const find = async (): Promise<Asset | undefined> =>
        (await mustExist(backup)).assets.find((asset) => asset.name === name && asset.whole)
      let asset = await find()
      if (asset === undefined) {
        published.delete(backupTag(backup))
        asset = await find()
      }
      if (asset === undefined) throw new UserError('SB404', `The backup ${backup.id} has no file ${name}.`)
      const found = asset
      return {
        bytes: found.bytes,
        open: () => releases.open(found),
        ...(found.sha256 === undefined ? {} : { sha256: found.sha256 })
      }
    },
    delete: remove,
    annotate,
    clean: async (olderThan) => await cleanReleases(releases, olderThan),
    pool: releasePool(releases, assets, context.log),
    journal: releaseJournal({ releases, assets, repository }),
    async close() {
      drafts.clear()
      published.clear()
    }
  }
}
