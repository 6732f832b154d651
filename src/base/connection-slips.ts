// What people paste by mistake where a connection string belongs. Reasons never quote the text: any piece of it may be a part of the password.

interface Slip {
  readonly form: RegExp
  readonly reason: string
}

const form = 'postgresql://user:password@host:5432/database'

const slips: readonly Slip[] = [
  {
    form: /^jdbc:/i,
    reason: `it is an address for JDBC: take jdbc: away, and write user and password in front of the host: ${form}`
  },
  {
    form: /^(["'`\u2018\u2019\u201c\u201d]).*\1?$/,
    reason: `it begins with a quote: take the quotes around it away, so that it begins with postgresql://`
  },
  {
    form: /^(?:export\s+)?[A-Za-z_][A-Za-z0-9_-]{0,80}\s{0,5}[=:]\s{0,5}["'`]?(?:postgresql|postgres|jdbc):/,
    reason:
      'it begins with the name of a variable, as in a .env file: take the name and the = away, so that it begins with postgresql://'
  },
  {
    form: /^(?:psql|pg_dump)\s/,
    reason: 'it is a command: give the connection string in it alone, which begins with postgresql://'
  },
  {
    form: /^https?:\/\//i,
    reason: `it must begin with postgresql://, and this is the address of the API or of a page: give the connection string of the database (dashboard, Connect, Session pooler), ${form}`
  }
]

/** What was meant to be a connection string and is none, for the reason that helps; undefined where nothing of the kind is seen. */
export function slipIn(text: string): string | undefined {
  return slips.find((slip) => slip.form.test(text))?.reason
}

/** Whether a user, host or ref is what a page of documentation has in its place: `<ref>`, `[YOUR-PROJECT-REF]`, `{region}`. */
export function isPlaceholder(text: string): boolean {
  return /<[^<>]{0,60}>|\[[A-Za-z][^[\]]{0,60}\]|\{[^{}]{0,60}\}/.test(text)
}

/** Whether a password is the text that stands in its place: `[YOUR-PASSWORD]`, `<password>`, `"password"`. */
export function isPasswordPlaceholder(password: string): boolean {
  const inside = /^(?:\[(.*)\]|<(.*)>|\{(.*)\}|"(.*)"|'(.*)')$/
    .exec(password)
    ?.slice(1)
    .find((one) => one !== undefined)
  const isWord = (text: string) =>
    /^(?:your[-_ ]?)?(?:db[-_ ]?|database[-_ ]?|postgres[-_ ]?)?(?:password|pass)$/i.test(text)
  return /^YOUR[-_ ]PASSWORD$/i.test(password) || (inside !== undefined && isWord(inside))
}

/**
 * Whether more than one of the characters that part a connection string stand unencoded before the last `@`, where a host follows: they can only be of the
 * password.
 */
export function holdsUnencoded(rest: string): boolean {
  const at = rest.lastIndexOf('@')
  if (at === -1 || !/^[A-Za-z0-9_.-]+(?::\d{1,5})?(?:[/?].*)?$/.test(rest.slice(at + 1))) return false
  const colon = rest.indexOf(':')
  if (colon === -1 || colon > at) return false
  const found = new Set(rest.slice(colon + 1, at).match(/[@/?#]/g) ?? [])
  // Of @ and / alone other messages tell, one by one.
  return found.size > 1 && (found.has('?') || found.has('#'))
}
