import { UserError } from '../../../errors.ts'

/** One entry of an archive's table of contents. Every text in it is hostile. */
export interface TocEntry {
  /** How pg_restore's lists name it. */
  readonly id: number
  /** `TABLE`, `TABLE DATA`, `FK CONSTRAINT`, ... */
  readonly kind: string
  /** Name of the object, for some kinds with the table's before it. */
  readonly tag: string
  /** Schema; empty for objects that lie in none. */
  readonly schema: string
  readonly owner: string
  /** Class and object number on the source: `1259`, `16390`; `0` where there is none. */
  readonly classId: string
  readonly objectId: string
  /** When pg_restore makes it: 1 whenever, 2 before the data, 3 data, 4 after the data. */
  readonly section: number
  /** SQL that makes the object; empty for data. */
  readonly definition: string
  /** SQL that drops it; empty where there is none. */
  readonly dropStatement: string
  /** Access method of a table; empty where it has none. */
  readonly accessMethod: string
  /** `COPY ... FROM stdin;` of table data. */
  readonly copyStatement: string
  /** Ids of the entries that must come before. */
  readonly needs: readonly number[]
  /** Whether data of the entry lies in the archive behind the table of contents. */
  readonly hasData: boolean
}

/** Head and table of contents of a custom-format archive. */
export interface ArchiveToc {
  /** Version of the format: `1.14`. */
  readonly format: string
  /** Name of the database that was dumped. Hostile. */
  readonly database: string
  /** Version of the server and of pg_dump, as they say it. Hostile. */
  readonly serverVersion: string
  readonly dumpVersion: string
  /** The clock of the machine that pg_dump ran on; UTC, since the child's time zone is. Invalid where the bytes are no time. */
  readonly madeAt: Date
  readonly entries: readonly TocEntry[]
  /** Where the data begins. */
  readonly length: number
}

/** What stands before the place of an entry's data: it has none. Source: PostgreSQL, bin/pg_dump/pg_backup_archiver.h, K_OFFSET_NO_DATA. */
const offsetNoData = 3
const customFormat = 1

class Short extends Error {}

/**
 * Reads head and table of contents of a custom-format archive (pg_dump of PostgreSQL 12 and later) from its first bytes. `null` while
 * more bytes are needed. Throws UserError SB603 when they are no such archive. Source of the form: PostgreSQL, bin/pg_dump/
 * pg_backup_archiver.c, ReadHead and ReadToc.
 */
export function readToc(bytes: Buffer): ArchiveToc | null {
  try {
    return parse(bytes)
  } catch (error) {
    if (error instanceof Short) return null
    throw error
  }
}

function parse(bytes: Buffer): ArchiveToc {
  let at = 0
  const need = (count: number) => {
    if (at + count > bytes.length) throw new Short()
    at += count
    return at - count
  }
  const byte = () => bytes[need(1)] ?? 0
  const magic = bytes.subarray(0, Math.min(5, bytes.length)).toString('latin1')
  if (!'PGDMP'.startsWith(magic)) throw notAnArchive('it does not begin as one')
  need(5)
  const [major, minor, revision] = [byte(), byte(), byte()]
  const version = major * 100 + minor
  // 1.14: PostgreSQL 12 to 15; 1.15: 16; 1.16: 17 and 18.
  if (version < 114 || version > 116) throw notAnArchive(`its format ${major}.${minor}-${revision} is not known`)
  const integerSize = byte()
  const offsetSize = byte()
  if (integerSize !== 4 || offsetSize !== 8) throw notAnArchive('its numbers have another size')
  if (byte() !== customFormat) throw notAnArchive('it has another form than pg_dump --format=custom')

  const integer = () => {
    const start = need(5)
    const value = bytes.readUInt32LE(start + 1)
    return bytes[start] === 0 ? value : -value
  }
  const optional = () => {
    const length = integer()
    if (length < 0) return null
    const start = need(length)
    return bytes.toString('utf8', start, start + length)
  }
  const text = () => optional() ?? ''

  if (version >= 115) byte()
  else integer()
  const [second, minute, hour, day, month, year] = [integer(), integer(), integer(), integer(), integer(), integer()]
  integer()
  const madeAt = new Date(Date.UTC(year + 1900, month, day, hour, minute, second))
  const database = text()
  const serverVersion = text()
  const dumpVersion = text()

  const count = integer()
  if (count < 0 || count > 50_000_000) throw notAnArchive('the length of its table of contents makes no sense')
  const entries: TocEntry[] = []
  const ids = new Set<number>()
  for (let index = 0; index < count; index += 1) {
    const id = integer()
    if (id <= 0 || ids.has(id)) throw notAnArchive('its table of contents makes no sense')
    ids.add(id)
    integer()
    const classId = text()
    const objectId = text()
    const tag = text()
    const kind = text()
    const section = integer()
    const definition = text()
    const dropStatement = text()
    const copyStatement = text()
    const schema = text()
    text()
    const accessMethod = text()
    if (version >= 116) integer()
    const owner = text()
    text()
    const needs: number[] = []
    for (let next = optional(); next !== null; next = optional()) needs.push(Number(next))
    const flag = bytes[need(1 + offsetSize)]
    if (flag === undefined || flag < 1 || flag > 3) throw notAnArchive('its table of contents makes no sense')
    entries.push({
      id,
      kind,
      tag,
      schema,
      owner,
      classId,
      objectId,
      section,
      definition,
      dropStatement,
      accessMethod,
      copyStatement,
      needs,
      hasData: flag !== offsetNoData
    })
  }
  return {
    format: `${major}.${minor}`,
    madeAt,
    database,
    serverVersion,
    dumpVersion,
    entries,
    length: at
  }
}

export function notAnArchive(why: string): UserError {
  return new UserError('SB603', `What pg_dump wrote is no archive that can be restored: ${why}.`)
}
