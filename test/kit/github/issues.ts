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
import type { Issue, IssueComment } from './state.ts'

function user(login: string): Record<string, unknown> {
  return complete('simple-user', { login, type: isBot(login) ? 'Bot' : 'User', gravatar_id: '' })
}

function isBot(login: string): boolean {
  return login.endsWith('[bot]')
}

function labelBody(call: Call, name: string): Record<string, unknown> {
  const label = call.repository.labels.get(name)
  return complete('label', {
    id: label?.id ?? 0,
    url: `${repositoryUrl(call)}/labels/${encodeURIComponent(name)}`,
    name,
    color: label?.color ?? 'ededed',
    description: label?.description ?? null
  })
}

function issueBody(call: Call, issue: Issue): Record<string, unknown> {
  const url = `${repositoryUrl(call)}/issues/${issue.number}`
  return complete('issue', {
    id: issue.id,
    number: issue.number,
    url,
    repository_url: repositoryUrl(call),
    html_url: `${repositoryPage(call)}/issues/${issue.number}`,
    title: issue.title,
    body: issue.body,
    state: issue.state,
    labels: issue.labels.map((name) => labelBody(call, name)),
    user: user(issue.author),
    comments: issue.comments.length,
    milestone: null,
    assignee: null,
    created_at: issue.createdAt.toISOString(),
    updated_at: issue.updatedAt.toISOString(),
    closed_at: issue.closedAt?.toISOString() ?? null,
    author_association: isBot(issue.author) ? 'CONTRIBUTOR' : 'NONE'
  })
}

function commentBody(call: Call, issue: Issue, comment: IssueComment): Record<string, unknown> {
  const time = comment.createdAt.toISOString()
  return complete('issue-comment', {
    id: comment.id,
    url: `${repositoryUrl(call)}/issues/comments/${comment.id}`,
    html_url: `${repositoryPage(call)}/issues/${issue.number}#issuecomment-${comment.id}`,
    issue_url: `${repositoryUrl(call)}/issues/${issue.number}`,
    body: comment.body,
    user: user('github-actions[bot]'),
    created_at: time,
    updated_at: time,
    author_association: 'CONTRIBUTOR'
  })
}

function namesOf(labels: unknown): string[] {
  if (!Array.isArray(labels)) return []
  return labels.flatMap((label) => text(typeof label === 'string' ? label : Object(label)['name']) ?? [])
}

function setLabels(call: Call, issue: Issue, names: readonly string[]): void {
  for (const name of names) {
    if (!call.repository.labels.has(name)) {
      call.repository.labels.set(name, { id: call.state.nextId(), color: 'ededed', description: '' })
    }
  }
  issue.labels = [...names]
}

function find(call: Call): Issue | undefined {
  return call.repository.issues.find((issue) => issue.number === Number(call.params['issue_number']))
}

function create(call: Call): Answer {
  if (!call.repository.hasIssues)
    return { status: 410, body: { message: 'Issues has been disabled in this repository.' } }
  const now = call.state.now()
  const issue: Issue = {
    id: call.state.nextId(),
    number: call.repository.issues.length + 1,
    title: String(call.body['title']),
    body: text(call.body['body']) ?? '',
    state: 'open',
    labels: [],
    author: 'github-actions[bot]',
    comments: [],
    createdAt: now,
    updatedAt: now,
    closedAt: null
  }
  setLabels(call, issue, namesOf(call.body['labels']))
  call.repository.issues.push(issue)
  return { status: 201, body: issueBody(call, issue) }
}

function update(call: Call): Answer {
  const issue = find(call)
  if (issue === undefined) return notFound
  issue.title = text(call.body['title']) ?? issue.title
  issue.body = text(call.body['body']) ?? issue.body
  if (call.body['labels'] !== undefined) setLabels(call, issue, namesOf(call.body['labels']))
  if (call.body['state'] === 'closed' || call.body['state'] === 'open') issue.state = call.body['state']
  issue.updatedAt = call.state.now()
  issue.closedAt = issue.state === 'closed' ? issue.updatedAt : null
  return { status: 200, body: issueBody(call, issue) }
}

const base = '/repos/{owner}/{repo}'

export const issueHandlers: Handlers = {
  [`GET ${base}/issues`]: (call) => {
    const state = call.query.get('state') ?? 'open'
    const labels = (call.query.get('labels') ?? '').split(',').filter((name) => name !== '')
    const shown = call.repository.issues
      .filter((issue) => state === 'all' || issue.state === state)
      .filter((issue) => labels.every((name) => issue.labels.includes(name)))
      .reverse()
    const { items, headers } = page(call, shown)
    return { status: 200, headers, body: items.map((issue) => issueBody(call, issue)) }
  },
  [`POST ${base}/issues`]: create,
  [`GET ${base}/issues/{issue_number}`]: (call) => {
    const issue = find(call)
    return issue === undefined ? notFound : { status: 200, body: issueBody(call, issue) }
  },
  [`PATCH ${base}/issues/{issue_number}`]: update,
  [`GET ${base}/issues/{issue_number}/comments`]: (call) => {
    const issue = find(call)
    if (issue === undefined) return notFound
    const { items, headers } = page(call, issue.comments)
    return { status: 200, headers, body: items.map((comment) => commentBody(call, issue, comment)) }
  },
  [`POST ${base}/issues/{issue_number}/comments`]: (call) => {
    const issue = find(call)
    if (issue === undefined) return notFound
    const comment = { id: call.state.nextId(), body: text(call.body['body']) ?? '', createdAt: call.state.now() }
    issue.comments.push(comment)
    issue.updatedAt = comment.createdAt
    return { status: 201, body: commentBody(call, issue, comment) }
  },
  [`GET ${base}/labels`]: (call) => {
    const { items, headers } = page(call, [...call.repository.labels.keys()])
    return { status: 200, headers, body: items.map((name) => labelBody(call, name)) }
  },
  [`POST ${base}/labels`]: (call) => {
    const name = String(call.body['name'])
    if (call.repository.labels.has(name)) {
      return invalid('Validation Failed', [{ resource: 'Label', code: 'already_exists', field: 'name' }])
    }
    call.repository.labels.set(name, {
      id: call.state.nextId(),
      color: text(call.body['color']) ?? 'ededed',
      description: text(call.body['description']) ?? ''
    })
    return { status: 201, body: labelBody(call, name) }
  },
  [`GET ${base}/labels/{name}`]: (call) => {
    const name = call.params['name'] ?? ''
    return call.repository.labels.has(name) ? { status: 200, body: labelBody(call, name) } : notFound
  }
}
