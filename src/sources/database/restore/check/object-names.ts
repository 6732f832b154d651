import type { Guard } from '../../../../archive/contents-database.ts'
import { factsOfKind } from '../../pg-archive/kinds.ts'
import type { TocEntry } from '../../pg-archive/toc.ts'

/** The name of an entry's object as the fingerprint has it, but for quotes and blanks: see `comparable`. */
export function guardNameOf(entry: TocEntry): string {
  const tag = /^(?:ACL|COMMENT)$/.test(entry.kind) ? entry.tag.replace(/^[A-Z]+(?: [A-Z]+)* /, '') : entry.tag
  if (factsOfKind(entry.kind).family === 'of table') {
    const [table = '', ...rest] = tag.split(' ')
    return `${rest.join(' ')} on ${entry.schema}.${table}`
  }
  return entry.schema === '' ? tag : `${entry.schema}.${tag}`
}

/** A subject without what is written in several ways. */
export function comparable(name: string): string {
  return name.replaceAll('"', '').replaceAll(', ', ',')
}

const identifier = '(?:"(?:[^"]|"")*"|[^\\s".]+)'
const place = `${identifier}(?:\\.${identifier})*`
const onRelation = new RegExp(`^${identifier} on (${place})$`)
const ofColumn = new RegExp(`^(${place})\\.${identifier}$`)
const ofIndex = new RegExp(`^CREATE (?:UNIQUE )?INDEX ${identifier} ON (?:ONLY )?(${place}) USING `)
const ofStatistics = new RegExp(` FROM (${place})$`)

/** The table or view that something of the fingerprint is said of, by the fingerprint's own name; undefined where it is said of none. */
export function relationOf({ kind, name, definition }: Guard): string | undefined {
  const object = kind.replace(/^(?:owner of|grants on) /, '')
  if (/^(?:policy|trigger|rule|constraint)$/.test(object)) return onRelation.exec(name)?.[1]
  if (object === 'column') return ofColumn.exec(name)?.[1]
  if (kind === 'index') return ofIndex.exec(definition)?.[1]
  if (kind === 'statistics') return ofStatistics.exec(definition.split('\n', 1)[0] ?? '')?.[1]
  if (/^(?:row security|table|foreign table|view|materialized view)$/.test(object)) return name
  return kind === 'comment' ? relationOfComment(name) : undefined
}

const relationTypes = '(?:table|foreign table|view|materialized view)'
const commentOnRelation = new RegExp(`^${relationTypes} (${place})$`)
const commentOnColumn = new RegExp(`^${relationTypes} column (${place})\\.${identifier}$`)
const commentOnPart = new RegExp(`^(?:policy|trigger|rule|table constraint) ${identifier} on (${place})$`)

function relationOfComment(name: string): string | undefined {
  return [commentOnColumn, commentOnRelation, commentOnPart]
    .map((pattern) => pattern.exec(name)?.[1])
    .find((relation) => relation !== undefined)
}
