import { createHash } from 'node:crypto'

export interface Asset {
  readonly id: number
  name: string
  state: 'uploaded' | 'starter'
  content: Buffer
  createdAt: Date
}

export interface Release {
  readonly id: number
  tag: string
  name: string | null
  body: string | null
  draft: boolean
  prerelease: boolean
  makeLatest: string
  target: string
  immutable: boolean
  readonly madeAt: Date
  publishedAt: Date | null
  readonly assets: Asset[]
}

export interface StoredArtifact {
  readonly id: number
  readonly name: string
  size: number
  digest: string | null
  expired: boolean
  readonly createdAt: Date
  expiresAt: Date
  readonly runId: number
  /** False until FinalizeArtifact: REST does not show it. */
  finalized: boolean
  /** Content of a seeded artifact; others lie in the blob server under `blob`. */
  readonly content?: Buffer
  readonly blob?: string
  /** Uploaded by a run for a pull request of a fork; `gone`: of one that was deleted since. */
  readonly fromFork?: boolean | 'gone'
  /** The run that uploaded it; of the workflow backup.yml on the default branch where nothing is said. */
  readonly run?: RunFacts
}

/** What GitHub tells of a workflow run. */
export interface RunFacts {
  readonly branch: string
  readonly path: string
  readonly event: string
}

export interface IssueComment {
  readonly id: number
  body: string
  readonly createdAt: Date
}

export interface Issue {
  readonly id: number
  readonly number: number
  title: string
  body: string
  state: 'open' | 'closed'
  labels: string[]
  readonly author: string
  readonly comments: IssueComment[]
  readonly createdAt: Date
  updatedAt: Date
  closedAt: Date | null
}

export interface Workflow {
  readonly id: number
  readonly name: string
  readonly path: string
  state: 'active' | 'disabled_inactivity' | 'disabled_manually' | 'disabled_fork' | 'deleted'
}

export interface RepositoryState {
  readonly owner: string
  readonly name: string
  visibility: 'private' | 'public' | 'internal'
  defaultBranch: string
  hasIssues: boolean
  /** Releases are frozen when they are published, and their tags are burned when they are deleted. */
  immutableReleases: boolean
  /** Whether assets carry a digest. */
  assetDigests: boolean
  readonly releases: Release[]
  /** Tags: name -> commit. */
  readonly tags: Map<string, string>
  readonly burnedTags: Set<string>
  readonly artifacts: StoredArtifact[]
  readonly issues: Issue[]
  readonly labels: Map<string, { readonly id: number; readonly color: string; readonly description: string }>
  readonly workflows: Workflow[]
  /** Files of the default branch: path -> content. */
  readonly files: Map<string, string>
}

export interface GithubState {
  readonly repositories: Map<string, RepositoryState>
  /** Requests that are left; `null` without a limit. */
  rateLimit: { limit: number; remaining: number; reset: Date } | null
  /** Longest retention that the repository's settings allow, in days. */
  maxRetentionDays: number
  now(): Date
  nextId(): number
  repository(fullName: string): RepositoryState
}

export function makeState(now: () => Date): GithubState {
  let id = 1000
  const repositories = new Map<string, RepositoryState>()
  return {
    repositories,
    rateLimit: null,
    maxRetentionDays: 90,
    now,
    nextId: () => {
      id += 1
      return id
    },
    repository(fullName) {
      const found = repositories.get(fullName)
      if (found === undefined) throw new Error(`The double has no repository ${fullName}`)
      return found
    }
  }
}

export function addRepository(
  state: GithubState,
  fullName: string,
  rest: Partial<
    Pick<RepositoryState, 'visibility' | 'defaultBranch' | 'immutableReleases' | 'assetDigests' | 'hasIssues'>
  > = {}
): RepositoryState {
  const [owner = '', name = ''] = fullName.split('/')
  const repository: RepositoryState = {
    owner,
    name,
    visibility: 'private',
    defaultBranch: 'main',
    hasIssues: true,
    immutableReleases: false,
    assetDigests: true,
    releases: [],
    tags: new Map(),
    burnedTags: new Set(),
    artifacts: [],
    issues: [],
    labels: new Map(),
    workflows: [],
    files: new Map(),
    ...rest
  }
  state.repositories.set(fullName, repository)
  return repository
}

export interface SeededArtifact {
  readonly name: string
  readonly content: string | Uint8Array
  readonly expired?: boolean
  readonly createdAt?: Date
  readonly expiresAt?: Date
  readonly runId?: number
  readonly fromFork?: boolean | 'gone'
  readonly run?: RunFacts
}

const day = 24 * 60 * 60 * 1000

/** Puts an artifact there as if an earlier run had uploaded it. */
export function seedArtifact(state: GithubState, repository: RepositoryState, seeded: SeededArtifact): StoredArtifact {
  const content = Buffer.from(seeded.content)
  const createdAt = seeded.createdAt ?? state.now()
  const artifact: StoredArtifact = {
    id: state.nextId(),
    name: seeded.name,
    size: content.length,
    digest: `sha256:${sha256(content)}`,
    expired: seeded.expired ?? false,
    createdAt,
    expiresAt: seeded.expiresAt ?? new Date(createdAt.getTime() + state.maxRetentionDays * day),
    runId: seeded.runId ?? 1,
    finalized: true,
    fromFork: seeded.fromFork ?? false,
    ...(seeded.run === undefined ? {} : { run: seeded.run }),
    content
  }
  repository.artifacts.push(artifact)
  return artifact
}

export function sha256(content: Uint8Array): string {
  return createHash('sha256').update(content).digest('hex')
}
