import { UserError } from '../../../errors.ts'
import type { TocEntry } from './toc.ts'

/** What the rows of a table data entry are. */
export interface CopiedColumns {
  readonly schema: string
  readonly table: string
  /** Names in the order of the data; empty for a table without columns. */
  readonly columns: readonly string[]
}

const name = String.raw`(?:"(?:[^"]|"")+"|[a-z_\u0080-\uffff][a-z0-9_$\u0080-\uffff]*)`
const statement = new RegExp(
  String.raw`^COPY (${name})\.(${name}) (?:\((${name}(?:, ${name})*)\) )? ?FROM stdin;\n$`,
  'u'
)

/**
 * Takes apart the `COPY` that pg_dump wrote for a table. It is read, never run: what is sent to a server is written anew from the names. Throws SB603
 * where it is anything but that one statement for the entry's own table.
 */
export function parseCopyStatement(entry: Pick<TocEntry, 'schema' | 'tag' | 'copyStatement'>): CopiedColumns {
  const match = statement.exec(entry.copyStatement)
  const schema = plain(match?.[1])
  const table = plain(match?.[2])
  if (match === null || schema !== entry.schema || table !== entry.tag) {
    throw new UserError('SB603', `The archive holds rows of ${entry.schema}.${entry.tag} in a form that is not known.`)
  }
  const columns = [...(match[3] ?? '').matchAll(new RegExp(name, 'gu'))].map(([text]) => plain(text))
  return { schema, table, columns }
}

function plain(text: string | undefined): string {
  if (text === undefined) return ''
  return text.startsWith('"') ? text.slice(1, -1).replaceAll('""', '"') : text
}
