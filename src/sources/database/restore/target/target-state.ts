import type { Connection } from '../../../../clients/postgres/connection.ts'
import { sqlStateOf } from '../../../../clients/postgres/server-error.ts'
import type { Clock } from '../../../../context.ts'
import { UserError } from '../../../../errors.ts'
import type { Log } from '../../../../log.ts'
import { userSchemas } from '../../catalog/catalog.ts'
import { platformSchemas, sharedSchemas } from '../../catalog/platform-schemas.ts'
import { quoteIdentifier } from '../../catalog/quote.ts'

/** A schema of the target, and whose it is. */
export interface TargetSchema {
  readonly name: string
  readonly owner: string
  /** Whether the platform or an extension made it: what lies in it is theirs, and only rows, triggers and policies of the user are brought back into it. */
  readonly platform: boolean
}

/** What a restore must know of the database that it goes into. */
export interface TargetState {
  readonly user: string
  readonly database: string
  readonly superuser: boolean
  readonly version: string
  readonly versionNumber: number
  readonly encoding: string
  /** Why nothing can be written: a replica, or read-only; null when it can. */
  readonly closed: string | null
  /** Whether the role may make schemas. */
  readonly mayCreate: boolean
  readonly bypassRls: boolean
  /** Whether triggers and foreign keys can be held still while rows come in. */
  readonly replicaRole: boolean
  readonly schemas: ReadonlyMap<string, TargetSchema>
  readonly roles: ReadonlySet<string>
  /** Version by name. */
  readonly extensions: ReadonlyMap<string, string>
  /** Schema by name of the extension. */
  readonly extensionSchemas: ReadonlyMap<string, string>
  /** Versions that could be installed, by name of the extension. */
  readonly available: ReadonlyMap<string, string>
  /** What the project's user made or stores there, in words, the first of each kind; empty for a fresh target. */
  readonly holds: readonly string[]
  readonly sizeBytes: number
  /** Locks that one transaction can hold at most, by the server's settings. */
  readonly mostLocks: number
}

/** Whether a schema is the platform's. */
export function isPlatformSchema(schema: {
  readonly name: string
  readonly owner: string
  readonly extension: boolean
}): boolean {
  if (schema.extension || platformSchemas.has(schema.name)) return true
  return sharedSchemas.has(schema.name) && schema.owner.startsWith('supabase_')
}

interface Facts extends Record<string, unknown> {
  user: string
  database: string
  superuser: boolean
  bypass: boolean
  create: boolean
  standby: boolean
  readOnly: boolean
  encoding: string
  size: string
  locks: string
}

/** Reads the target's state. Needs an open transaction; the probe for the replica role is taken back. */
export async function readTarget(connection: Connection): Promise<TargetState> {
  const [facts] =
    await connection.query<Facts>(`select current_user::text as user, current_database()::text as database, r.rolsuper as superuser,
  r.rolsuper or r.rolbypassrls as bypass, has_database_privilege(current_database(), 'CREATE') as create, pg_is_in_recovery() as standby,
  current_setting('transaction_read_only')::bool as "readOnly", pg_encoding_to_char(d.encoding)::text as encoding, pg_database_size(d.oid)::text as size,
  (current_setting('max_locks_per_transaction')::int * (current_setting('max_connections')::int + current_setting('max_prepared_transactions')::int))::text as locks
from pg_roles r, pg_database d where r.rolname = current_user and d.datname = current_database()`)
  if (facts === undefined) throw new Error('the server does not know its own database')
  const schemas = await connection.query<{
    name: string
    owner: string
    extension: boolean
  }>(`select n.nspname::text as name, pg_get_userbyid(n.nspowner)::text as owner,
  exists (select from pg_depend d where d.classid = 'pg_namespace'::regclass and d.objid = n.oid and d.deptype = 'e') as extension
from pg_namespace n where ${userSchemas} order by 1`)
  const roles = await connection.query<{ name: string }>('select rolname::text as name from pg_roles')
  const extensions = await connection.query<{ name: string; version: string; schema: string }>(
    'select e.extname::text as name, e.extversion as version, n.nspname::text as schema from pg_extension e join pg_namespace n on n.oid = e.extnamespace'
  )
  const available = await connection.query<{ name: string; version: string }>(
    'select name::text as name, default_version as version from pg_available_extensions'
  )
  const named = (rows: readonly { readonly name: string; readonly version: string }[]) =>
    new Map(rows.map((row) => [row.name, row.version]))
  const known = new Map(
    schemas.map((schema) => [
      schema.name,
      { name: schema.name, owner: schema.owner, platform: isPlatformSchema(schema) }
    ])
  )
  return {
    user: facts.user,
    database: facts.database,
    superuser: facts.superuser,
    version: connection.version,
    versionNumber: connection.versionNumber,
    encoding: facts.encoding,
    closed: facts.standby ? 'the server is a replica' : facts.readOnly ? 'the database is read-only' : null,
    mayCreate: facts.create,
    bypassRls: facts.bypass,
    replicaRole: await probe(connection, 'set local session_replication_role = replica'),
    schemas: known,
    roles: new Set(roles.map((role) => role.name)),
    extensions: named(extensions),
    extensionSchemas: new Map(extensions.map(({ name, schema }) => [name, schema])),
    available: named(available),
    holds: await readHoldings(connection, known),
    sizeBytes: Number(facts.size),
    mostLocks: Number(facts.locks)
  }
}

