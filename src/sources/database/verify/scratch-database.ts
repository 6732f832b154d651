import { Buffer } from 'node:buffer'
import type { DatabaseFacts } from '../../../archive/contents-database.ts'
import { connect } from '../../../clients/postgres/connect.ts'
import type { Connection, ConnectionTarget } from '../../../clients/postgres/connection.ts'
import type { ServerPrograms } from '../../../clients/postgres/programs.ts'
import { sqlStateOf } from '../../../clients/postgres/server-error.ts'
import { majorOf } from '../../../clients/postgres/server-version.ts'
import { startThrowAwayServer } from '../../../clients/postgres/throw-away-server.ts'
import type { Context } from '../../../context.ts'
import { asError, UserError } from '../../../errors.ts'
import { memberships, notOfExtension, userSchemas } from '../catalog/catalog.ts'
import { platformSchemas, sharedSchemas } from '../catalog/platform-schemas.ts'
import { quoteIdentifier, quoteLiteral } from '../catalog/quote.ts'

/** A database on which everything of this run is removed at the end. */
export interface ScratchDatabase {
  /** The empty database, reached as a superuser. */
  readonly target: ConnectionTarget
  /** Name of the superuser when the server is this run's own, else null. */
  readonly ownSuperuser: string | null
  readonly warnings: readonly string[]
  /** Fires when the server ended by itself. */
  readonly ended: AbortSignal
  /** Opens a connection to the database; as another role where one is given. */
  connect(as?: Pick<ConnectionTarget, 'user' | 'password'>): Promise<Connection>
  /** Makes the database anew. */
  empty(): Promise<void>
  /** Told which roles were made there, to remove them again. */
  readonly madeRoles: string[]
  /** Removes all of it. Never throws; may be repeated. */
  dispose(): Promise<void>
}

type Asked = Pick<Context, 'clock' | 'signal' | 'temp' | 'log' | 'randomBytes'>

const opener = (target: ConnectionTarget, context: Asked) => (as?: Pick<ConnectionTarget, 'user' | 'password'>) =>
  connect(as === undefined ? target : { ...target, ...as }, {
    clock: context.clock,
    signal: context.signal,
    retries: 0,
    randomBytes: context.randomBytes,
    applicationName: 'supabase-backup-proof'
  })

/** The superuser that the source's server was made with, as far as its roles tell. */
export function superuserOf(facts: Pick<DatabaseFacts, 'roles'>): string {
  const superusers = facts.roles.filter((role) => role.superuser).map((role) => role.name)
  const first = ['supabase_admin', 'postgres', 'cloudsqladmin', 'rdsadmin', ...superusers].find((name) =>
    superusers.includes(name)
  )
  return first ?? 'supabase_backup_proof'
}

/** A throw-away server with an empty database named as the source's. Throws SB306. */
export async function openOwnScratch(
  facts: DatabaseFacts,
  programs: ServerPrograms,
  context: Asked
): Promise<ScratchDatabase> {
  const superuser = superuserOf(facts)
  const { database } = facts.source
  const name = /^template[01]$/.test(database) ? 'postgres' : database
  const server = await startThrowAwayServer({
    programs,
    context,
    superuser,
    encoding: facts.encoding,
    collation: facts.collation,
    characterType: facts.characterType,
    extensions: facts.extensions.map((extension) => extension.name),
    // The extension can be made in the database alone that this names.
    ...(facts.extensions.some((extension) => extension.name === 'pg_cron')
      ? { settings: { 'cron.database_name': name } }
      : {})
  })
  const warnings = [...server.warnings]
  try {
    if (name !== 'postgres' || facts.locale !== undefined) {
      const connection = await opener({ ...server.target, database: 'template1' }, context)()
      try {
        if (name === 'postgres') await dropDatabase(connection, name)
        if (!(await createDatabase(connection, name, providerOf(facts))))
          warnings.push(
            `The server of the copy cannot have the locale ${facts.locale?.name}; the copy uses another one.`
          )
      } finally {
        await connection.close()
      }
    }
  } catch (error) {
    await server.stop()
    throw error
  }
  const target = { ...server.target, database: name }
  return {
    target,
    ownSuperuser: superuser,
    warnings,
    ended: server.ended,
    connect: opener(target, context),
    async empty() {
      const control = await opener({ ...server.target, database: 'template1' }, context)()
      try {
        await dropDatabase(control, name)
        await createDatabase(control, name, providerOf(facts))
      } finally {
        await control.close()
      }
    },
    madeRoles: [],
    dispose: () => server.stop()
  }
}

