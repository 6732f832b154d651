import { complete } from './openapi.ts'
import { type Call, type Handlers, notFound, page, repositoryPage, repositoryUrl } from './route.ts'
import { sha256, type Workflow } from './state.ts'

function repositoryBody(call: Call): Record<string, unknown> {
  const { repository } = call
  return complete('full-repository', {
    id: 1,
    name: repository.name,
    full_name: `${repository.owner}/${repository.name}`,
    owner: complete('simple-user', { login: repository.owner, type: 'User', gravatar_id: '' }),
    html_url: repositoryPage(call),
    url: repositoryUrl(call),
    default_branch: repository.defaultBranch,
    has_issues: repository.hasIssues,
    private: repository.visibility !== 'public',
    visibility: repository.visibility,
    license: null
  })
}

function workflowBody(call: Call, workflow: Workflow): Record<string, unknown> {
  return complete('workflow', {
    id: workflow.id,
    name: workflow.name,
    path: workflow.path,
    state: workflow.state,
    url: `${repositoryUrl(call)}/actions/workflows/${workflow.id}`,
    html_url: `${repositoryPage(call)}/blob/main/${workflow.path}`,
    created_at: '2026-01-01T00:00:00.000Z',
    updated_at: '2026-01-01T00:00:00.000Z'
  })
}

const base = '/repos/{owner}/{repo}'

export const repositoryHandlers: Handlers = {
  [`GET ${base}`]: (call) => ({ status: 200, body: repositoryBody(call) }),
  [`GET ${base}/actions/workflows`]: (call) => {
    const { items, headers } = page(call, call.repository.workflows)
    return {
      status: 200,
      headers,
      body: {
        total_count: call.repository.workflows.length,
        workflows: items.map((workflow) => workflowBody(call, workflow))
      }
    }
  },
  [`GET ${base}/actions/workflows/{workflow_id}`]: (call) => {
    const wanted = call.params['workflow_id'] ?? ''
    const found = call.repository.workflows.find(
      (one) => String(one.id) === wanted || one.path.split('/').at(-1) === wanted
    )
    return found === undefined ? notFound : { status: 200, body: workflowBody(call, found) }
  },
  [`GET ${base}/contents/{path}`]: (call) => {
    const path = call.params['path'] ?? ''
    const content = call.repository.files.get(path)
    const url = `${repositoryUrl(call)}/contents/${path}`
    if (content === undefined) {
      const inside = [...call.repository.files].filter(([name]) => name.startsWith(`${path}/`))
      if (inside.length === 0) return notFound
      return {
        status: 200,
        body: inside.map(([name, text]) => ({
          type: 'file',
          size: text.length,
          name: name.split('/').at(-1) ?? '',
          path: name,
          sha: sha256(Buffer.from(text)).slice(0, 40),
          url: `${repositoryUrl(call)}/contents/${name}`,
          git_url: null,
          html_url: null,
          download_url: null,
          _links: { git: null, html: null, self: url }
        }))
      }
    }
    return {
      status: 200,
      body: {
        type: 'file',
        encoding: 'base64',
        size: Buffer.byteLength(content),
        name: path.split('/').at(-1) ?? '',
        path,
        content: Buffer.from(content).toString('base64'),
        sha: sha256(Buffer.from(content)).slice(0, 40),
        url,
        git_url: null,
        html_url: null,
        download_url: null,
        _links: { git: null, html: null, self: url }
      }
    }
  }
}
