import { z } from 'zod'
import type { Connection } from '../../../../clients/postgres/connection.ts'
import { asError, UserError } from '../../../../errors.ts'
import type { Finding } from '../../../source.ts'
import { qualified, quoteIdentifier, quoteLiteral, readable } from '../../catalog/quote.ts'
import { refusalOf } from '../definitions/refusal.ts'

/**
 * The mark of a restore that needs several transactions: it stands in the target from before the first object is made until the transaction that ends the
 * restore. Whoever finds it knows that the target holds a part of a backup, and what has to go.
 */
export const markerSchema = 'supabase_backup_unfinished'

/** Kinds of objects that lie in no schema and can be made early. */
export const globalKinds = ['FOREIGN DATA WRAPPER', 'SERVER', 'PROCEDURAL LANGUAGE', 'ACCESS METHOD'] as const

const nameSchema = z.object({ schema: z.string(), name: z.string() })
const unfinishedSchema = z.object({
  format: z.literal(1),
  backupId: z.string(),
  startedAt: z.iso.datetime(),
  /** Names as the backup has them (functions with their arguments) of everything that is made inside schemas. */
  made: z.array(nameSchema),
  /** Schemas and extensions that the target did not have. */
  schemas: z.array(z.string()),
  extensions: z.array(z.string()),
  others: z.array(z.object({ kind: z.enum(globalKinds), name: z.string() })),
  roles: z.array(z.string()),
  /** Tables of the platform that held nothing and that rows came into, with the transactions (`xmin`) that brought them. */
  filled: z.array(nameSchema.extend({ by: z.array(z.string().regex(/^\d+$/)).default([]) })),
  /** Numbers of large objects that were there before. */
  largeObjects: z.array(z.number()),
  /** First and last number of large objects that are made. */
  madeObjects: z.array(z.tuple([z.number(), z.number()])).default([])
})
export type Unfinished = z.infer<typeof unfinishedSchema>
export type Filled = Unfinished['filled'][number]

/** Objects that are dropped in one transaction. */
const batch = 25

/** Leaves the mark, in the open transaction. */
export async function leaveMarker(connection: Connection, unfinished: Unfinished): Promise<void> {
  await connection.query(
    `create schema ${markerSchema}; create table ${markerSchema}.restore (mark text not null); revoke all on ${markerSchema}.restore from public;
comment on schema ${markerSchema} is 'A restore into this database has not ended: it is finished or taken back by the next one with restore-mode: empty.'`
  )
  await connection.query(`insert into ${markerSchema}.restore values ($1)`, [JSON.stringify(unfinished)])
}

/** Adds to the mark what rows came in, in the transaction that brought them. */
export async function recordFilled(
  connection: Connection,
  unfinished: Unfinished,
  filled: readonly Filled[]
): Promise<void> {
  await connection.query(`update ${markerSchema}.restore set mark = $1`, [JSON.stringify({ ...unfinished, filled })])
}

/**
 * Which transactions, inner ones included, the rows of a table are of that the open transaction has brought: those of others that came meanwhile are visible,
 * too.
 */
export async function broughtBy(
  connection: Connection,
  table: { readonly schema: string; readonly name: string }
): Promise<Filled> {
  const { schema, name } = table
  const rows = await connection.query<{ by: string }>(`
with now as (select pg_catalog.pg_current_xact_id()::text::int8 as id),
seen as (select distinct xmin::text::int8 as low from only ${qualified(table)}),
whole as (select low, id, (low - id % 4294967296 + 4294967296) % 4294967296 as after from seen, now)
select low::text as by from whole
where case when after < 2147483648 then pg_catalog.pg_xact_status((id + after)::text::pg_catalog.xid8) = 'in progress' else false end order by low`)
  return { schema, name, by: rows.map(({ by }) => by) }
}

/** Numbers as first and last ones of what follows on each other. */
export function runsOf(numbers: readonly number[]): [number, number][] {
  const runs: [number, number][] = []
  for (const number of [...numbers].sort((a, b) => a - b)) {
    const last = runs.at(-1)
    if (last !== undefined && number - last[1] <= 1) last[1] = number
    else runs.push([number, number])
  }
  return runs
}

