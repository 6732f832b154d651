import { UserError } from '../../errors.ts'

/** What became of a push. */
export type PushOutcome =
  | { readonly kind: 'accepted' }
  /** Somebody else moved the ref in between: nothing was changed. */
  | { readonly kind: 'raced' }
  /** The server said no; `forced` tells that only moving the ref backwards is forbidden. */
  | { readonly kind: 'refused'; readonly error: UserError; readonly forced: boolean }
  /** The connection broke: the push may have taken effect or not. */
  | { readonly kind: 'unknown'; readonly error: UserError }

const broken =
  /hung up unexpectedly|early EOF|RPC failed|unexpected disconnect|Empty reply|Connection (?:reset|refused|timed out)|Could not resolve|Couldn't resolve|Failed to connect|Recv failure|Send failure|timed out|too slow|transfer closed|SSL_ERROR_SYSCALL|gnutls_handshake|GOAWAY|HTTP2 framing|unpacker error|index-pack abnormal exit|unpack-objects abnormal exit|bad pack header|expected flush after|invalid server response|returned error: (?:408|429|5\d\d)/i

/** Failures of the server itself, which git words like a refusal. */
const ofTheServer =
  /fatal error in commit_refs|\((?:Internal Server Error|remote failed to report status|failure)\)|remote: (?:Internal Server Error|Service Unavailable)/i

/** The last lines of what git said, without those that only tell of progress. Hostile text. */
function quoted(stderr: string): string {
  const lines = stderr
    .split(/[\r\n]+/)
    .map((line) => line.trim())
    .filter(
      (line) =>
        line !== '' &&
        !/^(?:remote: )?(?:Enumerating|Counting|Compressing|Writing|Total|Resolving|Receiving|Unpacking)\b/.test(line)
    )
  return lines.slice(-8).join(' | ').slice(-1000)
}

/**
 * What git's standard error (in the C locale) means for the person who runs the action. Texts of git from its sources
 * (http.c, remote-curl.c, send-pack.c); `GHnnn` are GitHub's own, see "GH001" and "GH013" in its documentation.
 */
export function gitError(step: string, repository: string, stderr: string): UserError {
  const said = quoted(stderr)
  const what = (text: string) => `${text} (${step}, ${repository}): ${said}`
  if (/returned error: 30\d|unable to update url base from redirection/i.test(stderr)) {
    return new UserError('SB406', what('The repository answers from another address'))
  }
  if (
    /could not read (?:Username|Password)|Authentication failed|returned error: 401|Invalid username or/i.test(stderr)
  ) {
    return new UserError('SB402', what('The token was not accepted'))
  }
  if (/SAML SSO|single sign-on/i.test(stderr)) {
    return new UserError('SB403', what('The token is not authorised for single sign-on of the organisation'), {
      remedy: 'Authorise the token for single sign-on in the settings of its owner, then run again.'
    })
  }
  if (/returned error: 403|Permission to .* denied|Write access to repository not granted/i.test(stderr)) {
    const scope = step === 'push' ? 'contents: write' : 'contents: read'
    return new UserError('SB403', `${what('The token may not do this')}. This needs the permission \`${scope}\`.`, {
      remedy: `Give the job \`permissions: ${scope}\`, or the token that permission on ${repository}.`
    })
  }
  if (/returned error: 404|repository '[^']*' not found|Repository not found/i.test(stderr)) {
    return new UserError('SB405', what('The repository was not found'))
  }
  if (/push protection|secret scanning|contains? secrets/i.test(stderr)) {
    return new UserError('SB408', what('Push protection found secrets in the backup'))
  }
  if (
    /GH001|exceeds GitHub's file size limit|exceeds maximum (?:allowed )?(?:pack )?size|pack is larger|returned error: 413/i.test(
      stderr
    )
  ) {
    return new UserError('SB409', what('The server refuses the size'))
  }
  if (ofTheServer.test(stderr) && !/\bGH\d{3}\b/.test(stderr))
    return new UserError('SB401', what('The server failed at the push'), { mayPass: true })
  if (
    /GH006|GH013|protected branch|hook declined|\[remote rejected\]/i.test(stderr) &&
    !/unpacker error/.test(stderr)
  ) {
    return new UserError('SB407', what('The rules of the repository refuse the push'))
  }
  return new UserError('SB401', what('git did not succeed'), { mayPass: broken.test(stderr) })
}

/** Reads `git push --porcelain`: one status line a ref on standard output, the server's words on standard error. */
export function pushOutcome(repository: string, code: number | null, stdout: string, stderr: string): PushOutcome {
  if (code === 0) return { kind: 'accepted' }
  const status = stdout.split('\n').find((line) => line.startsWith('!')) ?? ''
  if (
    /\[rejected\] \((?:fetch first|non-fast-forward|stale info|needs force|already exists|remote ref updated since checkout)\)/.test(
      status
    )
  ) {
    return { kind: 'raced' }
  }
  // The server compares the ref again under its lock; these are the answers when another push was faster.
  if (
    /\[remote rejected\]/.test(status) &&
    /cannot lock ref|failed to update ref|incorrect old value|reference already exists|is at [0-9a-f]+ but expected|fetch first/i.test(
      `${status} ${stderr}`
    )
  ) {
    return { kind: 'raced' }
  }
  const error = gitError('push', repository, `${stderr}\n${status.replaceAll('\t', ' ')}`)
  if (error.mayPass) return { kind: 'unknown', error }
  const forced = /\(non-fast-forward\)|force-push|force push|non-fast-forward/i.test(`${status} ${stderr}`)
  return { kind: 'refused', error, forced: forced || error.code === 'SB407' }
}
