import { complete } from './openapi.ts'
import { type Call, type Handlers, notFound, page, repositoryUrl } from './route.ts'
import type { StoredArtifact } from './state.ts'

/** Makes the address that a download of an artifact is redirected to. */
export type SignDownload = (artifact: StoredArtifact) => string

function artifactBody(call: Call, artifact: StoredArtifact): Record<string, unknown> {
  const url = `${repositoryUrl(call)}/actions/artifacts/${artifact.id}`
  return complete('artifact', {
    id: artifact.id,
    name: artifact.name,
    size_in_bytes: artifact.size,
    url,
    archive_download_url: `${url}/zip`,
    expired: artifact.expired,
    created_at: artifact.createdAt.toISOString(),
    updated_at: artifact.createdAt.toISOString(),
    expires_at: artifact.expiresAt.toISOString(),
    digest: artifact.digest,
    workflow_run: {
      id: artifact.runId,
      repository_id: 1,
      // The description knows no null here; GitHub answers so all the same where the fork is gone.
      head_repository_id: artifact.fromFork === 'gone' ? null : artifact.fromFork === true ? 2 : 1,
      head_branch: artifact.run?.branch ?? call.repository.defaultBranch,
      head_sha: 'a'.repeat(40)
    }
  })
}

function find(call: Call): StoredArtifact | undefined {
  return call.repository.artifacts.find((one) => one.finalized && one.id === Number(call.params['artifact_id']))
}

const base = '/repos/{owner}/{repo}/actions/artifacts'

function runBody(call: Call, { runId, run }: StoredArtifact): Record<string, unknown> {
  return complete('workflow-run', {
    id: runId,
    path: run?.path ?? '.github/workflows/backup.yml',
    event: run?.event ?? 'schedule',
    head_branch: run?.branch ?? call.repository.defaultBranch,
    head_commit: null,
    pull_requests: null
  })
}

export function artifactHandlers(sign: SignDownload): Handlers {
  return {
    [`GET ${base}`]: (call) => {
      const name = call.query.get('name')
      const shown = call.repository.artifacts
        .filter((one) => one.finalized && (name === null || one.name === name))
        .reverse()
      const { items, headers } = page(call, shown)
      return {
        status: 200,
        headers,
        body: { total_count: shown.length, artifacts: items.map((one) => artifactBody(call, one)) }
      }
    },
    'GET /repos/{owner}/{repo}/actions/runs/{run_id}': (call) => {
      const found = call.repository.artifacts.find((one) => one.runId === Number(call.params['run_id']))
      return found === undefined ? notFound : { status: 200, body: runBody(call, found) }
    },
    [`GET ${base}/{artifact_id}`]: (call) => {
      const found = find(call)
      return found === undefined ? notFound : { status: 200, body: artifactBody(call, found) }
    },
    [`DELETE ${base}/{artifact_id}`]: (call) => {
      const found = find(call)
      if (found === undefined) return notFound
      call.repository.artifacts.splice(call.repository.artifacts.indexOf(found), 1)
      return { status: 204 }
    },
    [`GET ${base}/{artifact_id}/{archive_format}`]: (call) => {
      const found = find(call)
      if (found === undefined || call.params['archive_format'] !== 'zip') return notFound
      if (found.expired) return { status: 410, body: { message: 'Artifact has expired' } }
      return { status: 302, headers: { location: sign(found) } }
    }
  }
}
