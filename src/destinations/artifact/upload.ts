import { createHash } from 'node:crypto'
import { createWriteStream } from 'node:fs'
import { link, mkdtemp, rename, rm, stat, symlink } from 'node:fs/promises'
import { basename, join } from 'node:path'
import { pipeline } from 'node:stream/promises'
import type { ArtifactService, UploadedArtifact } from '../../clients/github/artifact-service.ts'
import type { Artifact, Artifacts } from '../../clients/github/artifacts.ts'
import type { Github } from '../../clients/github/index.ts'
import type { Context } from '../../context.ts'
import { asError, UserError } from '../../errors.ts'
import type { Volume } from '../destination.ts'
import { spareName } from './names.ts'

export interface ArtifactUpload {
  /** Stores a file as an artifact of this name and returns it as GitHub shows it, with the same bytes. */
  store(name: string, body: Volume): Promise<Artifact>
}

export interface ArtifactUploadOptions {
  readonly github: Github
  readonly service: ArtifactService
  readonly artifacts: Artifacts
  readonly retentionDays: number | undefined
  readonly context: Context
}

// A file that was stored shows up in the REST listing a little later.
const looksForUpload = 6
const mostSpareNames = 3

/** Puts the bytes under the base name that the artifact gets: by a link where they lie in a file, else by copying. */
async function provide(folder: string, name: string, body: Volume): Promise<string> {
  const path = join(folder, name)
  if (body.path !== undefined) {
    const { size } = await stat(body.path)
    if (size !== body.bytes) throw new UserError('SB501', `${name} has ${size} bytes instead of ${body.bytes}.`)
    try {
      await link(body.path, path)
    } catch {
      // Another file system, or one without links.
      await symlink(body.path, path)
    }
    return path
  }
  const hash = createHash('sha256')
  let bytes = 0
  await pipeline(
    body.open(),
    async function* (source: AsyncIterable<Buffer>) {
      for await (const chunk of source) {
        hash.update(chunk)
        bytes += chunk.length
        yield chunk
      }
    },
    createWriteStream(path, { mode: 0o600 })
  )
  if (bytes !== body.bytes || hash.digest('hex') !== body.sha256) {
    throw new UserError('SB501', `The bytes of ${name} are not those that it is said to have.`)
  }
  return path
}

export function artifactUpload(options: ArtifactUploadOptions): ArtifactUpload {
  const { github, service, artifacts, context } = options

  function same(artifact: Artifact, body: Volume): boolean {
    return artifact.bytes === body.bytes && artifact.sha256 === body.sha256
  }

  /** Looks whether an upload that failed was stored all the same. */
  async function lookFor(name: string, body: Volume): Promise<Artifact | undefined> {
    const found = (await artifacts.list(name)).filter((one) => !one.expired)
    const stored = found.find((one) => same(one, body))
    if (stored === undefined && found.length > 0) {
      throw new UserError('SB420', `There is an artifact ${name} with other bytes. It stays as it is.`)
    }
    return stored
  }

  async function shown(uploaded: UploadedArtifact, name: string, body: Volume): Promise<Artifact> {
    for (let attempt = 0; attempt < looksForUpload; attempt += 1) {
      if (attempt > 0) await github.pause(attempt)
      const artifact = await artifacts.get(uploaded.id)
      if (artifact === undefined) continue
      if (artifact.name === name && same(artifact, body) && uploaded.sha256 === body.sha256) return artifact
      // Nobody else can have made it: it goes, so that it is never taken for the file.
      await artifacts.delete(artifact.id)
      throw new UserError('SB414', `GitHub holds other bytes of ${name} than were sent, and they were removed again.`)
    }
    throw new UserError('SB401', `GitHub took ${name} as an artifact, but does not show it.`, { mayPass: true })
  }

  async function uploadOnce(path: string, folder: string): Promise<UploadedArtifact | Error> {
    context.signal.throwIfAborted()
    try {
      return await service.upload(path, folder, options.retentionDays)
    } catch (thrown) {
      if (thrown instanceof UserError) throw thrown
      return asError(thrown)
    }
  }

  /** Looks for an upload that failed, longer where GitHub says that the name is taken: it may show up late. */
  async function lookOften(name: string, body: Volume, isTaken: boolean): Promise<Artifact | undefined> {
    for (let look = 0; look < (isTaken ? looksForUpload : 1); look += 1) {
      if (look > 0) await github.pause(look)
      const stored = await lookFor(name, body)
      if (stored !== undefined) return stored
    }
    return undefined
  }

  async function upload(name: string, body: Volume, folder: string): Promise<Artifact> {
    let path = await provide(folder, name, body)
    let spare = 0
    for (let attempt = 0; ; attempt += 1) {
      const current = basename(path)
      const uploaded = await uploadOnce(path, folder)
      if (!(uploaded instanceof Error)) return await shown(uploaded, current, body)
      // GitHub's own client has repeated what it could; the place itself says what became of it.
      const isTaken = /\b409\b|already exists/i.test(uploaded.message)
      const stored = await lookOften(current, body, isTaken)
      if (stored !== undefined) return stored
      if (isTaken && spare < mostSpareNames) {
        // The name is burned by an upload that broke off: nobody will ever see it, and it cannot be used again.
        spare += 1
        const next = join(folder, spareName(name, spare))
        await rename(path, next)
        path = next
        continue
      }
      if (isTaken || attempt >= github.retries) {
        throw new UserError(
          isTaken ? 'SB420' : 'SB401',
          `The artifact ${current} could not be stored: ${uploaded.message}`,
          {
            cause: uploaded,
            mayPass: !isTaken
          }
        )
      }
      await github.pause(attempt)
    }
  }

  return {
    async store(name, body) {
      const folder = await mkdtemp(join(context.temp, 'artifact-'))
      try {
        return await upload(name, body, folder)
      } finally {
        await rm(folder, { recursive: true, force: true })
      }
    }
  }
}
