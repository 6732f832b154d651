/**
 * JSON as stored files may hold it, read without leniency: UTF-8 without a byte order mark, no key twice, no `__proto__`, no lone surrogate,
 * no number that is not kept exactly (integers beyond 2^53, overflow to infinity), nothing nested deeper than 64. `JSON.parse` does the
 * reading; the scan before it looks for what that lets through.
 */
export type StrictJson =
  | { readonly kind: 'ok'; readonly value: unknown }
  | { readonly kind: 'refused'; readonly reason: string }

/** Most levels of JSON that is read. */
export const deepestJson = 64

/** Reads JSON strictly. Never throws; the reasons quote nothing of the text. */
export function parseStrictJson(bytes: Uint8Array): StrictJson {
  let text: string
  try {
    text = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes)
  } catch {
    return refused('it is not UTF-8')
  }
  return parseStrictText(text)
}

/** As `parseStrictJson`, of text that was decoded already; `deepest`: levels allowed. */
export function parseStrictText(text: string, deepest = deepestJson): StrictJson {
  if (text.startsWith('\uFEFF')) return refused('it begins with a byte order mark')
  const reason = scan(text, deepest)
  if (reason !== null) return refused(reason)
  try {
    const value: unknown = JSON.parse(text)
    return { kind: 'ok', value }
  } catch {
    // The parser's message quotes the text, which may be secret.
    return refused('it is not valid JSON')
  }
}

function refused(reason: string): StrictJson {
  return { kind: 'refused', reason }
}

/**
 * Finds what JSON.parse accepts silently; null when there is nothing of that. It needs no grammar: of valid JSON it sees every key, string
 * and number, and what it makes of invalid JSON does not matter, since JSON.parse refuses that.
 */
function scan(text: string, deepest: number): string | null {
  /** One entry for each open bracket: the keys so far of an object, null for an array. */
  const open: (Set<string> | null)[] = []
  let at = 0
  while (at < text.length) {
    const character = text.charCodeAt(at)
    if (character === quote) {
      const end = endOfString(text, at)
      const string = stringValue(text.slice(at, end))
      if (string === null) return 'it holds a broken string'
      if (!string.isWellFormed()) return 'it holds half of a character (a lone surrogate)'
      at = end
      const keys = open.at(-1)
      if (keys === undefined || keys === null || !colonFollows(text, end)) continue
      if (string === '__proto__') return 'it holds the key __proto__'
      if (keys.has(string)) return 'it holds a key twice'
      keys.add(string)
    } else if (character === openBrace || character === openBracket) {
      open.push(character === openBrace ? new Set() : null)
      if (open.length > deepest) return `it is nested deeper than ${deepest} levels`
      at += 1
    } else if (character === closeBrace || character === closeBracket) {
      open.pop()
      at += 1
    } else if (character === minus || (character >= zero && character <= nine)) {
      const end = endOfNumber(text, at)
      if (!isExact(text.slice(at, end))) return 'it holds a number that cannot be kept exactly'
      at = end
    } else {
      at += 1
    }
  }
  return null
}

const quote = 0x22
const backslash = 0x5c
const openBrace = 0x7b
const closeBrace = 0x7d
const openBracket = 0x5b
const closeBracket = 0x5d
const minus = 0x2d
const zero = 0x30
const nine = 0x39

/** Index after the closing quote of the string that begins at `start`, or the end of the text. */
function endOfString(text: string, start: number): number {
  for (let at = start + 1; at < text.length; at += 1) {
    const character = text.charCodeAt(at)
    if (character === backslash) at += 1
    else if (character === quote) return at + 1
  }
  return text.length
}

function endOfNumber(text: string, start: number): number {
  let at = start + 1
  while (at < text.length && '0123456789+-.eE'.includes(text.charAt(at))) at += 1
  return at
}

function stringValue(token: string): string | null {
  if (!token.includes('\\')) return token.slice(1, -1)
  try {
    // What begins with a quote and can be parsed is a string.
    return String(JSON.parse(token))
  } catch {
    return null
  }
}

function colonFollows(text: string, from: number): boolean {
  let at = from
  while (at < text.length && ' \t\r\n'.includes(text.charAt(at))) at += 1
  return text.charAt(at) === ':'
}

function isExact(token: string): boolean {
  const value = Number(token)
  return Number.isFinite(value) && (!Number.isInteger(value) || Number.isSafeInteger(value))
}