/** The mark in a target, if there is one that the session's own role left. Needs an open transaction. */
export async function findMarker(connection: Connection): Promise<Unfinished | null> {
  const [there] = await connection.query<{ there: boolean }>(
    `select exists (select from pg_catalog.pg_class c join pg_catalog.pg_namespace n on n.oid = c.relnamespace
where n.nspname = '${markerSchema}' and c.relname = 'restore' and c.relkind = 'r' and pg_catalog.pg_has_role(c.relowner, 'USAGE') and pg_catalog.pg_has_role(n.nspowner, 'USAGE')) as there`
  )
  if (there?.there !== true) return null
  const [row] = await connection.query<{ mark: string }>(`select mark from ${markerSchema}.restore`)
  if (row === undefined) return null
  return unfinishedSchema.parse(JSON.parse(row.mark))
}

/** Takes the mark away, in the open transaction. */
export async function removeMark(connection: Connection): Promise<void> {
  await connection.query(`drop table ${markerSchema}.restore; drop schema ${markerSchema}`)
}

/**
 * Takes away what a restore left, in several transactions; may be cut and started again. `begin` opens a transaction with its settings, in which neither
 * triggers nor event triggers fire. What the mark does not name stays, and so do rows of the platform's tables that somebody else brought or has changed
 * since. That is returned, and what could not be taken back and harms nothing (roles, rows and large objects that the role may not touch).
 */
export async function undoInterrupted(
  connection: Connection,
  unfinished: Unfinished,
  begin: () => Promise<void>
): Promise<Finding[]> {
  const inTransaction = async (work: () => Promise<void>) => {
    await begin()
    await work()
    await connection.query('commit')
  }
  const names = new Set(unfinished.made.map(keyOf))
  let objects: readonly string[] = []
  await inTransaction(async () => {
    objects = (await readObjects(connection)).filter((object) => names.has(keyOf(object))).map((object) => object.drop)
  })
  for (let at = 0; at < objects.length; at += batch) {
    const statements = objects.slice(at, at + batch)
    await inTransaction(async () => {
      await connection.query(statements.join('; '))
    })
  }
  for (const schema of unfinished.schemas)
    await inTransaction(async () => {
      await connection.query(`drop schema if exists ${quoteIdentifier(schema)} cascade`)
    })
  for (const extension of unfinished.extensions)
    await inTransaction(async () => {
      await connection.query(`drop extension if exists ${quoteIdentifier(extension)} cascade`)
    })
  const findings: Finding[] = []
  await inTransaction(async () => {
    await connection.query(`select pg_catalog.set_config('storage.allow_delete_query', 'true', true)`)
    for (const table of unfinished.filled) findings.push(...(await emptyAgain(connection, table)))
  })
  await unlinkObjects(connection, unfinished, inTransaction)
  for (const other of unfinished.others)
    await inTransaction(async () => {
      await connection.query(`drop ${other.kind} if exists ${quoteIdentifier(other.name)} cascade`)
    })
  await inTransaction(async () => {
    for (const role of unfinished.roles) {
      const sql = `drop role if exists ${quoteIdentifier(role)}`
      const error = await refusalOf(connection, sql)
      if (error !== null)
        findings.push({ kind: 'todo', subject: `role ${role}`, detail: asError(error).message, remedy: `${sql};` })
    }
    const [others] = await connection.query<{ count: string }>(
      `select count(*)::text as count from pg_catalog.pg_largeobject_metadata where ${madeSince(unfinished)}`
    )
    if (others !== undefined && others.count !== '0')
      findings.push({
        kind: 'todo',
        subject: 'large objects',
        detail: `${others.count} that were not there before stay: they belong to others, or were made meanwhile`
      })
    await removeMark(connection)
  })
  return findings
}

/** Deletes the rows that the restore brought. */
async function emptyAgain(connection: Connection, table: Filled): Promise<Finding[]> {
  const subject = `table ${readable(table)}`
  const where = `xmin::text in (${table.by.map(quoteLiteral).join(', ')})`
  const sql = `delete from only ${qualified(table)} where ${where}`
  const error = table.by.length === 0 ? null : await refusalOf(connection, sql)
  if (error !== null) return [{ kind: 'todo', subject, detail: asError(error).message, remedy: `${sql};` }]
  const [row] = await connection.query<{ rows: string }>(`select count(*)::text as rows from only ${qualified(table)}`)
  if (row === undefined || row.rows === '0') return []
  const detail = `${row.rows} rows stay: they came in, or were changed, after the restore that was cut had brought its own`
  return [{ kind: 'note', subject, detail }]
}

