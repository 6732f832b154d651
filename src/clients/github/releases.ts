import type { Readable } from 'node:stream'
import { z } from 'zod'
import { UserError } from '../../errors.ts'
import { openDownload } from './download.ts'
import { hasStatus } from './errors.ts'
import type { Github } from './index.ts'

const assetSchema = z.object({
  id: z.number(),
  name: z.string(),
  // `starter` is what an upload leaves that broke off: https://docs.github.com/rest/releases/assets
  state: z.string(),
  size: z.number(),
  digest: z.string().nullish(),
  created_at: z.string(),
  updated_at: z.string()
})

const releaseSchema = z.object({
  id: z.number(),
  tag_name: z.string(),
  draft: z.boolean(),
  immutable: z.boolean().optional(),
  body: z.string().nullish(),
  html_url: z.string(),
  upload_url: z.string(),
  updated_at: z.string().nullish(),
  assets: z.array(assetSchema)
})

const refSchema = z.object({ ref: z.string() })
const repositorySchema = z.object({ visibility: z.string().optional(), private: z.boolean().optional() })

/** A file of a release. */
export interface Asset {
  readonly id: number
  readonly name: string
  /** False for the dead remains of an upload that broke off. */
  readonly whole: boolean
  readonly bytes: number
  /** SHA-256 in lower-case hex that GitHub computed, where it states one. */
  readonly sha256: string | undefined
  readonly changedAt: Date
}

export interface Release {
  readonly id: number
  readonly tag: string
  readonly draft: boolean
  /** Frozen since it was published: no file can come or go. */
  readonly immutable: boolean
  readonly body: string
  readonly url: string
  readonly uploadUrl: string
  /** When it was last changed, where GitHub says so. (Its `created_at` is the date of the tagged commit.) */
  readonly changedAt: Date | undefined
  readonly assets: readonly Asset[]
}

export interface NewRelease {
  readonly tag: string
  readonly name: string
  readonly body: string
}

/** Releases of one repository. Nothing here decides what a release means. */
export interface Releases {
  /** All releases, drafts too where the token may write. */
  list(): AsyncGenerator<Release>
  /** The published release of a tag; undefined when there is none. */
  published(tag: string): Promise<Release | undefined>
  get(id: number): Promise<Release | undefined>
  /** A draft that is never "latest". An answer that is lost is looked for before the call is repeated. */
  createDraft(release: NewRelease): Promise<Release>
  /** Writes body and, where given, tag; `publish` also publishes it. */
  update(
    id: number,
    change: { readonly body?: string; readonly tag?: string; readonly publish?: boolean }
  ): Promise<Release>
  delete(id: number): Promise<void>
  /** All files of a release, dead ones too, page by page: the list inside a release can be incomplete. */
  assets(id: number): Promise<readonly Asset[]>
  /** One try to upload; what escapes with `mayPass` may have taken effect. */
  upload(release: Release, name: string, body: Readable, bytes: number): Promise<Asset>
  open(asset: Asset): Readable
  deleteAsset(id: number): Promise<void>
  /** Tags that start with `prefix`. */
  tags(prefix: string): Promise<readonly string[]>
  deleteTag(tag: string): Promise<void>
}

function parsed<T>(schema: z.ZodType<T>, data: unknown, what: string): T {
  const result = schema.safeParse(data)
  if (result.success) return result.data
  throw new UserError('SB401', `GitHub's answer about ${what} has not the documented form: ${result.error.message}`)
}

function sha256Of(digest: string | null | undefined): string | undefined {
  return /^sha256:([0-9a-f]{64})$/.exec(digest ?? '')?.[1]
}

function toAsset(asset: z.infer<typeof assetSchema>): Asset {
  return {
    id: asset.id,
    name: asset.name,
    whole: asset.state === 'uploaded',
    bytes: asset.size,
    sha256: sha256Of(asset.digest),
    changedAt: new Date(asset.updated_at)
  }
}

