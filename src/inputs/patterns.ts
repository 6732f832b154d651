import { accepted, hasControl, type Parse, type Parsed, refused } from './parsed.ts'

/**
 * A name with wildcards: the literal pieces between its `*`. `['log_', '']` is `log_*`, `['a']` is just `a`, `['', '']` is `*`.
 * Everything but `*` stands for itself, case included.
 */
export interface Glob {
  readonly pieces: readonly string[]
}

/** Names of schemas. */
export interface SchemaPattern {
  readonly schema: Glob
}

/** Names of tables in schemas. */
export interface TablePattern {
  readonly schema: Glob
  readonly table: Glob
}

const longestPattern = 300

/** Reads a pattern for one name, as buckets have it: `*` is any run of characters. */
export const parseBucketPattern: Parse<Glob> = (text) =>
  hasControl(text) || text.length > longestPattern
    ? refused(`allowed is a bucket name of at most ${longestPattern} characters, * for any characters`)
    : accepted({ pieces: text.split('*') })

/** Reads `schema`: a name, `*` for any characters, or `"quoted name"` in which every character stands for itself. */
export const parseSchemaPattern: Parse<SchemaPattern> = (text) => {
  const names = splitNames(text)
  const [schema, ...rest] = names ?? []
  return schema === undefined || rest.length > 0 ? refused(schemaForm) : accepted({ schema })
}

/** Reads `schema.table`, or `*` for all tables. */
export const parseTablePattern: Parse<TablePattern> = (text) => {
  const names = splitNames(text)
  const [schema, table, ...rest] = names ?? []
  if (schema === undefined || rest.length > 0) return refused(tableForm)
  if (table !== undefined) return accepted({ schema, table })
  return text === '*' ? accepted({ schema, table: schema }) : refused(tableForm)
}

const schemaForm = 'allowed are schema names, * for any characters, "in quotes" where a name holds a dot, comma or *'
const tableForm = 'allowed are schema.table (for a whole schema: schema.*), * for any characters, "in quotes" where a name holds a dot, comma or *'

/** The names of a pattern, parted by dots outside quotes; undefined when it is malformed. */
function splitNames(text: string): Glob[] | undefined {
  if (text.length > longestPattern || hasControl(text)) return undefined
  const names: Glob[] = []
  let pieces = ['']
  let quoted = false
  let wasQuoted = false
  const push = (character: string) => {
    pieces[pieces.length - 1] += character
  }
  for (let at = 0; at < text.length; at += 1) {
    const character = text.charAt(at)
    if (character === '"') {
      if (quoted && text[at + 1] === '"') {
        push('"')
        at += 1
      } else {
        quoted = !quoted
        wasQuoted = true
      }
    } else if (quoted) push(character)
    else if (character === '.') {
      if (isEmpty(pieces)) return undefined
      names.push({ pieces })
      pieces = ['']
      wasQuoted = false
    } else if (character === '*') pieces.push('')
    else if (character === ' ' || character === "'") return undefined
    else push(character)
  }
  if (quoted || (isEmpty(pieces) && !wasQuoted) || isEmpty(pieces)) return undefined
  names.push({ pieces })
  return names
}

function isEmpty(pieces: readonly string[]): boolean {
  return pieces.length === 1 && pieces[0] === ''
}

/** Whether a name fits. Takes at most time proportional to the lengths of name and pattern multiplied: no regular expression is built. */
export function globMatches(glob: Glob, name: string): boolean {
  const [first = '', ...rest] = glob.pieces
  if (rest.length === 0) return name === first
  const last = rest.pop() ?? ''
  if (name.length < first.length + last.length || !name.startsWith(first) || !name.endsWith(last)) return false
  let at = first.length
  const end = name.length - last.length
  for (const piece of rest) {
    const found = name.indexOf(piece, at)
    if (found === -1 || found + piece.length > end) return false
    at = found + piece.length
  }
  return at <= end
}

export function schemaMatches(pattern: SchemaPattern, schema: string): boolean {
  return globMatches(pattern.schema, schema)
}

export function tableMatches(pattern: TablePattern, schema: string, table: string): boolean {
  return globMatches(pattern.schema, schema) && globMatches(pattern.table, table)
}

/**
 * The pattern in the language of pg_dump and psql: every literal piece in double quotes, where no character but the doubled
 * quote has a meaning; only `*` stands outside. So a `?`, `[`, `|`, `$` or a leading `-` in a name stays a plain character.
 */
export function toPgDumpPattern(pattern: SchemaPattern | TablePattern): string {
  const schema = quoted(pattern.schema)
  return 'table' in pattern ? `${schema}.${quoted(pattern.table)}` : schema
}

function quoted(glob: Glob): string {
  return glob.pieces.map((piece) => (piece === '' ? '' : `"${piece.replaceAll('"', '""')}"`)).join('*')
}

/** The pattern as a person writes it, for messages. Hostile text. */
export function describePattern(pattern: SchemaPattern | TablePattern): string {
  const schema = pattern.schema.pieces.join('*')
  return 'table' in pattern ? `${schema}.${pattern.table.pieces.join('*')}` : schema
}

/** Items by comma or line, but not inside double quotes. */
export function splitPatterns(text: string): string[] {
  const items = ['']
  let quotes = false
  for (const character of text) {
    if (character === '"') quotes = !quotes
    if ((character === ',' && !quotes) || character === '\n') items.push('')
    else items[items.length - 1] += character
  }
  return items.map((item) => item.trim()).filter((item) => item !== '')
}

/** Reads a list of patterns; see `splitPatterns`. At most 1000. */
export function patternList<T>(parse: Parse<T>): Parse<readonly T[]> {
  return (text) => {
    const items = splitPatterns(text)
    if (items.length === 0 || items.length > 1000) return refused('allowed are 1 to 1000 patterns, by comma or line')
    const values: T[] = []
    for (const item of items) {
      const parsed: Parsed<T> = parse(item)
      if (!parsed.ok) return items.length === 1 ? parsed : refused(`entry ${values.length + 1}: ${parsed.reason}`)
      values.push(parsed.value)
    }
    return accepted(values)
  }
}
