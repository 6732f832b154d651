import type { TocEntry } from '../../src/sources/database/pg-archive/toc.ts'

/** Data of an entry in an archive: pieces of rows, or large objects with the pieces of each. */
export type Block =
  | { readonly id: number; readonly rows: readonly string[] }
  | { readonly id: number; readonly objects: readonly { readonly oid: number; readonly pieces: readonly string[] }[] }

const integer = (value: number) => {
  const bytes = Buffer.alloc(5)
  bytes[0] = value < 0 ? 1 : 0
  bytes.writeUInt32LE(Math.abs(value), 1)
  return bytes
}
const text = (value: string | null) =>
  value === null ? integer(-1) : Buffer.concat([integer(Buffer.byteLength(value)), Buffer.from(value)])

/** Writes an archive as `pg_dump --format=custom` does, in one of its forms: `14`, `15` or `16`. Source: PostgreSQL, bin/pg_dump/pg_backup_archiver.c. */
export function archiveBytes(
  entries: readonly TocEntry[],
  blocks: readonly Block[],
  { minor = 14, database = 'test' }: { readonly minor?: 14 | 15 | 16; readonly database?: string } = {}
): Buffer {
  return Buffer.concat([
    Buffer.from('PGDMP'),
    Buffer.from([1, minor, 0, 4, 8, 1]),
    minor >= 15 ? Buffer.from([0]) : integer(0),
    ...[7, 6, 5, 4, 2, 126, 0].map(integer),
    ...[database, '15.0', '15.0'].map(text),
    integer(entries.length),
    ...entries.flatMap((entry) => [
      integer(entry.id),
      integer(entry.hasData ? 1 : 0),
      ...[entry.classId, entry.objectId, entry.tag, entry.kind].map(text),
      integer(entry.section),
      ...[entry.definition, entry.dropStatement, entry.copyStatement, entry.schema, '', entry.accessMethod].map(text),
      ...(minor >= 16 ? [integer(114)] : []),
      ...[entry.owner, 'false', ...entry.needs.map(String), null].map(text),
      Buffer.from([entry.hasData ? 1 : 3, 0, 0, 0, 0, 0, 0, 0, 0])
    ]),
    ...blocks.flatMap((block) => [
      Buffer.from(['rows' in block ? 1 : 3]),
      integer(block.id),
      ...('rows' in block
        ? [...block.rows.map(text), integer(0)]
        : [
            ...block.objects.flatMap(({ oid, pieces }) => [
              integer(oid > 2 ** 31 ? oid - 2 ** 32 : oid),
              ...pieces.map(text),
              integer(0)
            ]),
            integer(0)
          ])
    ])
  ])
}
