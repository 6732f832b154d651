import type { ArtifactService } from '../../clients/github/artifact-service.ts'
import { type Artifact, githubArtifacts } from '../../clients/github/artifacts.ts'
import { hasStatus } from '../../clients/github/errors.ts'
import type { Github } from '../../clients/github/index.ts'
import { repositoryVisibility } from '../../clients/github/releases.ts'
import type { Context } from '../../context.ts'
import { UserError } from '../../errors.ts'
import {
  type BackupRef,
  type Body,
  type Destination,
  type ListedBackup,
  largestSmallFile,
  type RecordFile
} from '../destination.ts'
import { assertPartName, assertRecordName, assertRef, isRecordName, manifestName, tooLargeToRead } from '../names.ts'
import { memoryVolume, sha256Hex } from '../release/assets.ts'
import { type ArtifactGroup, type BoundBackup, bound, cleanArtifacts, groupArtifacts } from './listing.ts'
import { artifactName } from './names.ts'
import { runOrigins } from './origin.ts'
import { type Index, indexesOf, indexName, labelOfIndex, readIndex, renderIndex } from './remembered-index.ts'
import { listBySnapshot, mostRemembered, type Snapshot } from './snapshot.ts'
import { artifactUpload } from './upload.ts'

/** Small files that were downloaded before, by their SHA-256: artifacts never change, so a hit is as good as a download. */
export interface ManifestCache {
  get(sha256: string): Promise<Uint8Array | undefined>
  set(sha256: string, content: Uint8Array): Promise<void>
}

export interface ArtifactOptions {
  readonly github: Github
  /** `owner/name` of the repository of this run: artifacts are written to no other. */
  readonly repository: string
  /** Takes the files of this run; a function that throws UserError SB417 where there is none, called on the first write. */
  readonly service: () => ArtifactService
  /** GITHUB_SERVER_URL and GITHUB_RUN_ID, for the address of the run. */
  readonly serverUrl: string
  readonly runId: string
  /** Path of the workflow file of this run: `.github/workflows/backup.yml`. Its runs may write backups on any branch. */
  readonly workflowPath?: string
  /** Days that an artifact is kept; the repository's setting when left out. */
  readonly retentionDays?: number
  /** Keeps manifests across runs; without it they are kept for this run. */
  readonly cache?: ManifestCache
  readonly context: Context
}

// No limit of one artifact is documented. 10 GiB bounds what one broken upload costs; the client's own end is at
// 50,000 blocks of 8 MiB.
const largestFile = 10 * 1024 ** 3
// GitHub takes 500 artifacts a job; some room is left for records and for other steps of the job.
const mostFiles = 480
const downloadsAtOnce = 8
/** So many small files are downloaded one by one; more are worth an index, see artifact-index.ts. */
const mostSingly = 8
/** A listing that took more pages is worth an index, too. */
const mostPagesRead = 20
const dayMs = 24 * 60 * 60 * 1000

function memoryCache(): ManifestCache {
  const kept = new Map<string, Uint8Array>()
  return {
    get: async (sha256) => kept.get(sha256),
    set: async (sha256, content) => {
      kept.set(sha256, content)
    }
  }
}

