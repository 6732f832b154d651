import { type Glob, parseGlob } from '../base/glob.ts'
import { parsePattern } from '../sources/database/catalog/patterns.ts'
import { accepted, hasControl, type Parse, refused, unlessRefused } from './parsed.ts'

const longestPattern = 300
const mostPatterns = 1000

/** Patterns of schemas by comma or line, checked by the parser that reads them later and kept as they were typed. */
export const parseSchemaPatterns: Parse<readonly string[]> = (text) => patternList(text, 'schema')

/** Patterns of tables (`schema.table`) by comma or line. */
export const parseTablePatterns: Parse<readonly string[]> = (text) => patternList(text, 'table')

function patternList(text: string, kind: 'schema' | 'table'): ReturnType<Parse<readonly string[]>> {
  const form =
    kind === 'schema'
      ? 'allowed are schema names, * for any characters, "in quotes" where a name holds a dot, a comma or *'
      : 'allowed are schema.table (a whole schema: schema.*), * for any characters, "in quotes" where a name holds a dot, a comma or *'
  const items = splitPatterns(text)
  if (items.length === 0 || items.length > mostPatterns)
    return refused(`allowed are 1 to ${mostPatterns} patterns, by comma or line`)
  const bad = items.findIndex((item) => item.length > longestPattern || hasControl(item) || !isPattern(item, kind))
  if (bad === -1) return accepted(items)
  const blank = /^[^"]*\S\s+\S[^"]*$/.test(items[bad] ?? '')
    ? '; put a comma or a line break between names, not a blank'
    : ''
  return refused(`${items.length === 1 ? form : `entry ${bad + 1}: ${form}`}${blank}`)
}

function isPattern(text: string, kind: 'schema' | 'table'): boolean {
  return unlessRefused(() => parsePattern(text, kind)) !== undefined
}

/** A pattern for names of buckets: `*` is any run of characters. */
export const parseBucketPattern: Parse<Glob> = (text) =>
  hasControl(text) || text.length > longestPattern
    ? refused(`allowed is a bucket name of at most ${longestPattern} characters, * for any characters`)
    : accepted(parseGlob(text))

/** Items by comma or line, but not inside double quotes. */
export function splitPatterns(text: string): string[] {
  const items: string[] = []
  let start = 0
  let quoted = false
  for (let at = 0; at <= text.length; at += 1) {
    const character = text[at]
    if (character === '"') quoted = !quoted
    if (character === undefined || (!quoted && (character === ',' || character === '\n'))) {
      items.push(text.slice(start, at).trim())
      start = at + 1
    }
  }
  return items.filter((item) => item !== '')
}