/**
 * A database of this run's own on the server of `verify-database-url`. The database named there must be empty, but for the platform's schemas, the role a superuser, and
 * the server no older than the source: SB605 otherwise. Roles made there, and the database, are removed at the end.
 */
export async function openGivenScratch(
  facts: DatabaseFacts,
  given: ConnectionTarget,
  context: Asked
): Promise<ScratchDatabase> {
  const control = await opener(given, context)()
  // A trigger that fires at each login could change the copy. The role is a superuser, which the setting needs.
  const quiet = control.versionNumber >= 170000 ? [given.options ?? '', '-c event_triggers=off'].join(' ').trim() : null
  const name = `supabase_backup_proof_${Buffer.from(context.randomBytes(6)).toString('hex')}`
  const warnings: string[] = []
  try {
    assertNotOlder(control, facts, given)
    await assertEmpty(control, given)
    if (!(await createWithLocale(control, facts, name))) {
      warnings.push(
        `The server of \`verify-database-url\` cannot have the locale ${facts.collation} / ${facts.characterType}; the copy uses that of the server.`
      )
    }
  } catch (error) {
    await control.close()
    throw error
  }
  const target = { ...given, database: name, ...(quiet === null ? {} : { options: quiet }) }
  const madeRoles: string[] = []
  let disposing: Promise<void> | undefined
  const remove = async () => {
    // The run may be cancelled: what was made on somebody's server is removed all the same.
    const cleaning = { ...context, signal: AbortSignal.timeout(60_000) }
    await control.close()
    try {
      const connection = await opener(given, cleaning)()
      try {
        await dropDatabase(connection, name)
        await dropRoles(connection, madeRoles)
      } finally {
        await connection.close()
      }
    } catch (error) {
      context.log.warning(
        `The database ${name} on the server of \`verify-database-url\` could not be removed: ${asError(error).message}`
      )
    }
  }
  return {
    target,
    ownSuperuser: null,
    warnings,
    ended: control.broken,
    // What asks in other roles' names gets the setting from its role.
    connect: (as) => opener(as === undefined ? target : { ...given, database: name }, context)(as),
    async empty() {
      await dropDatabase(control, name)
      await createWithLocale(control, facts, name)
    },
    madeRoles,
    dispose: () => {
      disposing ??= remove()
      return disposing
    }
  }
}

async function dropDatabase(connection: Connection, name: string): Promise<void> {
  const force = connection.versionNumber >= 130000 ? ' WITH (FORCE)' : ''
  await connection.query(`DROP DATABASE IF EXISTS ${quoteIdentifier(name)}${force}`)
}

/** Makes an empty database with the source's locale; false where the server cannot have it and its own was taken. */
async function createWithLocale(connection: Connection, facts: DatabaseFacts, name: string): Promise<boolean> {
  const locale = `ENCODING ${quoteLiteral(facts.encoding)} LC_COLLATE ${quoteLiteral(facts.collation)} LC_CTYPE ${quoteLiteral(facts.characterType)}`
  return createDatabase(connection, name, `${providerOf(facts)} ${locale}`)
}

/** The words that give a database the provider of the source's locale; none for the C library, which every server has. */
function providerOf({ locale }: Pick<DatabaseFacts, 'locale'>): string {
  if (locale === undefined) return ''
  const { provider, name, rules } = locale
  const words = provider === 'icu' ? `ICU_LOCALE ${quoteLiteral(name)}` : `BUILTIN_LOCALE ${quoteLiteral(name)}`
  return `LOCALE_PROVIDER ${provider} ${words}${rules === null ? '' : ` ICU_RULES ${quoteLiteral(rules)}`}`
}

async function createDatabase(connection: Connection, name: string, options: string): Promise<boolean> {
  const create = `CREATE DATABASE ${quoteIdentifier(name)} TEMPLATE template0`
  try {
    await connection.query(`${create} ${options}`)
    return true
  } catch (error) {
    if (options === '' || sqlStateOf(error) === undefined) throw error
    await connection.query(create)
    return false
  }
}

