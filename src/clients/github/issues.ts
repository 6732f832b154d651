import { z } from 'zod'
import { UserError } from '../../errors.ts'
import type { Github } from './index.ts'

const issueSchema = z.object({
  number: z.number(),
  body: z.string().nullish(),
  html_url: z.string(),
  pull_request: z.unknown().optional(),
  user: z.object({ type: z.string() }).nullish(),
  author_association: z.string()
})

/** Those who belong to the repository: https://docs.github.com/graphql/reference/enums#commentauthorassociation */
const insiders: readonly string[] = ['OWNER', 'MEMBER', 'COLLABORATOR']

export interface Issue {
  readonly number: number
  readonly body: string
}

/** The issues of one repository. */
export interface Issues {
  /**
   * Open ones, oldest first, no pull requests; with a label, or the newest 100 of all. Those alone that a workflow, another app or a member made: in a
   * public repository everybody can open an issue with any text, and whoever opened it can close it.
   */
  open(label: string | undefined): Promise<readonly Issue[]>
  /** Makes an issue; when the answer is lost, one whose text `isIt` knows counts as made. */
  create(
    issue: { readonly title: string; readonly body: string; readonly label: string },
    isIt: (issue: Issue) => boolean
  ): Promise<Issue>
  update(
    number: number,
    change: { readonly title?: string; readonly body?: string; readonly state?: 'closed' }
  ): Promise<void>
  comment(number: number, body: string): Promise<void>
}

const mostPages = 5

/** @param repository `owner/name` */
export function openIssues(github: Github, repository: string): Issues {
  const [owner = '', repo = ''] = repository.split('/')
  const place = { owner, repo }

  const open = async (label: string | undefined): Promise<readonly Issue[]> => {
    const issues: Issue[] = []
    for (let page = 1; page <= (label === undefined ? 1 : mostPages); page += 1) {
      const answer = await github.request('GET /repos/{owner}/{repo}/issues', {
        ...place,
        state: 'open',
        per_page: 100,
        page,
        ...(label === undefined ? {} : { labels: label })
      })
      const parsed = z.array(issueSchema).safeParse(answer.data)
      if (!parsed.success) throw malformed()
      issues.push(...parsed.data.filter((one) => one.pull_request === undefined && isOfInsider(one)).map(toIssue))
      if (parsed.data.length < 100) break
    }
    return issues.sort((a, b) => a.number - b.number)
  }

  return {
    open,
    create: (issue, isIt) =>
      github.once({
        create: async () => {
          const { title, body, label } = issue
          const answer = await github.request('POST /repos/{owner}/{repo}/issues', {
            ...place,
            title,
            body,
            labels: [label]
          })
          const parsed = issueSchema.safeParse(answer.data)
          if (!parsed.success) throw malformed()
          return toIssue(parsed.data)
        },
        find: async () => (await open(undefined)).find(isIt)
      }),
    async update(number, change) {
      await github.request('PATCH /repos/{owner}/{repo}/issues/{issue_number}', {
        ...place,
        issue_number: number,
        ...change
      })
    },
    async comment(number, body) {
      await github.request('POST /repos/{owner}/{repo}/issues/{issue_number}/comments', {
        ...place,
        issue_number: number,
        body
      })
    }
  }
}

function isOfInsider({ user, author_association }: z.infer<typeof issueSchema>): boolean {
  return user?.type === 'Bot' || insiders.includes(author_association)
}

function toIssue(issue: z.infer<typeof issueSchema>): Issue {
  return { number: issue.number, body: issue.body ?? '' }
}

function malformed(): UserError {
  return new UserError('SB401', "GitHub's answer about issues has not the documented form.")
}
