import { parseConnectionString } from '../base/connection-string.ts'
import { declaredInputs, type InputName, inputNames } from './input-definitions.ts'
import { parseSmtp } from './places.ts'

const connectionStrings: readonly InputName[] = ['database-url', 'verify-database-url', 'target-database-url']

/**
 * Every secret value in the inputs, and the parts of them that travel alone: for masking and redaction, before anything
 * else happens. Works on the texts as given, also on those that are refused later: the password of a malformed
 * connection string is searched for in every way in which it could be read.
 */
export function secretsOf(get: (name: string) => string): string[] {
  const secrets = new Set<string>()
  for (const name of inputNames) {
    if (declaredInputs[name].value !== 'secret') continue
    const text = get(name).trim()
    if (text === '') continue
    secrets.add(text)
    for (const line of text.split('\n')) {
      const trimmed = line.trim()
      if (trimmed !== '' && !trimmed.startsWith('#') && !trimmed.startsWith('-----')) secrets.add(trimmed)
    }
    for (const part of partsOf(name, text)) {
      // An empty password (`user:@host`) would be found everywhere.
      if (part !== '') secrets.add(part)
    }
  }
  return [...secrets]
}

function partsOf(name: InputName, text: string): readonly string[] {
  if (connectionStrings.includes(name)) {
    const parsed = parseConnectionString(text)
    return parsed.ok ? [...given(parsed.fields.password), ...passwordsIn(text)] : passwordsIn(text)
  }
  if (name === 'smtp-url') {
    const parsed = parseSmtp(text)
    return parsed.ok ? [...given(parsed.value.password), ...passwordsIn(text)] : passwordsIn(text)
  }
  if (name === 'notify-webhook' || name === 'ping-url') {
    const url = URL.parse(text)
    if (url === null) return []
    return [
      url.href,
      ...(url.pathname.length > 8 ? [url.pathname] : []),
      ...(url.search.length > 8 ? [url.search] : []),
      ...passwordsIn(text)
    ]
  }
  return []
}

function given(password: string | undefined): readonly string[] {
  return password === undefined ? [] : [password]
}

/** What can be a password in an address or a key=value text, encoded and decoded. */
function passwordsIn(text: string): readonly string[] {
  const found: string[] = []
  const afterScheme = text.indexOf('://') === -1 ? -1 : text.indexOf('://') + 3
  const lastAt = text.lastIndexOf('@')
  if (afterScheme !== -1 && lastAt > afterScheme) {
    const userInfo = text.slice(afterScheme, lastAt)
    const colon = userInfo.indexOf(':')
    if (colon !== -1) {
      const whole = userInfo.slice(colon + 1)
      found.push(whole)
      const firstAt = whole.indexOf('@')
      if (firstAt !== -1) found.push(whole.slice(0, firstAt))
    }
  }
  const pair = /(?:^|[\s?&])password\s{0,10}=\s{0,10}(?:'((?:[^'\\]|\\.){1,4000})'|([^\s&]{1,4000}))/.exec(text)
  const value = pair?.[1] ?? pair?.[2]
  if (value !== undefined) found.push(value)
  return found.flatMap((password) => [password, decoded(password)])
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text)
  } catch {
    return text
  }
}