/** Backups as artifacts of workflow runs: one artifact a stored file, the manifest's last. */
export function openArtifactDestination(options: ArtifactOptions): Destination {
  const { github, repository, context } = options
  const artifacts = githubArtifacts(github, repository)
  const cache = options.cache ?? memoryCache()
  const origins = runOrigins({ github, repository, workflowPath: options.workflowPath, runId: Number(options.runId) })
  let groups: Promise<Map<string, ArtifactGroup>> | undefined
  let service: ArtifactService | undefined
  let indexes: readonly Artifact[] = []
  const indexesRead = new Map<number, Index | null>()
  /** The last listing of this run, and how many pages it took. */
  let listing: Snapshot | undefined
  let pagesRead = 0
  /** SHA-256 of what the newest indexes hold, and of the small files that the last listing showed, by project. */
  const indexed = new Set<string>()
  const shown = new Map<string, readonly string[]>()

  function upload(): ReturnType<typeof artifactUpload> {
    service ??= options.service()
    return artifactUpload({ github, service, artifacts, retentionDays: options.retentionDays, context })
  }

  /** All artifacts of the repository, by fewer requests where an index tells what lies between the pages. */
  async function listAll(): Promise<readonly Artifact[]> {
    pagesRead = 0
    const now = context.clock.now().getTime()
    const some = await listBySnapshot(
      async (number) => {
        pagesRead += 1
        return await artifacts.page(number)
      },
      async (page) => {
        for (const index of indexesOf(page)) {
          if ((await origins.doubtOf(index)) !== undefined) continue
          const snapshot = (await indexOf(index))?.snapshot
          if (snapshot !== undefined) return snapshot
        }
        return undefined
      }
    )
    if (some === undefined) return await artifacts.list()
    // What was remembered may have expired since.
    return some.map((one) =>
      one.expiresAt === undefined || one.expiresAt.getTime() > now ? one : { ...one, expired: true }
    )
  }

  /** The content of an index, downloaded once; null where it cannot be had. */
  async function indexOf(artifact: Artifact): Promise<Index | null> {
    const kept = indexesRead.get(artifact.id)
    if (kept !== undefined) return kept
    if (artifact.bytes > largestSmallFile) return null
    try {
      const index = await readIndex(await artifacts.read(artifact))
      indexesRead.set(artifact.id, index)
      return index
    } catch (thrown) {
      if (!(thrown instanceof UserError) || context.signal.aborted) throw thrown
      context.log.debug(`the index ${artifact.name} could not be read: ${thrown.message}`)
      return null
    }
  }

  async function refresh(): Promise<Map<string, ArtifactGroup>> {
    const fresh = listAll().then(async (all) => {
      listing = { at: context.clock.now(), artifacts: all }
      const vouched: Artifact[] = []
      for (const index of indexesOf(all)) if ((await origins.doubtOf(index)) === undefined) vouched.push(index)
      indexes = vouched
      return groupArtifacts(all)
    })
    groups = fresh
    fresh.catch(() => {
      groups = undefined
    })
    return await fresh
  }

  /** The artifacts of a committed backup: from the last listing of this run, else from a new one. */
  async function committed(backup: BackupRef): Promise<BoundBackup | undefined> {
    assertRef(backup)
    const key = `${backup.project}.${backup.id}`
    const isCommitted = (group: ArtifactGroup | undefined): boolean => group?.files.has(manifestName) === true
    const known = (await groups)?.get(key)
    const group = isCommitted(known) ? known : (await refresh()).get(key)
    return group === undefined ? undefined : await bound(group, origins)
  }

  async function mustExist(backup: BackupRef): Promise<BoundBackup> {
    const group = await committed(backup)
    if (group !== undefined) return group
    throw new UserError(
      'SB404',
      `There is no backup ${backup.id} of ${backup.project} among the artifacts of ${repository}.`
    )
  }

  async function read(artifact: Artifact): Promise<Uint8Array> {
    const { sha256 } = artifact
    const kept = sha256 === undefined ? undefined : await cache.get(sha256)
    if (kept !== undefined && sha256Hex(kept) === sha256) return kept
    const content = await artifacts.read(artifact)
    if (sha256 !== undefined) await cache.set(sha256, content)
    return content
  }

  async function toListed({ backup, manifest, files, unvouched }: BoundBackup): Promise<ListedBackup | undefined> {
    try {
      const records: RecordFile[] = []
      for (const [name, record] of [...files].sort(([a], [b]) => (a < b ? -1 : 1))) {
        if (!isRecordName(name)) continue
        records.push({ name, content: tooLargeToRead(record.bytes) === null ? await read(record) : new Uint8Array() })
      }
      const run = manifest.runId === undefined ? '' : `/actions/runs/${manifest.runId}/artifacts/${manifest.id}`
      return {
        ...backup,
        manifest: tooLargeToRead(manifest.bytes) ?? (await read(manifest)),
        records,
        files: new Map(
          [...files].map(([name, { bytes, sha256 }]) => [name, { bytes, ...(sha256 === undefined ? {} : { sha256 }) }])
        ),
        ...(unvouched === undefined ? {} : { unvouched }),
        url: `${options.serverUrl}/${repository}${run}`,
        ...(manifest.expiresAt === undefined ? {} : { expiresAt: manifest.expiresAt })
      }
    } catch (thrown) {
      // Expired or deleted since the listing.
      if (hasStatus(thrown, 404, 410) && (await artifacts.get(manifest.id))?.expired !== false) return undefined
      throw thrown
    }
  }

  /** Manifest and records of some backups, as far as GitHub states their digests. */
  function smallFiles(some: readonly BoundBackup[]): string[] {
    return some.flatMap(({ files }) =>
      [...files]
        .filter(([name]) => name === manifestName || isRecordName(name))
        .map(([, { sha256 }]) => sha256)
        .filter((sha256) => sha256 !== undefined)
    )
  }

  /** Reads the newest index of each project where that saves downloads. */
  async function readIndexes(wanted: readonly BoundBackup[]): Promise<void> {
    for (const project of new Set(wanted.map((group) => group.backup.project))) {
      const files = smallFiles(wanted.filter((group) => group.backup.project === project))
      const missing = []
      for (const sha256 of files) if ((await cache.get(sha256)) === undefined) missing.push(sha256)
      const newest = indexes.find((one) => labelOfIndex(one.name) === project)
      if (missing.length <= mostSingly || newest === undefined) continue
      const known = new Set(files)
      for (const content of (await indexOf(newest))?.files ?? []) {
        const sha256 = sha256Hex(content)
        if (!known.has(sha256)) continue
        indexed.add(sha256)
        await cache.set(sha256, content)
      }
    }
  }

  /** Writes a new index when the last one lacks much, and removes the earlier ones. It only saves time: nothing fails with it. */
  async function writeIndex(project: string, manifest: Uint8Array): Promise<void> {
    const files = shown.get(project) ?? []
    const lacking = files.filter((sha256) => !indexed.has(sha256)).length
    if (lacking < mostSingly && pagesRead <= mostPagesRead) return
    const old = indexes.filter((one) => labelOfIndex(one.name) === project)
    try {
      const contents = [manifest]
      for (const sha256 of files) {
        const content = await cache.get(sha256)
        if (content !== undefined) contents.push(content)
      }
      const chance = Buffer.from(context.randomBytes(4)).toString('hex')
      const snapshot = (listing?.artifacts.length ?? 0) > mostRemembered ? undefined : listing
      const index = await renderIndex({ files: contents, ...(snapshot === undefined ? {} : { snapshot }) })
      await upload().store(indexName(project, options.runId, chance), memoryVolume(index))
      for (const one of old) await artifacts.delete(one.id)
    } catch (thrown) {
      if (!(thrown instanceof UserError) || context.signal.aborted) throw thrown
      context.log.debug(`no index of manifests was written: ${thrown.message}`)
    }
  }

  async function* list(project?: string): AsyncGenerator<ListedBackup> {
    const wanted: BoundBackup[] = []
    for (const group of (await refresh()).values()) {
      if (project !== undefined && group.backup.project !== project) continue
      const backup = await bound(group, origins)
      if (backup !== undefined) wanted.push(backup)
    }
    await readIndexes(wanted)
    for (let start = 0; start < wanted.length; start += downloadsAtOnce) {
      const some = await Promise.all(wanted.slice(start, start + downloadsAtOnce).map(toListed))
      yield* some.filter((one) => one !== undefined)
    }
    for (const label of new Set(wanted.map((group) => group.backup.project)))
      shown.set(label, smallFiles(wanted.filter((group) => group.backup.project === label)))
  }

  async function remove(backup: BackupRef): Promise<void> {
    assertRef(backup)
    const key = `${backup.project}.${backup.id}`
    // The last listing of this run serves a whole prune; a backup that is not in it is looked for anew.
    const group = (await groups)?.get(key) ?? (await refresh()).get(key)
    if (group === undefined) return
    const names = [...group.files.keys()].sort((a, b) => Number(b === manifestName) - Number(a === manifestName))
    for (const name of names) {
      for (const artifact of group.files.get(name) ?? []) await artifacts.delete(artifact.id)
    }
    const [last] = group.files.get(manifestName) ?? []
    if (last !== undefined && (await artifacts.get(last.id)) !== undefined) {
      throw new UserError('SB403', `The artifact ${last.name} of ${repository} is still there after it was deleted.`)
    }
    ;(await groups)?.delete(key)
  }

  async function annotate(backup: BackupRef, name: string, content: Uint8Array | null): Promise<void> {
    assertRecordName(name)
    const group = (await refresh()).get(`${backup.project}.${backup.id}`)
    await mustExist(backup)
    const old = group?.files.get(name) ?? []
    groups = undefined
    const body = content === null ? undefined : memoryVolume(content)
    if (body !== undefined && old[0]?.sha256 === body.sha256) return
    // In one run a name can be used once only, so the old record goes first.
    for (const one of old) await artifacts.delete(one.id)
    if (body !== undefined) await upload().store(artifactName(backup, name), body)
  }

  /** Says so when the repository's settings keep artifacts for a shorter time than was asked for. */
  function warnOfExpiry(manifest: Artifact): void {
    const { retentionDays } = options
    if (retentionDays === undefined || manifest.expiresAt === undefined) return
    const asked = manifest.createdAt.getTime() + retentionDays * dayMs
    if (manifest.expiresAt.getTime() > asked - dayMs) return
    context.log.warning(
      `This backup expires on ${manifest.expiresAt.toISOString()}: \`retention-days: ${retentionDays}\` is more than the settings of ${repository} allow.`
    )
  }

  return {
    name: 'artifact',
    limits: {
      largestFile,
      mostFiles,
      keepsDays: options.retentionDays ?? null,
      canDelete: true,
      keepsAcrossRuns: false
    },
    place: `${repository}, artifacts`,
    visibility: async () => await repositoryVisibility(github, repository),
    serverTime: async () => github.serverTime(),
    async put(backup, name, body) {
      assertRef(backup)
      assertPartName(name)
      if (body.bytes === 0) throw new Error(`nothing to store as ${name}`)
      try {
        await upload().store(artifactName(backup, name), body)
      } catch (thrown) {
        const isTaken = thrown instanceof UserError && thrown.code === 'SB420'
        if (!isTaken || (await committed(backup)) === undefined) throw thrown
        throw new UserError('SB415', `There is a backup ${backup.id} of ${backup.project} already.`, { cause: thrown })
      }
    },
    async commit(backup, manifest) {
      assertRef(backup)
      const name = artifactName(backup, manifestName)
      const body = memoryVolume(manifest)
      // One of this name that another run uploaded is no backup of ours, and must not hold up this one.
      const others = (await artifacts.list(name)).filter(
        (one) => !one.expired && (one.runId === undefined || String(one.runId) === options.runId)
      )
      if (others.length > 0) throw new UserError('SB415', `There is an artifact ${name} already.`)
      const stored = await upload().store(name, body)
      await cache.set(body.sha256, manifest)
      groups = undefined
      warnOfExpiry(stored)
      await writeIndex(backup.project, manifest)
      return { url: `${options.serverUrl}/${repository}/actions/runs/${options.runId}/artifacts/${stored.id}` }
    },
    list,
    async get(backup, name): Promise<Body> {
      const artifact = (await mustExist(backup)).files.get(name) ?? (await mustExistFresh(backup)).files.get(name)
      if (artifact === undefined) throw new UserError('SB404', `The backup ${backup.id} has no file ${name}.`)
      return {
        bytes: artifact.bytes,
        open: () => artifacts.open(artifact),
        ...(artifact.sha256 === undefined ? {} : { sha256: artifact.sha256 })
      }
    },
    delete: remove,
    annotate,
    async clean(olderThan) {
      groups = undefined
      return await cleanArtifacts(artifacts, olderThan)
    },
    async close() {
      groups = undefined
    }
  }

  async function mustExistFresh(backup: BackupRef): Promise<BoundBackup> {
    await refresh()
    return await mustExist(backup)
  }
}
