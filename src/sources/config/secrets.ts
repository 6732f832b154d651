/** Names of settings whose values are secret. `auth.rate_limit_token_refresh` and `auth.password_min_length` are none. */
const secretNames: readonly RegExp[] = [
  /(?:^|_)secrets?$/i,
  /(?:^|_)(?:pass|passwd|password|passphrase)$/i,
  /(?:^|_)(?:api|access|private|service|service_role|encryption|root|signing)_?keys?$/i,
  /(?:^|_)(?:auth|access|refresh|bearer|api)_token$/i,
  /(?:^|_)credentials?$/i,
  /^sms_test_otp$/i
]

/** Never kept, whatever was asked for: it opens the whole project, or holds what others hold already. */
const neverKept: readonly RegExp[] = [/^jwt_secret$/i, /^connection_?string$/i, /^private_jwk$/i, /^db_pass(?:word)?$/i]

/** Values that are secret whatever the setting is called. */
const secretValues: readonly RegExp[] = [
  /-----BEGIN [A-Z ]*PRIVATE KEY-----/,
  /^(?:sbp|sb_secret|sk_live|sk_test|xox[abpr]|gh[opsu])_/,
  /^eyJ[\w-]{10,}\.[\w-]{10,}\.[\w-]{10,}$/,
  /^[a-z][a-z0-9+.-]*:\/\/[^/\s@]*:[^/\s@]+@/i
]

/** The private members of a JSON Web Key (RFC 7518, 6.2.2, 6.3.2, 6.4.1). */
const privateKeyMembers = new Set(['d', 'p', 'q', 'dp', 'dq', 'qi', 'oth', 'k'])

/** What lies deeper is no setting that anybody made. */
const deepest = 60

export function isSecretName(name: string): boolean {
  return [...secretNames, ...neverKept].some((pattern) => pattern.test(name))
}

/** A digest in place of a value: the Management API gives these for most secrets (HMAC-SHA-256, see the CLI's config package). */
export function isDigest(value: unknown): boolean {
  return typeof value === 'string' && /^[0-9a-f]{64}$/.test(value)
}

export interface WithoutSecrets {
  readonly value: unknown
  /** Paths of what was left out and had a value: `auth.smtp_pass`, `pooler[0].connection_string`. */
  readonly omitted: readonly string[]
}

/** Takes secret values out of settings. `include`: keeps those that may be kept at all. */
export function withoutSecrets(settings: unknown, at: string, include: boolean): WithoutSecrets {
  const omitted: string[] = []
  const visit = (value: unknown, path: string, depth: number): unknown => {
    if (depth > deepest && typeof value === 'object' && value !== null) {
      omitted.push(path)
      return null
    }
    if (Array.isArray(value)) return value.map((each, index) => visit(each, `${path}[${index}]`, depth + 1))
    if (typeof value === 'object' && value !== null) {
      const isKey = 'kty' in value
      return Object.fromEntries(
        Object.entries(value).flatMap(([name, member]) => {
          const here = `${path}.${name}`
          const never = neverKept.some((pattern) => pattern.test(name)) || (isKey && privateKeyMembers.has(name))
          if (!never && (include || !isSecret(name, member))) return [[name, visit(member, here, depth + 1)]]
          // An empty setting is no secret, and that it is empty is worth knowing.
          if (isEmpty(member)) return [[name, member]]
          omitted.push(here)
          return []
        })
      )
    }
    if (!include && typeof value === 'string' && secretValues.some((pattern) => pattern.test(value))) {
      omitted.push(path)
      return null
    }
    return value
  }
  return { value: visit(settings, at, 0), omitted }
}

function isSecret(name: string, value: unknown): boolean {
  if (typeof value === 'boolean' || typeof value === 'number') return false
  return (
    secretNames.some((pattern) => pattern.test(name)) ||
    (typeof value === 'string' && secretValues.some((pattern) => pattern.test(value)))
  )
}

export function isEmpty(value: unknown): boolean {
  return value === null || value === undefined || value === '' || (Array.isArray(value) && value.length === 0)
}
