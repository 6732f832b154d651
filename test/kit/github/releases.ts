import { complete } from './openapi.ts'
import {
  type Answer,
  type Call,
  type Handlers,
  invalid,
  notFound,
  page,
  repositoryPage,
  repositoryUrl,
  text
} from './route.ts'
import { type Asset, type Release, sha256 } from './state.ts'

const mostAssets = 1000
const largestAsset = 2 * 1024 ** 3

function user(login = 'github-actions[bot]'): Record<string, unknown> {
  return complete('simple-user', { login, type: 'Bot', gravatar_id: '' })
}

function assetBody(call: Call, asset: Asset): Record<string, unknown> {
  const time = asset.createdAt.toISOString()
  return complete('release-asset', {
    id: asset.id,
    name: asset.name,
    label: '',
    state: asset.state,
    content_type: 'application/octet-stream',
    size: asset.state === 'uploaded' ? asset.content.length : 0,
    digest: call.repository.assetDigests && asset.state === 'uploaded' ? `sha256:${sha256(asset.content)}` : null,
    download_count: 0,
    created_at: time,
    updated_at: time,
    uploader: user(),
    url: `${repositoryUrl(call)}/releases/assets/${asset.id}`,
    browser_download_url: `${repositoryPage(call)}/releases/download/x/${asset.name}`
  })
}

function releaseBody(call: Call, release: Release): Record<string, unknown> {
  const url = `${repositoryUrl(call)}/releases/${release.id}`
  const tag = release.draft ? `untagged-${release.id}` : release.tag
  return complete('release', {
    id: release.id,
    url,
    assets_url: `${url}/assets`,
    upload_url: `${call.origins.uploads}/repos/${call.repository.owner}/${call.repository.name}/releases/${release.id}/assets{?name,label}`,
    html_url: `${repositoryPage(call)}/releases/tag/${tag}`,
    tag_name: release.tag,
    target_commitish: release.target,
    name: release.name,
    body: release.body,
    draft: release.draft,
    prerelease: release.prerelease,
    immutable: release.immutable,
    // GitHub gives the date of the tagged commit here, not that of the release.
    created_at: '2020-01-01T00:00:00Z',
    updated_at: release.madeAt.toISOString(),
    published_at: release.publishedAt?.toISOString() ?? null,
    author: user(),
    tarball_url: null,
    zipball_url: null,
    assets: release.assets.map((asset) => assetBody(call, asset))
  })
}

function findRelease(call: Call): Release | undefined {
  return call.repository.releases.find((release) => release.id === Number(call.params['release_id']))
}

function alreadyExists(resource: string, field: string): Answer {
  return invalid('Validation Failed', [{ resource, code: 'already_exists', field }])
}

function publish(call: Call, release: Release): Answer | undefined {
  const { repository } = call
  const taken = repository.releases.some((other) => other !== release && !other.draft && other.tag === release.tag)
  if (taken || repository.burnedTags.has(release.tag)) return alreadyExists('Release', 'tag_name')
  release.draft = false
  release.publishedAt = call.state.now()
  release.immutable = repository.immutableReleases
  if (!repository.tags.has(release.tag)) repository.tags.set(release.tag, 'c'.repeat(40))
  return undefined
}

function create(call: Call): Answer {
  const { repository, state, body } = call
  const release: Release = {
    id: state.nextId(),
    tag: text(body['tag_name']) ?? '',
    name: text(body['name']) ?? null,
    body: text(body['body']) ?? null,
    draft: true,
    prerelease: body['prerelease'] === true,
    makeLatest: text(body['make_latest']) ?? 'true',
    target: text(body['target_commitish']) ?? repository.defaultBranch,
    immutable: false,
    madeAt: state.now(),
    publishedAt: null,
    assets: []
  }
  if (body['draft'] !== true) {
    const refused = publish(call, release)
    if (refused !== undefined) return refused
  }
  repository.releases.unshift(release)
  return { status: 201, body: releaseBody(call, release) }
}

function update(call: Call): Answer {
  const release = findRelease(call)
  if (release === undefined) return notFound
  const { body } = call
  release.name = text(body['name']) ?? release.name
  release.body = text(body['body']) ?? release.body
  if ((release.body ?? '').length > 125_000) return invalid('Validation Failed', [{ field: 'body', code: 'custom' }])
  if (!release.immutable) release.tag = text(body['tag_name']) ?? release.tag
  if (typeof body['prerelease'] === 'boolean') release.prerelease = body['prerelease']
  release.makeLatest = text(body['make_latest']) ?? release.makeLatest
  if (body['draft'] === false && release.draft) {
    const refused = publish(call, release)
    if (refused !== undefined) return refused
  }
  return { status: 200, body: releaseBody(call, release) }
}

