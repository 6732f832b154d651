import type { Answer } from './route.ts'

/** What a token may do, as under `permissions:` of a workflow. `metadata: read` belongs to every token. */
export type Permissions = Readonly<Record<'contents' | 'actions' | 'issues', 'none' | 'read' | 'write'>>

const order = ['none', 'read', 'write']

/** GitHub's refusal of a call for which a token has too few permissions; undefined where it may. */
export function refusal(operation: string, permissions: Permissions): Answer | undefined {
  const [method = '', path = ''] = operation.split(' ')
  const of = /\/(?:releases|git|contents)\b/.test(path)
    ? 'contents'
    : /\/actions\//.test(path)
      ? 'actions'
      : /\/(?:issues|labels)\b/.test(path)
        ? 'issues'
        : null
  if (of === null) return undefined
  const needed = method === 'GET' ? 'read' : 'write'
  if (order.indexOf(permissions[of]) >= order.indexOf(needed)) return undefined
  return {
    status: 403,
    body: {
      message: 'Resource not accessible by integration',
      documentation_url: 'https://docs.github.com/rest',
      status: '403'
    },
    headers: { 'x-accepted-github-permissions': `${of}=${needed}` }
  }
}
