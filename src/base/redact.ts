/** Replaces secrets in a text, in every form in which programs and protocols repeat them. */
export type Redact = (text: string) => string

/** Shorter values would turn ordinary text into stars; no secret that protects anything is this short. */
const shortestSecret = 4

/**
 * Makes the function that every outgoing text passes. Found and replaced by `***`: each secret as it is, each of its lines,
 * URL-encoded, JSON-escaped, quoted as databases and shells do, in hexadecimal, and in base64 at each of the three positions in which it can stand inside a
 * longer text.
 */
export function createRedact(secrets: readonly string[]): Redact {
  const needles = new Set<string>()
  for (const secret of secrets) {
    for (const part of [secret, ...secret.split(/\r?\n/)]) {
      const value = part.trim()
      if (value.length < shortestSecret) continue
      for (const form of formsOf(value)) needles.add(form)
    }
  }
  // Longest first, so that a secret that contains another one leaves no rest.
  const ordered = [...needles].sort((a, b) => b.length - a.length)
  if (ordered.length === 0) return (text) => text
  const pattern = new RegExp(ordered.map((needle) => literal(needle)).join('|'), 'g')
  return (text) => text.replace(pattern, '***')
}

/**
 * A value with all of its texts redacted, at every level. Before they are escaped for where they are shown: what an escape has changed within a
 * secret is not found any more.
 */
export function redactTexts<T>(value: T, redact: Redact): T {
  return redacted(value, redact) as T
}

function redacted(value: unknown, redact: Redact): unknown {
  if (typeof value === 'string') return redact(value)
  if (Array.isArray(value)) return value.map((one) => redacted(one, redact))
  if (typeof value !== 'object' || value === null) return value
  return Object.fromEntries(Object.entries(value).map(([name, one]) => [name, redacted(one, redact)]))
}

function formsOf(value: string): string[] {
  const bytes = Buffer.from(value, 'utf8')
  // Half a surrogate pair cannot be encoded; it becomes what it becomes in bytes, too.
  const encoded = encodeURIComponent(value.toWellFormed())
  const forms = [
    value,
    encoded,
    encoded.replace(/[!'()*]/g, (c) => `%${c.charCodeAt(0).toString(16).toUpperCase()}`),
    encoded.replace(/%[0-9A-F]{2}/g, (c) => c.toLowerCase()),
    new URLSearchParams({ v: value }).toString().slice(2),
    JSON.stringify(value).slice(1, -1),
    value
      .replace(/&/g, '&amp;')
      .replace(/</g, '&lt;')
      .replace(/>/g, '&gt;')
      .replace(/"/g, '&quot;')
      .replace(/'/g, '&#39;'),
    // As SQL, a connection string, libpq's password file and a shell quote it.
    value.replaceAll("'", "''"),
    value.replace(/[\\']/g, '\\$&'),
    value.replace(/[\\:]/g, '\\$&'),
    value.replaceAll("'", String.raw`'\''`),
    bytes.toString('hex'),
    bytes.toString('hex').toUpperCase(),
    bytes.toString('base64'),
    bytes.toString('base64url')
  ]
  // Inside a longer base64 text the secret may begin at any of three positions; the characters at its ends depend on its neighbours.
  for (const shift of [0, 1, 2]) {
    const padded = Buffer.concat([Buffer.alloc(shift), bytes])
    const whole = padded.toString('base64').replace(/=+$/, '')
    const start = shift === 0 ? 0 : shift + 1
    const end = whole.length - (padded.length % 3 === 0 ? 0 : 1)
    if (end - start >= 8) {
      forms.push(whole.slice(start, end))
      forms.push(whole.slice(start, end).replace(/\+/g, '-').replace(/\//g, '_'))
    }
  }
  return forms
}

/** A text as a pattern that matches just it. */
function literal(text: string): string {
  return text.replace(/[\\^$.*+?()[\]{}|/-]/g, '\\$&')
}
