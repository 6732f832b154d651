import { createHash } from 'node:crypto'
import { Readable } from 'node:stream'
import { GithubError } from '../../clients/github/errors.ts'
import type { Github } from '../../clients/github/index.ts'
import type { Asset, Release, Releases } from '../../clients/github/releases.ts'
import { UserError } from '../../errors.ts'
import type { Volume } from '../destination.ts'

/** Uploads files to a release so that each counts only when GitHub holds the same bytes. */
export interface AssetStore {
  /** Stores a file, or finds it stored. Dead remains of an upload are removed and the upload repeated. */
  store(release: Release, name: string, body: Volume): Promise<Asset>
  /** Whether GitHub holds exactly these bytes: by its digest, else by reading them back. */
  holds(asset: Asset, body: { readonly bytes: number; readonly sha256: string }): Promise<boolean>
  /** All files of a release: those that it shows itself, where these can be all. */
  all(release: Release): Promise<readonly Asset[]>
  /** The bytes of a small file. */
  read(asset: Asset): Promise<Uint8Array>
}

export function sha256Hex(content: Uint8Array): string {
  return createHash('sha256').update(content).digest('hex')
}

/** Small content in memory as a volume. */
export function memoryVolume(content: Uint8Array): Volume {
  return { bytes: content.length, sha256: sha256Hex(content), open: () => Readable.from([Buffer.from(content)]) }
}

/** What a refused upload means, where GitHub's own words do not say what to do. */
function refusal(error: GithubError, release: Release, name: string): UserError {
  const words = `${error.message} ${error.reasons.join(' ')}`
  if (/file_count/.test(words)) {
    return new UserError('SB409', `The release ${release.tag} has as many files as GitHub allows: ${error.message}`, {
      cause: error
    })
  }
  if (/immutable/i.test(words)) {
    return new UserError('SB421', `${name} cannot be added to the release ${release.tag}: ${error.message}`, {
      cause: error
    })
  }
  return error
}

export function assetStore(github: Github, releases: Releases): AssetStore {
  async function holds(asset: Asset, body: { readonly bytes: number; readonly sha256: string }): Promise<boolean> {
    if (!asset.whole || asset.bytes !== body.bytes) return false
    if (asset.sha256 !== undefined) return asset.sha256 === body.sha256
    const hash = createHash('sha256')
    for await (const chunk of releases.open(asset)) hash.update(chunk)
    return hash.digest('hex') === body.sha256
  }

  async function store(release: Release, name: string, body: Volume): Promise<Asset> {
    for (let attempt = 0; ; attempt += 1) {
      let failure: UserError
      let asset: Asset | undefined
      let isRemains = false
      try {
        asset = await releases.upload(release, name, body.open(), body.bytes)
        failure = new UserError('SB414', `GitHub holds other bytes of ${name} (${release.tag}) than were sent.`, {
          mayPass: true
        })
      } catch (thrown) {
        if (!(thrown instanceof GithubError)) throw thrown
        isRemains = thrown.reasons.includes('already_exists')
        if (!thrown.mayPass && !isRemains) throw refusal(thrown, release, name)
        failure = thrown
        asset = (await releases.assets(release.id)).find((one) => one.name === name)
      }
      if (asset !== undefined) {
        if (asset.name === name && (await holds(asset, body))) return asset
        await releases.deleteAsset(asset.id)
      }
      // What an earlier try left dead is no failure of this one: it may be repeated once even without `retries`.
      if (attempt >= (isRemains ? Math.max(github.retries, 1) : github.retries)) throw failure
      await github.pause(attempt)
    }
  }

  // A release as GitHub shows it holds all its files, as far as anyone has seen; the list of files is what is documented.
  async function all(release: Release): Promise<readonly Asset[]> {
    return release.assets.length < 30 ? release.assets : await releases.assets(release.id)
  }

  async function read(asset: Asset): Promise<Uint8Array> {
    const chunks: Buffer[] = []
    for await (const chunk of releases.open(asset)) chunks.push(Buffer.from(chunk))
    return Buffer.concat(chunks)
  }

  return { store, holds, all, read }
}