const nameList = (names: Iterable<string>) => `array[${[...names].map(quoteLiteral).join(', ')}]`

/** Schemas that are not the platform's: Supabase's own image comes with those. */
const ownSchemas = `${userSchemas} and n.nspname <> all (${nameList(platformSchemas)})
    and not (n.nspname = any (${nameList(sharedSchemas)}) and pg_get_userbyid(n.nspowner) ~ '^supabase_')`

/** Tables of the platform in which a project that is in use has rows. */
const inUse = ['auth.users', 'storage.objects']

/** What a newer server knows (rights, options of tables, types) an older one cannot have: everything would differ. */
function assertNotOlder(control: Connection, { server }: DatabaseFacts, given: ConnectionTarget): void {
  const [there, source] = [control.versionNumber, server.versionNumber].map(majorOf)
  if (there !== undefined && source !== undefined && there < source)
    throw new UserError(
      'SB605',
      `The server of \`verify-database-url\` (${given.host}) is PostgreSQL ${there}, older than the source, which is ${source}.`,
      { remedy: `Give a server of PostgreSQL ${source} or newer, or leave \`verify-database-url\` out.` }
    )
}

async function assertEmpty(control: Connection, given: ConnectionTarget): Promise<void> {
  const place = `${given.host}/${given.database}`
  const [state] = await control.query<{ superuser: boolean; objects: string | null }>(`with ${memberships}
select (select rolsuper from pg_roles where rolname = current_user) as superuser,
  (select string_agg(found.name, ', ') from (
    select 'schema ' || quote_ident(n.nspname) as name from pg_namespace n
    where ${ownSchemas} and n.nspname <> 'public' and ${notOfExtension('pg_namespace', 'n.oid')}
    union all
    select 'relation ' || c.oid::regclass::text from pg_class c join pg_namespace n on n.oid = c.relnamespace
    where ${ownSchemas} and c.relkind in ('r', 'p', 'v', 'm', 'f', 'S') and ${notOfExtension('pg_class', 'c.oid')}
    union all
    select 'function ' || p.oid::regprocedure::text from pg_proc p join pg_namespace n on n.oid = p.pronamespace
    where ${ownSchemas} and ${notOfExtension('pg_proc', 'p.oid')}
    union all
    select 'type ' || format_type(t.oid, null) from pg_type t join pg_namespace n on n.oid = t.typnamespace
    where ${ownSchemas} and t.typtype in ('e', 'd', 'r') and ${notOfExtension('pg_type', 't.oid')}
    limit 5) found) as objects`)
  if (state?.superuser !== true)
    throw new UserError('SB605', `The role of \`verify-database-url\` (${given.user} at ${place}) is no superuser.`)
  for (const table of inUse) {
    const [there] = await control.query<{ there: boolean }>(`select to_regclass('${table}') is not null as there`)
    if (there?.there !== true) continue
    const [row] = await control.query<{ filled: boolean }>(`select exists (select from ${table}) as filled`)
    if (row?.filled === true)
      throw new UserError('SB605', `The database of \`verify-database-url\` (${place}) is in use: ${table} has rows.`)
  }
  if (state.objects !== null)
    throw new UserError(
      'SB605',
      `The database of \`verify-database-url\` (${place}) is not empty: it has ${state.objects}.`
    )
}

/** Roles may own or grant each other's memberships: what cannot go yet goes in a later round. */
async function dropRoles(connection: Connection, names: readonly string[]): Promise<void> {
  let waiting = names.toReversed()
  for (let progress = true; waiting.length > 0 && progress; ) {
    const left: string[] = []
    for (const name of waiting) {
      try {
        await connection.query(`DROP ROLE IF EXISTS ${quoteIdentifier(name)}`)
      } catch (error) {
        if (sqlStateOf(error) === undefined) throw error
        left.push(name)
      }
    }
    progress = left.length < waiting.length
    waiting = left
  }
  if (waiting.length > 0) throw new UserError('SB605', `The roles ${waiting.join(', ')} could not be removed.`)
}
