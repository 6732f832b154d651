import type { TableFacts } from '../../../archive/contents-database.ts'
import { plainName, readable } from '../catalog/quote.ts'

/** The tables above a partition, the nearest first, by `readable` name. */
export function ancestorsOf(
  table: Pick<TableFacts, 'partitionOf'>,
  tables: ReadonlyMap<string, TableFacts>
): readonly string[] {
  const found: string[] = []
  for (let above = table.partitionOf; above !== undefined; ) {
    const name = plainName(above)
    if (found.includes(name)) break
    found.push(name)
    above = tables.get(name)?.partitionOf
  }
  return found
}

type Counted = Pick<TableFacts, 'schema' | 'name' | 'rows' | 'hash'>

/**
 * Puts the partitions together whose rows were loaded through a table above them, by the name of that table: where the hash of a value hangs on object numbers
 * (an enum), or the order of texts on the locale, the same row lies in another partition of another server, and only all of them together are comparable. The
 * hash of a table is a sum over its rows, so that of several is theirs. `roots`: names of partitions, and of the tables that their rows went through.
 */
export function mergedByRoot<T extends Counted>(tables: readonly T[], roots: ReadonlyMap<string, string>): T[] {
  const rest = tables.filter((table) => !roots.has(readable(table)))
  const groups = Map.groupBy(
    tables.filter((table) => roots.has(readable(table))),
    (table) => roots.get(readable(table)) ?? ''
  )
  return [...rest, ...[...groups].flatMap(([root, parts]) => mergedOf(root, parts))]
}

function mergedOf<T extends Counted>(root: string, parts: readonly T[]): T[] {
  const [first] = parts
  if (first === undefined) return []
  const rows = parts.every((part) => part.rows !== null) ? sum(parts.map((part) => part.rows ?? '0')) : null
  const method = first.hash?.method
  const hashes = parts.map(({ hash }) => (hash !== null && hash.method === method ? hash.value : null))
  const hash =
    method === undefined || hashes.includes(null) ? null : { method, value: sum(hashes.map((value) => value ?? '0')) }
  const [schema = '', name = ''] = namesOf(root)
  return [{ ...first, schema, name, rows, hash }]
}

const sum = (numbers: readonly string[]) => numbers.reduce((total, number) => total + BigInt(number), 0n).toString()

/** Schema and name of what `readable` wrote. */
function namesOf(text: string): string[] {
  return [...text.matchAll(/"((?:[^"]|"")*)"|([^."]+)/g)].map(
    ([, quoted, bare]) => quoted?.replaceAll('""', '"') ?? bare ?? ''
  )
}
