import type { GithubState, RepositoryState } from './state.ts'

/** One call as a handler sees it. */
export interface Call {
  readonly state: GithubState
  readonly repository: RepositoryState
  /** Parameters of the path. */
  readonly params: Readonly<Record<string, string>>
  readonly query: URLSearchParams
  /** The JSON body, already checked against the description. */
  readonly body: Readonly<Record<string, unknown>>
  /** The bytes of an upload, and whether all that were announced came. */
  readonly upload: { readonly bytes: Buffer; readonly whole: boolean }
  readonly accept: string
  readonly origins: Origins
}

export interface Origins {
  readonly api: string
  readonly uploads: string
  readonly server: string
  readonly storage: string
}

export interface Answer {
  readonly status: number
  readonly body?: unknown
  readonly headers?: Readonly<Record<string, string>>
}

/** What serves one operation of GitHub's description. */
export type Handler = (call: Call) => Answer | Promise<Answer>
export type Handlers = Readonly<Record<string, Handler>>

export const notFound: Answer = {
  status: 404,
  body: { message: 'Not Found', documentation_url: 'https://docs.github.com/rest', status: '404' }
}

export function invalid(message: string, errors: readonly object[] = []): Answer {
  return {
    status: 422,
    body: { message, documentation_url: 'https://docs.github.com/rest', errors, status: '422' }
  }
}

/** One page of `items`, with GitHub's Link header. */
export function page<T>(
  call: Call,
  items: readonly T[]
): { readonly items: T[]; readonly headers: Record<string, string> } {
  const size = Math.min(Number(call.query.get('per_page') ?? '30'), 100)
  const number = Math.max(Number(call.query.get('page') ?? '1'), 1)
  const last = Math.max(Math.ceil(items.length / size), 1)
  const headers: Record<string, string> = {}
  if (number < last) headers['link'] = `<${call.origins.api}/next?page=${number + 1}>; rel="next"`
  return { items: items.slice((number - 1) * size, number * size), headers }
}

export function text(value: unknown): string | undefined {
  return typeof value === 'string' ? value : undefined
}

export function repositoryUrl(call: Call): string {
  return `${call.origins.api}/repos/${call.repository.owner}/${call.repository.name}`
}

export function repositoryPage(call: Call): string {
  return `${call.origins.server}/${call.repository.owner}/${call.repository.name}`
}
