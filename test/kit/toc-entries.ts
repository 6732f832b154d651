import type { ArchiveToc, TocEntry } from '../../src/sources/database/pg-archive/toc.ts'

let next = 1

/** An entry of a table of contents, for plans that need no server. */
export function entry(fields: Partial<TocEntry> & Pick<TocEntry, 'kind' | 'tag'>): TocEntry {
  const id = next
  next += 1
  return {
    id,
    schema: 'public',
    owner: 'postgres',
    classId: '0',
    objectId: String(id),
    section: 2,
    definition: '',
    dropStatement: '',
    accessMethod: '',
    copyStatement: '',
    needs: [],
    hasData: false,
    ...fields
  }
}

export function tocOf(entries: readonly TocEntry[]): ArchiveToc {
  return {
    format: '1.14',
    database: 'test',
    serverVersion: '15.0',
    dumpVersion: '15.0',
    madeAt: new Date(0),
    entries,
    length: 0
  }
}