function upload(call: Call): Answer {
  const release = findRelease(call)
  if (release === undefined) return notFound
  if (release.immutable) return invalid('Cannot upload assets to an immutable release.')
  const name = (call.query.get('name') ?? '').replaceAll(/[^A-Za-z0-9._-]/g, '.')
  if (release.assets.some((asset) => asset.name === name)) return alreadyExists('ReleaseAsset', 'name')
  if (release.assets.length >= mostAssets) {
    return invalid('Validation Failed', [
      {
        resource: 'ReleaseAsset',
        code: 'custom',
        field: 'file_count',
        message: 'file_count limited to 1000 assets per release'
      }
    ])
  }
  if (call.upload.bytes.length >= largestAsset) return { status: 500, body: { message: 'Server Error' } }
  const asset: Asset = {
    id: call.state.nextId(),
    name,
    state: call.upload.whole ? 'uploaded' : 'starter',
    content: call.upload.bytes,
    createdAt: call.state.now()
  }
  release.assets.push(asset)
  return { status: 201, body: assetBody(call, asset) }
}

function findAsset(call: Call): { readonly release: Release; readonly asset: Asset } | undefined {
  for (const release of call.repository.releases) {
    const asset = release.assets.find((one) => one.id === Number(call.params['asset_id']))
    if (asset !== undefined) return { release, asset }
  }
  return undefined
}

function getAsset(call: Call): Answer {
  const found = findAsset(call)
  if (found === undefined) return notFound
  if (!call.accept.includes('application/octet-stream')) return { status: 200, body: assetBody(call, found.asset) }
  if (found.asset.state !== 'uploaded') return notFound
  return { status: 302, headers: { location: `${call.origins.storage}/asset/${found.asset.id}` } }
}

function deleteAsset(call: Call): Answer {
  const found = findAsset(call)
  if (found === undefined) return notFound
  if (found.release.immutable) return invalid('Cannot delete asset from an immutable release')
  found.release.assets.splice(found.release.assets.indexOf(found.asset), 1)
  return { status: 204 }
}

function deleteRelease(call: Call): Answer {
  const release = findRelease(call)
  if (release === undefined) return notFound
  const { repository } = call
  repository.releases.splice(repository.releases.indexOf(release), 1)
  if (release.immutable) repository.burnedTags.add(release.tag)
  return { status: 204 }
}

const base = '/repos/{owner}/{repo}'

export const releaseHandlers: Handlers = {
  [`GET ${base}/releases`]: (call) => {
    const { items, headers } = page(call, call.repository.releases)
    return { status: 200, headers, body: items.map((release) => releaseBody(call, release)) }
  },
  [`POST ${base}/releases`]: create,
  [`GET ${base}/releases/latest`]: (call) => {
    const latest = call.repository.releases.find(
      (release) => !release.draft && !release.prerelease && release.makeLatest !== 'false'
    )
    return latest === undefined ? notFound : { status: 200, body: releaseBody(call, latest) }
  },
  [`GET ${base}/releases/tags/{tag}`]: (call) => {
    const found = call.repository.releases.find((one) => !one.draft && one.tag === call.params['tag'])
    return found === undefined ? notFound : { status: 200, body: releaseBody(call, found) }
  },
  [`GET ${base}/releases/{release_id}`]: (call) => {
    const found = findRelease(call)
    return found === undefined ? notFound : { status: 200, body: releaseBody(call, found) }
  },
  [`PATCH ${base}/releases/{release_id}`]: update,
  [`DELETE ${base}/releases/{release_id}`]: deleteRelease,
  [`GET ${base}/releases/{release_id}/assets`]: (call) => {
    const release = findRelease(call)
    if (release === undefined) return notFound
    const { items, headers } = page(call, release.assets)
    return { status: 200, headers, body: items.map((asset) => assetBody(call, asset)) }
  },
  [`POST ${base}/releases/{release_id}/assets`]: upload,
  [`GET ${base}/releases/assets/{asset_id}`]: getAsset,
  [`DELETE ${base}/releases/assets/{asset_id}`]: deleteAsset,
  [`GET ${base}/git/matching-refs/{ref}`]: (call) => {
    const prefix = (call.params['ref'] ?? '').replace(/^tags\//, '')
    const tags = [...call.repository.tags].filter(([tag]) => tag.startsWith(prefix))
    const url = repositoryUrl(call)
    return {
      status: 200,
      body: tags.map(([tag, sha]) =>
        complete('git-ref', {
          ref: `refs/tags/${tag}`,
          url: `${url}/git/refs/tags/${tag}`,
          object: { type: 'commit', sha, url: `${url}/git/commits/${sha}` }
        })
      )
    }
  },
  [`DELETE ${base}/git/refs/{ref}`]: (call) => {
    const tag = (call.params['ref'] ?? '').replace(/^tags\//, '')
    return call.repository.tags.delete(tag) ? { status: 204 } : invalid('Reference does not exist')
  }
}
