import { UserError } from '../../../errors.ts'
import { unquoteIdentifier } from '../catalog/quote.ts'
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
 * Takes apart the `COPY` that pg_dump wrote for a table. It is read, never run: what is sent to a server is written anew from the names. Rows of a partition may
 * go through a table above it, which `isAbove` tells: pg_dump writes that where another server would put them into other partitions. Throws SB603 where it
 * is anything but that one statement for the entry's own table or one above it.
 */
export function parseCopyStatement(
  entry: Pick<TocEntry, 'schema' | 'tag' | 'copyStatement'>,
  isAbove: (table: { readonly schema: string; readonly name: string }) => boolean = () => false
): CopiedColumns {
  const match = statement.exec(entry.copyStatement)
  const schema = unquoteIdentifier(match?.[1] ?? '')
  const table = unquoteIdentifier(match?.[2] ?? '')
  const isOwn = schema === entry.schema && table === entry.tag
  if (match === null || !(isOwn || isAbove({ schema, name: table }))) {
    throw new UserError('SB603', `The archive holds rows of ${entry.schema}.${entry.tag} in a form that is not known.`)
  }
  const columns = [...(match[3] ?? '').matchAll(new RegExp(name, 'gu'))].map(([text]) => unquoteIdentifier(text))
  return { schema, table, columns }
}