function toRelease(data: unknown): Release {
  const release = parsed(releaseSchema, data, 'a release')
  return {
    id: release.id,
    tag: release.tag_name,
    draft: release.draft,
    immutable: release.immutable ?? false,
    body: release.body ?? '',
    url: release.html_url,
    uploadUrl: release.upload_url.replace(/\{.*$/, ''),
    changedAt: release.updated_at == null ? undefined : new Date(release.updated_at),
    assets: release.assets.map(toAsset)
  }
}

const pageSize = 100

export function githubReleases(github: Github, repository: string): Releases {
  const [owner = '', repo = ''] = repository.split('/')
  const place = { owner, repo }

  async function orUndefined<T>(work: Promise<T>): Promise<T | undefined> {
    try {
      return await work
    } catch (thrown) {
      if (hasStatus(thrown, 404)) return undefined
      throw thrown
    }
  }

  async function* list(): AsyncGenerator<Release> {
    const seen = new Set<number>()
    for (let page = 1; ; page += 1) {
      const { data } = await github.request('GET /repos/{owner}/{repo}/releases', {
        ...place,
        per_page: pageSize,
        page
      })
      const releases = parsed(z.array(z.unknown()), data, 'the releases').map(toRelease)
      for (const release of releases) {
        // A release that came in meanwhile pushes others onto the next page.
        if (seen.has(release.id)) continue
        seen.add(release.id)
        yield release
      }
      if (releases.length < pageSize) return
    }
  }

  async function get(id: number): Promise<Release | undefined> {
    const answer = await orUndefined(
      github.request('GET /repos/{owner}/{repo}/releases/{release_id}', { ...place, release_id: id })
    )
    return answer === undefined ? undefined : toRelease(answer.data)
  }

  return {
    list,
    get,
    async published(tag) {
      const answer = await orUndefined(
        github.request('GET /repos/{owner}/{repo}/releases/tags/{tag}', { ...place, tag })
      )
      return answer === undefined ? undefined : toRelease(answer.data)
    },
    async createDraft(release) {
      return await github.once({
        create: async () => {
          const { data } = await github.request('POST /repos/{owner}/{repo}/releases', {
            ...place,
            tag_name: release.tag,
            name: release.name,
            body: release.body,
            draft: true,
            // Never the user's own "latest release".
            prerelease: true,
            make_latest: 'false'
          })
          return toRelease(data)
        },
        find: async () => {
          for await (const one of list()) if (one.tag === release.tag && one.draft) return one
          return undefined
        }
      })
    },
    async update(id, change) {
      const { data } = await github.request('PATCH /repos/{owner}/{repo}/releases/{release_id}', {
        ...place,
        release_id: id,
        ...(change.body === undefined ? {} : { body: change.body }),
        ...(change.tag === undefined ? {} : { tag_name: change.tag }),
        ...(change.publish === true ? { draft: false, prerelease: true, make_latest: 'false' as const } : {})
      })
      return toRelease(data)
    },
    async delete(id) {
      await orUndefined(
        github.request('DELETE /repos/{owner}/{repo}/releases/{release_id}', { ...place, release_id: id })
      )
    },
    async assets(id) {
      const all = new Map<number, Asset>()
      for (let page = 1; ; page += 1) {
        const { data } = await github.request('GET /repos/{owner}/{repo}/releases/{release_id}/assets', {
          ...place,
          release_id: id,
          per_page: pageSize,
          page
        })
        const assets = parsed(z.array(assetSchema), data, 'the files of a release').map(toAsset)
        for (const asset of assets) all.set(asset.id, asset)
        if (assets.length < pageSize) return [...all.values()]
      }
    },
    async upload(release, name, body, bytes) {
      const data = await github.send(`${release.uploadUrl}?name=${encodeURIComponent(name)}`, body, bytes)
      return toAsset(parsed(assetSchema, data, 'an uploaded file'))
    },
    open(asset) {
      return openDownload(github, {
        what: asset.name,
        bytes: asset.bytes,
        sha256: asset.sha256,
        fetch: async (offset) =>
          await github.receive(
            'GET /repos/{owner}/{repo}/releases/assets/{asset_id}',
            { ...place, asset_id: asset.id },
            offset
          )
      })
    },
    async deleteAsset(id) {
      await orUndefined(
        github.request('DELETE /repos/{owner}/{repo}/releases/assets/{asset_id}', { ...place, asset_id: id })
      )
    },
    async tags(prefix) {
      // Not paged: the answer holds all refs that match.
      const { data } = await github.request('GET /repos/{owner}/{repo}/git/matching-refs/{ref}', {
        ...place,
        ref: `tags/${prefix}`
      })
      return parsed(z.array(refSchema), data, 'the tags').map(({ ref }) => ref.replace(/^refs\/tags\//, ''))
    },
    async deleteTag(tag) {
      try {
        await github.request('DELETE /repos/{owner}/{repo}/git/refs/{ref}', { ...place, ref: `tags/${tag}` })
      } catch (thrown) {
        // 422 "Reference does not exist": it is gone.
        if (!hasStatus(thrown, 404, 422)) throw thrown
      }
    }
  }
}

/** Who can read a repository, by GitHub's own word. Throws UserError SB419 when it does not say. */
export async function repositoryVisibility(
  github: Github,
  repository: string
): Promise<'private' | 'internal' | 'public'> {
  const [owner = '', repo = ''] = repository.split('/')
  const { data } = await github.request('GET /repos/{owner}/{repo}', { owner, repo })
  const answer = repositorySchema.safeParse(data)
  const visibility = answer.success ? answer.data.visibility : undefined
  if (visibility === 'private' || visibility === 'internal' || visibility === 'public') {
    // Two fields that disagree are no clear answer.
    const isPrivate = answer.success ? answer.data.private : undefined
    if (isPrivate === undefined || isPrivate === (visibility !== 'public')) return visibility
  } else if (visibility === undefined && answer.success && answer.data.private !== undefined) {
    return answer.data.private ? 'private' : 'public'
  }
  throw new UserError('SB419', `GitHub's answer about ${repository} does not say who can read it.`)
}