const madeSince = ({ largeObjects }: Unfinished) => `oid <> all (array[${largeObjects.join(', ')}]::oid[])`

async function unlinkObjects(
  connection: Connection,
  unfinished: Unfinished,
  inTransaction: (work: () => Promise<void>) => Promise<void>
): Promise<void> {
  for (let more = true; more; ) {
    await inTransaction(async () => {
      const [row] = await connection.query<{ count: string }>(
        `select count(pg_catalog.lo_unlink(o.oid))::text as count from (select oid from pg_catalog.pg_largeobject_metadata
where ${madeSince(unfinished)} and pg_catalog.pg_has_role(lomowner, 'USAGE')
  and exists (select from pg_catalog.json_array_elements($1::json) r where oid::int8 between (r ->> 0)::int8 and (r ->> 1)::int8) limit ${batch}) o`,
        [JSON.stringify(unfinished.madeObjects)]
      )
      more = row !== undefined && row.count !== '0'
    })
  }
}

interface NamedObject {
  schema: string
  name: string
  drop: string
}

const keyOf = ({ schema, name }: { readonly schema: string; readonly name: string }) => `${schema}\0${name}`

/** Everything that lies in schemas and is no part of something else, the newest first: what uses others comes before them. */
async function readObjects(connection: Connection): Promise<NamedObject[]> {
  const named = catalogs
    .map(
      ([catalog], at) =>
        `left join pg_catalog.${catalog} x${at} on d.classid = 'pg_catalog.${catalog}'::regclass and x${at}.oid = d.objid`
    )
    .join('\n')
  const rows = await connection.query<{
    schema: string
    name: string | null
    type: string
    identity: string
  }>(`select n.nspname::text as schema, i.type, i.identity,
  coalesce(p.proname || '(' || pg_catalog.oidvectortypes(p.proargtypes) || ')', ${catalogs.map(([, column], at) => `x${at}.${column}::text`).join(', ')}) as name
from pg_catalog.pg_depend d join pg_catalog.pg_namespace n on n.oid = d.refobjid
cross join lateral pg_catalog.pg_identify_object(d.classid, d.objid, 0) i
left join pg_catalog.pg_proc p on d.classid = 'pg_catalog.pg_proc'::regclass and p.oid = d.objid
${named}
where d.refclassid = 'pg_catalog.pg_namespace'::regclass and d.objsubid = 0 and d.deptype = 'n' and i.identity is not null
  and not exists (select from pg_catalog.pg_depend i where i.classid = d.classid and i.objid = d.objid and i.objsubid = 0 and i.deptype in ('i', 'P', 'S'))
  and n.nspname <> '${markerSchema}' and n.nspname !~ '^pg_'
order by d.objid::int8 desc`)
  return rows.flatMap(({ schema, name, type, identity }) =>
    name === null ? [] : [{ schema, name, drop: `drop ${words[type] ?? type} if exists ${identity} cascade` }]
  )
}

/** Catalogs of what lies in schemas, besides functions, with the column of the name. */
const catalogs = [
  ['pg_class', 'relname'],
  ['pg_type', 'typname'],
  ['pg_operator', 'oprname'],
  ['pg_opclass', 'opcname'],
  ['pg_opfamily', 'opfname'],
  ['pg_collation', 'collname'],
  ['pg_conversion', 'conname'],
  ['pg_statistic_ext', 'stxname'],
  ['pg_ts_config', 'cfgname'],
  ['pg_ts_dict', 'dictname']
] as const

/** Types of objects as pg_identify_object calls them, where a statement calls them otherwise. */
const words: Readonly<Record<string, string>> = {
  'composite type': 'type',
  'statistics object': 'statistics'
}

/** Says that a restore was cut, and what that means for another. */
export function interruptedRestore({ backupId, startedAt }: Pick<Unfinished, 'backupId' | 'startedAt'>): UserError {
  return new UserError(
    'SB719',
    `The target holds a part of the backup ${backupId}: the restore that began at ${startedAt} was cut.`
  )
}
