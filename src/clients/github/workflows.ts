import { z } from 'zod'
import { UserError } from '../../errors.ts'
import { hasStatus } from './errors.ts'
import type { Github } from './index.ts'

const workflowsSchema = z.object({
  workflows: z.array(z.object({ path: z.string(), name: z.string(), state: z.string() }))
})
const fileSchema = z.object({ type: z.literal('file'), encoding: z.literal('base64'), content: z.string() })

/** A workflow as GitHub lists it. `state`: `active`, `disabled_inactivity`, `disabled_manually`, ... */
export interface ListedWorkflow {
  /** `.github/workflows/backup.yml` */
  readonly path: string
  readonly name: string
  readonly state: string
}

/** The workflows of one repository. */
export interface Workflows {
  /** At most 100: nobody has more. */
  list(): Promise<readonly ListedWorkflow[]>
  /** The text of a workflow file on the default branch, the one that schedules go by; undefined when it is not there. */
  text(path: string): Promise<string | undefined>
}

/** @param repository `owner/name` */
export function openWorkflows(github: Github, repository: string): Workflows {
  const [owner = '', repo = ''] = repository.split('/')
  return {
    async list() {
      const answer = await github.request('GET /repos/{owner}/{repo}/actions/workflows', { owner, repo, per_page: 100 })
      const parsed = workflowsSchema.safeParse(answer.data)
      if (!parsed.success) throw new UserError('SB401', "GitHub's answer about workflows has not the documented form.")
      return parsed.data.workflows
    },
    async text(path) {
      try {
        const answer = await github.request('GET /repos/{owner}/{repo}/contents/{path}', { owner, repo, path })
        const parsed = fileSchema.safeParse(answer.data)
        return parsed.success ? Buffer.from(parsed.data.content, 'base64').toString('utf8') : undefined
      } catch (thrown) {
        if (hasStatus(thrown, 404)) return undefined
        throw thrown
      }
    }
  }
}
