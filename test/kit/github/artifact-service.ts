import type { BlobServer } from './blob-server.ts'
import type { Answer } from './route.ts'
import type { GithubState, RepositoryState, StoredArtifact } from './state.ts'

const prefix = '/twirp/github.actions.results.api.v1.ArtifactService/'
const day = 24 * 60 * 60 * 1000

/** The artifact service's own protocol (Twirp), over the state that REST shows, too. */
export interface ArtifactService {
  answer(method: string, body: Readonly<Record<string, unknown>>): Promise<Answer>
}

export function isTwirp(path: string): boolean {
  return path.startsWith(prefix)
}

export function twirpMethod(path: string): string {
  return path.slice(prefix.length)
}

/** An unsigned token of the shape that the runner hands to actions. */
export function runtimeToken(runId: number, jobId: string): string {
  const part = (value: object): string => Buffer.from(JSON.stringify(value)).toString('base64url')
  return `${part({ alg: 'none' })}.${part({ scp: `Actions.Example Actions.Results:${runId}:${jobId}` })}.x`
}

function problem(status: number, code: string, msg: string): Answer {
  return { status, body: { code, msg } }
}

export function makeArtifactService(
  state: GithubState,
  repository: () => RepositoryState,
  blobs: BlobServer,
  storage: () => string
): ArtifactService {
  const known = (body: Readonly<Record<string, unknown>>): StoredArtifact | undefined =>
    repository().artifacts.find(
      (one) => one.name === body['name'] && String(one.runId) === body['workflow_run_backend_id']
    )
  const methods: Record<string, (body: Readonly<Record<string, unknown>>) => Promise<Answer> | Answer> = {
    CreateArtifact(body) {
      const name = String(body['name'])
      if (/[":<>|*?\r\n\\/]/.test(name)) return problem(400, 'invalid_argument', 'artifact name is not valid')
      if (known(body) !== undefined) {
        return problem(409, 'already_exists', 'an artifact with this name already exists on the workflow run')
      }
      const id = state.nextId()
      const now = state.now()
      const latest = new Date(now.getTime() + state.maxRetentionDays * day)
      const asked = typeof body['expires_at'] === 'string' ? new Date(body['expires_at']) : latest
      const artifact: StoredArtifact = {
        id,
        name,
        size: 0,
        digest: null,
        expired: false,
        createdAt: now,
        expiresAt: asked < latest ? asked : latest,
        runId: Number(body['workflow_run_backend_id']),
        finalized: false,
        blob: `${id}-${name}`
      }
      repository().artifacts.push(artifact)
      return {
        status: 200,
        body: { ok: true, signed_upload_url: blobs.sign(storage(), artifact.blob ?? '', 'write') }
      }
    },
    async FinalizeArtifact(body) {
      const artifact = known(body)
      if (artifact === undefined) return problem(404, 'not_found', 'artifact not found')
      const size = await blobs.size(artifact.blob ?? '')
      if (size === null || size !== Number(body['size'])) {
        return problem(400, 'invalid_argument', 'size does not match the uploaded content')
      }
      artifact.size = size
      artifact.digest = typeof body['hash'] === 'string' ? body['hash'] : null
      artifact.finalized = true
      return { status: 200, body: { ok: true, artifact_id: String(artifact.id) } }
    },
    ListArtifacts(body) {
      const artifacts = repository()
        .artifacts.filter((one) => one.finalized && String(one.runId) === body['workflow_run_backend_id'])
        .map((one) => ({
          workflow_run_backend_id: String(one.runId),
          workflow_job_run_backend_id: 'job',
          database_id: String(one.id),
          name: one.name,
          size: String(one.size),
          created_at: one.createdAt.toISOString()
        }))
      return { status: 200, body: { artifacts } }
    },
    GetSignedArtifactURL(body) {
      const artifact = known(body)
      if (artifact === undefined) return problem(404, 'not_found', 'artifact not found')
      return {
        status: 200,
        body: { name: artifact.name, signed_url: blobs.sign(storage(), artifact.blob ?? '', 'read') }
      }
    },
    DeleteArtifact(body) {
      const artifact = known(body)
      if (artifact === undefined) return problem(404, 'not_found', 'artifact not found')
      const { artifacts } = repository()
      artifacts.splice(artifacts.indexOf(artifact), 1)
      return { status: 200, body: { ok: true, artifact_id: String(artifact.id) } }
    }
  }
  return {
    async answer(method, body) {
      const handle = methods[method]
      return handle === undefined ? problem(404, 'bad_route', `no method ${method}`) : await handle(body)
    }
  }
}
