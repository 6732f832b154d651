import type { DatabaseFacts } from '../../../archive/contents-database.ts'
import type { Connection } from '../../../clients/postgres/connection.ts'
import { sqlStateOf } from '../../../clients/postgres/server-error.ts'
import { UserError } from '../../../errors.ts'
import { qualified, quoteLiteral } from '../catalog/quote.ts'
import { searchPaths, setSearchPath } from '../loading/search-paths.ts'
import { readArchive } from '../pg-archive/archive-reader.ts'
import type { OpenArchive } from '../pg-archive/read-archive.ts'
import type { TocEntry } from '../pg-archive/toc.ts'
import { type Refusal, refusalOf } from './entry-attempt.ts'
import { faultOfConnection, machineError } from './host-failure.ts'

export interface ReloadedRows {
  /** Tables whose rows came in. */
  readonly loaded: readonly TocEntry[]
  /** Those whose rows did not. */
  readonly refused: ReadonlyMap<TocEntry, Refusal>
  /** Checks that came back for new rows alone, since old ones do not satisfy them. */
  readonly notValid: readonly CheckConstraint[]
}

export interface CheckConstraint {
  /** As the fingerprint names it: `positive on public.orders`. */
  readonly name: string
  /** `TABLE public.orders` or `DOMAIN public.email`. */
  readonly owner: string
  /** Quoted where needed. */
  readonly constraint: string
  readonly definition: string
}

/**
 * Brings in the rows of tables that were refused at first: with the search_path of the source, when all other rows are there; then without the checks on them,
 * which come back afterwards. Rows are withheld only where no way leads them into the table.
 */
export async function reloadRows(
  connection: Connection,
  entries: readonly TocEntry[],
  openArchive: OpenArchive,
  facts: DatabaseFacts
): Promise<ReloadedRows> {
  const loaded: TocEntry[] = []
  const lifted = new Map<string, CheckConstraint>()
  let refused: ReadonlyMap<TocEntry, Refusal> = new Map(entries.map((entry) => [entry, { sqlState: '', message: '' }]))
  const ways = [
    { path: (entry: TocEntry) => searchPaths(facts, entry.schema)[0] ?? '', checks: true },
    { path: (entry: TocEntry) => searchPaths(facts, entry.schema).at(-1) ?? '', checks: false }
  ]
  for (const { path, checks } of ways) {
    if (refused.size === 0) break
    const waiting = new Map([...refused.keys()].map((entry) => [entry.id, entry]))
    const left = new Map<TocEntry, Refusal>()
    const reader = await readArchive(openArchive())
    try {
      for await (const block of reader.blocks()) {
        const entry = block.kind === 'rows' ? waiting.get(block.entry.id) : undefined
        if (entry === undefined || block.kind !== 'rows') continue
        const without = checks ? [] : await checksOn(connection, entry)
        const refusal = await copied(connection, entry, block.chunks, path(entry), without)
        if (refusal === null) {
          loaded.push(entry)
          for (const one of without) lifted.set(`${one.owner} ${one.constraint}`, one)
        } else left.set(entry, refusal)
      }
    } finally {
      await reader.close()
    }
    refused = left
  }
  const notValid: CheckConstraint[] = []
  for (const check of lifted.values()) if (!(await giveCheckBack(connection, check, facts))) notValid.push(check)
  return { loaded, refused, notValid }
}

async function copied(
  connection: Connection,
  entry: TocEntry,
  chunks: AsyncIterable<Uint8Array>,
  path: string,
  without: readonly CheckConstraint[]
): Promise<Refusal | null> {
  const drops = without.map(({ owner, constraint }) => `ALTER ${owner} DROP CONSTRAINT ${constraint}`)
  await connection.query(['begin', setSearchPath(path), ...drops].join('; '))
  try {
    await connection.copyIn(entry.copyStatement, chunks)
    await connection.query('commit')
    return null
  } catch (error) {
    const sqlState = sqlStateOf(error)
    if (!(error instanceof UserError) || sqlState === undefined || connection.broken.aborted) throw error
    const fault = faultOfConnection(error)
    if (fault !== null) throw machineError(fault, error)
    await connection.query('rollback')
    return { sqlState, message: error.message }
  }
}

/** The checks that rows of a table must satisfy: its own, told with the table that they are inherited from, and those of the domains of its columns. */
async function checksOn(connection: Connection, entry: TocEntry): Promise<CheckConstraint[]> {
  return await connection.query<CheckConstraint & Record<string, unknown>>(`with recursive above (oid) as (
    select pg_catalog.to_regclass(${quoteLiteral(qualified({ schema: entry.schema, name: entry.tag }))})::pg_catalog.oid
    union select i.inhparent from above a join pg_catalog.pg_inherits i on i.inhrelid = a.oid),
  domain (oid) as (
    select t.oid from pg_catalog.pg_attribute a join pg_catalog.pg_type t on t.oid = a.atttypid
    where a.attrelid in (select oid from above) and a.attnum > 0 and not a.attisdropped and t.typtype = 'd'
    union select b.oid from domain d join pg_catalog.pg_type t on t.oid = d.oid join pg_catalog.pg_type b on b.oid = t.typbasetype and b.typtype = 'd')
select pg_catalog.quote_ident(k.conname) || ' on ' || k.conrelid::pg_catalog.regclass::text as name, 'TABLE ' || k.conrelid::pg_catalog.regclass::text as owner,
  pg_catalog.quote_ident(k.conname) as constraint, pg_catalog.pg_get_constraintdef(k.oid) as definition
from pg_catalog.pg_constraint k where k.contype = 'c' and k.conrelid in (select oid from above) and k.coninhcount = 0
union all
select pg_catalog.quote_ident(k.conname) || ' on ' || pg_catalog.format_type(k.contypid, null), 'DOMAIN ' || pg_catalog.format_type(k.contypid, null),
  pg_catalog.quote_ident(k.conname), pg_catalog.pg_get_constraintdef(k.oid)
from pg_catalog.pg_constraint k where k.contype = 'c' and k.contypid in (select oid from domain)
order by 1`)
}

/** Gives a check back; false where old rows do not satisfy it, so that it holds for new ones alone. */
async function giveCheckBack(connection: Connection, check: CheckConstraint, facts: DatabaseFacts): Promise<boolean> {
  const sql = `ALTER ${check.owner} ADD CONSTRAINT ${check.constraint} ${check.definition}`
  for (const path of ['', ...searchPaths(facts, '')])
    if ((await refusalOf(connection, `${setSearchPath(path)};\n${sql}`)) === null) return true
  const notValid = / NOT VALID$/.test(sql) ? sql : `${sql} NOT VALID`
  const refusal = await refusalOf(connection, `${setSearchPath('')};\n${notValid}`)
  if (refusal !== null) throw new Error(`a check that was there cannot be given back [${refusal.sqlState}]`)
  return false
}
