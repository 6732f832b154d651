import { type Glob, globMatches } from '../../../base/glob.ts'
import { UserError } from '../../../errors.ts'

/** A pattern of the inputs `schemas`, `tables` and their excludes, taken apart. */
export interface Pattern {
  /** As it was typed, for messages. */
  readonly text: string
  readonly schema: Glob
  /** Undefined for a pattern of schemas alone. */
  readonly table: Glob | undefined
}

/**
 * Takes `schema` or `schema.table` apart. `*` stands for any characters; parts in double quotes are taken literally, dots and stars
 * included. A table pattern without a schema means any schema. Throws SB001.
 */
export function parsePattern(text: string, kind: 'schema' | 'table'): Pattern {
  const parts = split(text)
  if (parts.length > (kind === 'schema' ? 1 : 2) || parts.some((part) => part.length === 1 && part[0] === '')) {
    throw new UserError('SB001', `The pattern ${text} is not ${kind === 'schema' ? 'a schema' : '`schema.table`'}.`)
  }
  const [first = [''], second] = parts
  if (kind === 'schema') return { text, schema: first, table: undefined }
  return second === undefined ? { text, schema: ['', ''], table: first } : { text, schema: first, table: second }
}

function split(text: string): string[][] {
  const parts: string[][] = [['']]
  let quoted = false
  for (let index = 0; index < text.length; index += 1) {
    const character = text.charAt(index)
    const part = parts.at(-1) ?? []
    if (character === '"') {
      if (quoted && text.charAt(index + 1) === '"') {
        index += 1
        part.push(`${part.pop() ?? ''}"`)
      } else quoted = !quoted
    } else if (!quoted && character === '.') parts.push([''])
    else if (!quoted && character === '*') part.push('')
    else part.push(`${part.pop() ?? ''}${character}`)
  }
  if (quoted || text.includes('\0')) throw new UserError('SB001', `The pattern ${text} has a quote that is not closed.`)
  return parts
}

/** The pattern for pg_dump's options: every literal piece in quotes, so that nothing in it has a meaning. Source: psql's manual, "Patterns". */
export function pgDumpPattern(pattern: Pattern): string {
  const render = (glob: Glob) => glob.map((piece) => (piece === '' ? '' : `"${piece.replaceAll('"', '""')}"`)).join('*')
  return pattern.table === undefined ? render(pattern.schema) : `${render(pattern.schema)}.${render(pattern.table)}`
}

/** A pattern that names exactly one table. */
export function exactTable(schema: string, name: string): Pattern {
  return { text: `${schema}.${name}`, schema: [schema], table: [name] }
}

export function matchesSchema(pattern: Pattern, schema: string): boolean {
  return globMatches(pattern.schema, schema)
}

export function matchesTable(pattern: Pattern, schema: string, name: string): boolean {
  return globMatches(pattern.schema, schema) && (pattern.table === undefined || globMatches(pattern.table, name))
}
