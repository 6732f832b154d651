import { isIP } from 'node:net'
import { refOfApiHost } from '../base/supabase-host.ts'
import { isLoopback } from '../base/tls-policy.ts'
import { accepted, hasControl, type Parse, refused } from './parsed.ts'

/** A repository on the server that the run belongs to. */
export interface RepositoryName {
  readonly owner: string
  readonly name: string
}

/** Where the HTML dashboard goes. */
export type DashboardPlace =
  | { readonly kind: 'artifact' }
  | { readonly kind: 'repository' }
  | { readonly kind: 'file'; readonly path: string }

/** A mail server, as `smtp-url` names it. */
export interface SmtpServer {
  readonly host: string
  readonly port: number
  /** True for `smtps://`: TLS from the first byte. With `smtp://` STARTTLS is used where offered, plain only to loopback. */
  readonly implicitTls: boolean
  readonly user: string | undefined
  readonly password: string | undefined
}

export const parseRepository: Parse<RepositoryName> = (text) => {
  const match = /^([A-Za-z0-9][A-Za-z0-9_-]{0,99})\/([A-Za-z0-9._-]{1,100})$/.exec(text)
  const [, owner, name] = match ?? []
  if (owner === undefined || name === undefined || name === '.' || name === '..' || name.endsWith('.git')) {
    return refused('allowed is owner/name, as in the address of the repository, without .git')
  }
  return accepted({ owner, name })
}

/** The name of a bucket, as old as it may be. */
export const parseBucketName: Parse<string> = (text) =>
  /^[A-Za-z0-9][A-Za-z0-9._-]{1,253}[A-Za-z0-9]$/.test(text) && !text.includes('..')
    ? accepted(text)
    : refused('allowed is the name of a bucket alone, without s3:// and without a path')

export const parseRegion: Parse<string> = (text) =>
  /^[a-z0-9][a-z0-9-]{0,62}$/.test(text)
    ? accepted(text)
    : refused('allowed is the name of a region, such as eu-central-1 or auto')

/** What keys begin with: folders, as one would type them. Slashes at its ends are dropped. */
export const parsePrefix: Parse<string> = (text) => {
  const path = text.replace(/^\/{1,100}|\/{1,100}$/g, '')
  const names = path.split('/')
  return path.length <= 400 && names.every((name) => /^[A-Za-z0-9!_.*'()-]+$/.test(name) && !/^\.{1,2}$/.test(name))
    ? accepted(path)
    : refused("allowed are names of letters, digits and !_.*'()- with / between them")
}

/** A branch name by the rules of git-check-ref-format. */
export const parseBranch: Parse<string> = (text) => {
  const segments = text.split('/')
  const valid =
    text.length <= 200 &&
    !hasControl(text) &&
    !/[ ~^:?*[\\]/.test(text) &&
    !text.includes('..') &&
    !text.includes('@{') &&
    !text.startsWith('-') &&
    !text.endsWith('.') &&
    text !== '@' &&
    text !== 'HEAD' &&
    !text.startsWith('refs/') &&
    segments.every((segment) => segment !== '' && !segment.startsWith('.') && !segment.endsWith('.lock'))
  return valid ? accepted(text) : refused('allowed is the name of a branch, such as backups or copies/main')
}

/** A web address: https, or http to this machine itself. Trailing slashes are dropped. */
export const parseWebAddress: Parse<string> = (text) => {
  const url = webUrl(text)
  if (url === undefined) return refused('allowed is an https address (http only to this machine itself)')
  if (url.username !== '' || url.password !== '' || url.search !== '' || url.hash !== '') {
    return refused('allowed is an https address without user, ? and #')
  }
  const path = url.pathname.replace(/\/{1,100}$/, '')
  if (path !== '' && refOfApiHost(url.hostname) !== undefined) {
    return refused('allowed is the address of the project alone, https://<ref>.supabase.co, without a path')
  }
  return accepted(`${url.origin}${path}`)
}

/** An address that something is sent to; it may carry a secret in its path or query. */
export const parseHook: Parse<URL> = (text) => {
  const url = webUrl(text)
  return url === undefined ? refused('allowed is an https address (http only to this machine itself)') : accepted(url)
}

function webUrl(text: string): URL | undefined {
  if (hasControl(text) || text.length > 4096) return undefined
  const url = URL.parse(text)
  if (url === null || url.hostname === '' || isDisguised(text, url)) return undefined
  if (url.protocol === 'https:') return url
  return url.protocol === 'http:' && isLoopback(url.hostname) ? url : undefined
}

/** An IP address in another spelling than its usual one (`0x7f.1`, `2130706433`): nobody types that but to get past a check. */
function isDisguised(text: string, url: URL): boolean {
  if (isIP(url.hostname.replace(/^\[|\]$/g, '')) === 0) return false
  const authority = /^[a-z]{1,10}:\/\/([^/?#\\]{1,4096})/i.exec(text)?.[1] ?? ''
  const host = authority.slice(authority.lastIndexOf('@') + 1).replace(/:\d{0,5}$/, '')
  return host.toLowerCase() !== url.hostname
}

export const parseSmtp: Parse<SmtpServer> = (text) => {
  const form = refused(
    'allowed is smtp://user:password@host:587 or smtps://user:password@host:465, special characters percent-encoded'
  )
  const url = hasControl(text) || text.length > 4096 ? null : URL.parse(text)
  if (url === null || (url.protocol !== 'smtp:' && url.protocol !== 'smtps:')) return form
  const host = url.hostname.replace(/^\[|\]$/g, '')
  const port = url.port === '' ? (url.protocol === 'smtps:' ? 465 : 587) : Number(url.port)
  if (!/^[A-Za-z0-9._:-]{1,253}$/.test(host) || host.startsWith('-') || port < 1) return form
  if ((url.pathname !== '' && url.pathname !== '/') || url.search !== '' || url.hash !== '') return form
  try {
    const user = url.username === '' ? undefined : decodeURIComponent(url.username)
    const password = url.password === '' ? undefined : decodeURIComponent(url.password)
    return accepted({ host: host.toLowerCase(), port, implicitTls: url.protocol === 'smtps:', user, password })
  } catch {
    return form
  }
}

/** One mail address, without a display name. */
export const parseMailAddress: Parse<string> = (text) =>
  text.length <= 254 &&
  /^[A-Za-z0-9.!#$%&'*+/=?^_`{|}~-]{1,64}@[A-Za-z0-9](?:[A-Za-z0-9.-]{0,251}[A-Za-z0-9])?$/.test(text)
    ? accepted(text)
    : refused('allowed are mail addresses such as ops@example.com, by comma or line')

export const parseDashboard: Parse<DashboardPlace> = (text) => {
  if (text === 'artifact' || text === 'repository') return accepted({ kind: text })
  return hasControl(text) || text.length > 4096
    ? refused('allowed are artifact, repository or the path of a file')
    : accepted({ kind: 'file', path: text })
}
