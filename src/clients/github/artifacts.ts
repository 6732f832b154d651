import type { Readable } from 'node:stream'
import { z } from 'zod'
import { UserError } from '../../errors.ts'
import { type Download, openDownload, readDownload } from './download.ts'
import { hasStatus } from './errors.ts'
import type { Github } from './index.ts'

const artifactSchema = z.object({
  id: z.number(),
  name: z.string(),
  size_in_bytes: z.number(),
  expired: z.boolean(),
  created_at: z.string().nullable(),
  expires_at: z.string().nullable(),
  digest: z.string().nullish(),
  workflow_run: z
    .object({
      id: z.number().optional(),
      repository_id: z.number().nullish(),
      head_repository_id: z.number().nullish(),
      head_branch: z.string().nullish()
    })
    .nullish()
})

const pageSchema = z.object({ total_count: z.number(), artifacts: z.array(artifactSchema) })

/** An artifact of any run of a repository. */
export interface Artifact {
  readonly id: number
  readonly name: string
  readonly bytes: number
  readonly expired: boolean
  readonly createdAt: Date
  readonly expiresAt: Date | undefined
  /** SHA-256 in lower-case hex, where GitHub states one. */
  readonly sha256: string | undefined
  readonly runId: number | undefined
  /** Uploaded by a run of code from another repository: a pull request of a fork. */
  readonly foreign: boolean
  /** Branch of its run, where GitHub tells it. */
  readonly branch: string | undefined
  /** GitHub knows the run, but not (any more) of which repository its code was: that of a fork that was deleted, maybe. */
  readonly ofNobody: boolean
}

/** One page of the listing of all artifacts. */
export interface ArtifactPage {
  /** How many artifacts there are on all pages. */
  readonly total: number
  readonly artifacts: readonly Artifact[]
}

/** Artifacts of one repository, across its runs, over REST. */
export interface Artifacts {
  /** All artifacts, newest first, or those of exactly this name. Throws when the listing is not complete. */
  list(name?: string): Promise<readonly Artifact[]>
  /** One page of all artifacts, newest first, 100 a page; 1 is the first. */
  page(number: number): Promise<ArtifactPage>
  get(id: number): Promise<Artifact | undefined>
  /** One that is not there is no error. */
  delete(id: number): Promise<void>
  open(artifact: Artifact): Readable
  read(artifact: Artifact): Promise<Uint8Array>
}

function toArtifact(one: z.infer<typeof artifactSchema>): Artifact {
  return {
    id: one.id,
    name: one.name,
    bytes: one.size_in_bytes,
    expired: one.expired,
    createdAt: new Date(one.created_at ?? 0),
    expiresAt: one.expires_at === null ? undefined : new Date(one.expires_at),
    sha256: /^sha256:([0-9a-f]{64})$/.exec(one.digest ?? '')?.[1],
    runId: one.workflow_run?.id,
    foreign: isForeign(one.workflow_run?.repository_id, one.workflow_run?.head_repository_id),
    branch: one.workflow_run?.head_branch ?? undefined,
    ofNobody: typeof one.workflow_run?.repository_id === 'number' && one.workflow_run.head_repository_id === null
  }
}

/** Where GitHub says of both repositories, that of the run and that of its code, which they are. */
function isForeign(repository: number | null | undefined, head: number | null | undefined): boolean {
  return typeof repository === 'number' && typeof head === 'number' && head !== repository
}

function parsed<T>(schema: z.ZodType<T>, data: unknown): T {
  const result = schema.safeParse(data)
  if (result.success) return result.data
  throw new UserError('SB401', `GitHub's answer about artifacts has not the documented form: ${result.error.message}`)
}

const pageSize = 100
const mostPasses = 4

export function githubArtifacts(github: Github, repository: string): Artifacts {
  const [owner = '', repo = ''] = repository.split('/')
  const place = { owner, repo }

  async function pass(
    name: string | undefined
  ): Promise<{ readonly found: Map<number, Artifact>; readonly total: number }> {
    const found = new Map<number, Artifact>()
    for (let number = 1; ; number += 1) {
      const { total, artifacts } = await page(number, name)
      for (const one of artifacts) found.set(one.id, one)
      if (artifacts.length < pageSize) return { found, total }
    }
  }

  async function page(number: number, name?: string): Promise<ArtifactPage> {
    const { data } = await github.request('GET /repos/{owner}/{repo}/actions/artifacts', {
      ...place,
      per_page: pageSize,
      page: number,
      ...(name === undefined ? {} : { name })
    })
    const { total_count: total, artifacts } = parsed(pageSchema, data)
    return { total, artifacts: artifacts.map(toArtifact) }
  }

  /**
   * A deletion during the listing moves others to a page that was read already, so a listing counts as complete only when
   * it holds as many as GitHub counts, or when a second pass finds nothing that the first did not.
   */
  async function list(name?: string): Promise<readonly Artifact[]> {
    let before: Map<number, Artifact> | undefined
    for (let attempt = 0; attempt < mostPasses; attempt += 1) {
      const { found, total } = await pass(name)
      const last = before
      const same = last !== undefined && last.size === found.size && [...found.keys()].every((id) => last.has(id))
      if (found.size >= total || same) return [...found.values()]
      before = found
    }
    throw new UserError('SB401', `The list of artifacts of ${repository} changed all the time while it was read.`, {
      remedy: 'Run the job again when no other job deletes artifacts.',
      mayPass: true
    })
  }

  function download(artifact: Artifact): Download {
    return {
      what: artifact.name,
      bytes: artifact.bytes,
      sha256: artifact.sha256,
      fetch: async (offset) =>
        await github.receive(
          // `zip` is the only value that is allowed; a file that was not zipped comes as it is.
          'GET /repos/{owner}/{repo}/actions/artifacts/{artifact_id}/{archive_format}',
          { ...place, artifact_id: artifact.id, archive_format: 'zip' },
          offset
        )
    }
  }

  return {
    list,
    page: async (number) => await page(number),
    async get(id) {
      try {
        const { data } = await github.request('GET /repos/{owner}/{repo}/actions/artifacts/{artifact_id}', {
          ...place,
          artifact_id: id
        })
        return toArtifact(parsed(artifactSchema, data))
      } catch (thrown) {
        if (hasStatus(thrown, 404)) return undefined
        throw thrown
      }
    },
    async delete(id) {
      try {
        await github.request('DELETE /repos/{owner}/{repo}/actions/artifacts/{artifact_id}', {
          ...place,
          artifact_id: id
        })
      } catch (thrown) {
        if (!hasStatus(thrown, 404)) throw thrown
      }
    },
    open: (artifact) => openDownload(github, download(artifact)),
    read: async (artifact) => await readDownload(github, download(artifact))
  }
}