/** Schemas that hold an extension and nothing else: one that was switched on before a restore leaves the target empty. */
async function readSchemasOfExtensions(connection: Connection): Promise<ReadonlySet<string>> {
  const own = (catalog: string, namespace: string, more = '') =>
    `not exists (select from ${catalog} o where o.${namespace} = n.oid ${more} and not exists (select from pg_depend d
  where d.classid = '${catalog}'::regclass and d.objid = o.oid and d.deptype in ('e', 'i', 'a')))`
  const rows = await connection.query<{ name: string }>(`select n.nspname::text as name from pg_namespace n
where exists (select from pg_extension e where e.extnamespace = n.oid) and ${userSchemas}
  and ${own('pg_class', 'relnamespace', `and o.relkind <> 'i'`)} and ${own('pg_proc', 'pronamespace')} and ${own('pg_type', 'typnamespace')}`)
  return new Set(rows.map(({ name }) => name))
}

/** What makes a target not empty: user schemas besides public, anything in public, Auth users, Storage objects. */
async function readHoldings(connection: Connection, schemas: ReadonlyMap<string, TargetSchema>): Promise<string[]> {
  const ofExtensions = await readSchemasOfExtensions(connection)
  const own = [...schemas.values()].filter((schema) => !schema.platform && !ofExtensions.has(schema.name))
  const holds = own
    .filter((schema) => schema.name !== 'public')
    .map((schema) => `the schema ${quoteIdentifier(schema.name)}`)
  const found = await connection.query<{ what: string }>(
    `select * from (
  select case c.relkind when 'v' then 'the view ' when 'm' then 'the materialized view ' when 'S' then 'the sequence ' else 'the table ' end || c.oid::regclass::text as what
    from pg_class c where c.relnamespace = to_regnamespace('public') and c.relkind in ('r', 'p', 'v', 'm', 'f', 'S') and c.relpersistence <> 't'
      and not exists (select from pg_depend d where d.classid = 'pg_class'::regclass and d.objid = c.oid and d.deptype = 'e')
  union all select 'the function ' || p.oid::regprocedure::text from pg_proc p where p.pronamespace = to_regnamespace('public')
      and not exists (select from pg_depend d where d.classid = 'pg_proc'::regclass and d.objid = p.oid and d.deptype = 'e')
  union all select 'the type ' || format_type(t.oid, null) from pg_type t left join pg_class c on c.oid = t.typrelid
    where t.typnamespace = to_regnamespace('public') and (t.typtype in ('e', 'd', 'r') or t.typtype = 'c' and c.relkind = 'c')
      and not exists (select from pg_depend d where d.classid = 'pg_type'::regclass and d.objid = t.oid and d.deptype = 'e')
) found limit 20`
  )
  holds.push(...found.map((row) => row.what))
  for (const [schema, table, what] of [
    ['auth', 'users', 'Auth users'],
    ['storage', 'objects', 'Storage objects']
  ] as const) {
    const [there] = await connection.query<{ there: boolean }>(
      `select coalesce(has_table_privilege(to_regclass('${schema}.${table}'), 'SELECT'), false) as there`
    )
    if (there?.there !== true) continue
    const [count] = await connection.query<{ rows: string }>(`select count(*)::text as rows from ${schema}.${table}`)
    if (count !== undefined && count.rows !== '0') holds.unshift(`${count.rows} ${what}`)
  }
  return holds
}

/** Holds triggers and event triggers of the target still in the open transaction, or no longer, where the role may: foreign keys are looked at afterwards. */
export async function setReplicaRole(
  connection: Connection,
  { replicaRole }: Pick<TargetState, 'replicaRole'>,
  still: boolean
): Promise<void> {
  if (replicaRole) await connection.query(`set local session_replication_role = ${still ? 'replica' : 'origin'}`)
}

/** Keeps triggers and event triggers from firing in the open transaction, where the role may. */
export async function holdStill(connection: Connection): Promise<void> {
  const statement = 'set local session_replication_role = replica'
  if (await probe(connection, statement)) await connection.query(statement)
}

/** Two numbers that stand for "a restore into this database": nobody else's lock has them. */
const claim = '1396982868, 1'

/**
 * Makes sure that no other restore works on the target, until the connection closes. One that was killed may go on at the server for a while: it is waited
 * for. Throws SB718 after `waitMs` milliseconds.
 */
export async function claimTarget(
  connection: Connection,
  clock: Clock,
  signal: AbortSignal,
  waitMs: number,
  log: Pick<Log, 'info'>
): Promise<void> {
  const until = clock.monotonic() + waitMs
  for (let told = false; ; ) {
    const [row] = await connection.query<{ got: boolean }>(`select pg_catalog.pg_try_advisory_lock(${claim}) as got`)
    if (row?.got === true) return
    if (clock.monotonic() >= until) throw new UserError('SB718', 'Another restore into this target has not ended.')
    if (!told) log.info('Another restore into this target has not ended yet; waiting for it')
    told = true
    await clock.sleep(Math.min(1000, waitMs), signal)
  }
}

/** Lets the target go, outside of a transaction: a pooler may keep the session for somebody else. */
export async function releaseTarget(connection: Connection): Promise<void> {
  // A connection that broke meanwhile has let it go already.
  await connection.query(`select pg_catalog.pg_advisory_unlock(${claim})`).catch(() => undefined)
}

/** Whether a statement is allowed; its effect is taken back. */
async function probe(connection: Connection, statement: string): Promise<boolean> {
  await connection.query('savepoint probe')
  try {
    await connection.query(statement)
    return true
  } catch (error) {
    if (sqlStateOf(error) === undefined) throw error
    return false
  } finally {
    if (!connection.broken.aborted) await connection.query('rollback to savepoint probe; release savepoint probe')
  }
}
