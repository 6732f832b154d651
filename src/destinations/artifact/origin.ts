import { z } from 'zod'
import type { Artifact } from '../../clients/github/artifacts.ts'
import type { Github } from '../../clients/github/index.ts'
import { UserError } from '../../errors.ts'

// Every job of a repository may upload artifacts, without any permission: also one that runs the tests of a branch, with whatever those tests
// depend on. So what an artifact says of itself counts only where its run is one that may write backups.

/** Says of the run that uploaded an artifact whether it may write backups. */
export interface Origins {
  /** Why not, in words; undefined where it may. */
  doubtOf(artifact: Artifact): Promise<string | undefined>
}

interface OriginOptions {
  readonly github: Github
  readonly repository: string
  /** Path of the workflow file of this run, where it is known. */
  readonly workflowPath: string | undefined
  readonly runId: number
}

const repositorySchema = z.object({ default_branch: z.string().optional() })
const runSchema = z.object({ path: z.string().nullish(), event: z.string().nullish() })

/** Runs that are asked for one by one; more of them on other branches than this are a flood. */
const mostRunsAsked = 100

/**
 * A run may write backups when its branch is the default one, or when it is of the workflow of this run and not for a pull request. Nothing is doubted of
 * what GitHub says nothing of.
 */
export function runOrigins({ github, repository, workflowPath, runId }: OriginOptions): Origins {
  const [owner = '', repo = ''] = repository.split('/')
  const runs = new Map<number, Promise<boolean>>()
  let branch: Promise<string | undefined> | undefined

  async function askBranch(): Promise<string | undefined> {
    const { data } = await github.request('GET /repos/{owner}/{repo}', { owner, repo })
    return repositorySchema.safeParse(data).data?.default_branch
  }

  async function isOfThisWorkflow(run: number): Promise<boolean> {
    if (workflowPath === undefined) return false
    try {
      const { data } = await github.request('GET /repos/{owner}/{repo}/actions/runs/{run_id}', {
        owner,
        repo,
        run_id: run
      })
      const { path, event } = runSchema.parse(data)
      return path?.split('@')[0] === workflowPath && event?.startsWith('pull_request') === false
    } catch (thrown) {
      if (thrown instanceof z.ZodError || (thrown instanceof UserError && thrown.mayPass !== true)) return false
      throw thrown
    }
  }

  return {
    async doubtOf(artifact) {
      if (artifact.runId === runId) return undefined
      if (artifact.ofNobody) return 'GitHub does not say of which repository the code of the run was that wrote it'
      if (artifact.branch === undefined) return undefined
      branch ??= askBranch()
      const usual = await branch
      if (usual === undefined || artifact.branch === usual) return undefined
      const run = artifact.runId
      if (run === undefined) return 'GitHub does not say which run wrote it'
      let known = runs.get(run)
      if (known === undefined && runs.size < mostRunsAsked) {
        known = isOfThisWorkflow(run)
        runs.set(run, known)
      }
      return (await known) === true
        ? undefined
        : `it was written by the run ${run}, which is neither of the default branch nor of this workflow`
    }
  }
}
