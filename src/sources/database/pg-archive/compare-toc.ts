import type { DatabaseFacts, TableFacts } from '../../../archive/contents-database.ts'
import type { Finding } from '../../source.ts'
import { readable } from '../catalog/quote.ts'
import type { ArchiveToc, TocEntry } from './toc.ts'

/** Milliseconds that the clocks of one machine's processes may differ. */
const clockTolerance = 60_000

const kindOfTable: Readonly<Record<TableFacts['kind'], string>> = {
  r: 'TABLE',
  p: 'TABLE',
  m: 'MATERIALIZED VIEW',
  f: 'FOREIGN TABLE'
}

/**
 * Compares an archive's table of contents with what the catalog said in the same snapshot: the archive must be of this database and
 * time, and hold the definition and the rows of exactly the tables that the facts name.
 */
export function compareToc(toc: ArchiveToc, facts: DatabaseFacts): Finding[] {
  const findings: Finding[] = []
  const difference = (subject: string, detail: string) => findings.push({ kind: 'difference', subject, detail })
  const { selection } = facts
  if (toc.database !== facts.source.database) {
    difference('archive', `it was made of the database ${toc.database}, not of ${facts.source.database}`)
  }
  const ahead = Date.parse(facts.snapshotAt) - toc.madeAt.getTime()
  if (!(ahead < clockTolerance))
    difference('archive', `it was made before the snapshot of ${facts.snapshotAt}: it is another dump`)

  const of = (kind: string) =>
    new Map(toc.entries.filter((entry) => entry.kind === kind).map((entry) => [nameOf(entry), entry]))
  const data = of('TABLE DATA')
  for (const table of facts.tables) {
    if (table.kind !== 'r' || table.rows === null) continue
    const entry = data.get(readable(table))
    if (entry?.hasData !== true) difference(`table ${readable(table)}`, 'the archive does not hold its rows')
    data.delete(readable(table))
  }
  for (const name of data.keys())
    difference(`table ${name}`, 'the archive holds rows of it, but the catalog says that there are none to hold')

  if (selection.type !== 'data') {
    const definitions = new Map(Object.values(kindOfTable).map((kind) => [kind, of(kind)]))
    for (const table of facts.tables) {
      if (table.extension !== undefined) continue
      if (definitions.get(kindOfTable[table.kind])?.has(readable(table)) !== true) {
        difference(`table ${readable(table)}`, 'the archive does not hold its definition')
      }
    }
  }
  const narrowed =
    selection.schemas.length +
      selection.tables.length +
      selection.excludeSchemas.length +
      selection.excludeTables.length >
    0
  if (selection.type !== 'schema' && !narrowed) {
    const states = of('SEQUENCE SET')
    for (const sequence of facts.sequences) {
      if (!states.has(readable(sequence)))
        difference(`sequence ${readable(sequence)}`, 'the archive does not hold its state')
    }
    if (facts.largeObjects.count !== '0' && !toc.entries.some((entry) => entry.kind === 'BLOBS' && entry.hasData)) {
      difference('large objects', 'the archive does not hold them')
    }
  }
  return findings
}

function nameOf(entry: TocEntry): string {
  return readable({ schema: entry.schema, name: entry.tag })
}
