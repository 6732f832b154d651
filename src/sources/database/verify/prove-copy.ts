import { type DatabaseFacts, isNarrowed } from '../../../archive/contents-database.ts'
import type { Connection } from '../../../clients/postgres/connection.ts'
import type { ClientPrograms } from '../../../clients/postgres/programs.ts'
import { sqlStateOf } from '../../../clients/postgres/server-error.ts'
import { majorOf } from '../../../clients/postgres/server-version.ts'
import type { Context } from '../../../context.ts'
import type { Finding } from '../../source.ts'
import { quoteIdentifier, quoteLiteral } from '../catalog/quote.ts'
import { readDatabaseState } from '../dump/database-state.ts'
import { beginReading } from '../dump/snapshot.ts'
import { grantStatements } from '../fingerprint/grant-lines.ts'
import { readGuards } from '../fingerprint/read-objects.ts'
import { sourceSettings } from '../loading/source-settings.ts'
import type { OpenArchive, PourArchive } from '../pg-archive/read-archive.ts'
import { labelProviders, leaveOutExtensions } from '../pg-archive/skip-entries.ts'
import type { ArchiveToc } from '../pg-archive/toc.ts'
import { type Absent, absentExtensions, absentLabels } from './absence.ts'
import { runCheckSql } from './check-sql.ts'
import { comparableFacts, compareCopy } from './compare-copy.ts'
import { completeCopy, lateEntries } from './complete-copy.ts'
import { applyDatabase, compareOwnProperties, giveToOwner } from './copy-database.ts'
import { applySettings, compareRoles, createRoles } from './copy-roles.ts'
import { type MembersOfCopy, membersOfCopy, type OpenRows } from './members-of-copy.ts'
import { restoreCopy } from './restore-copy.ts'
import { makeProbe, openProbe, type Probe } from './rls-session.ts'
import type { ScratchDatabase } from './scratch-database.ts'

export interface ProveCopyOptions {
  readonly context: Context
  readonly facts: DatabaseFacts
  readonly toc: ArchiveToc
  readonly place: ScratchDatabase
  readonly programs: ClientPrograms
  readonly openArchive: OpenArchive
  readonly pourArchive: PourArchive
  readonly openRows: OpenRows
  /** A file with the archive's head and table of contents. */
  readonly headFile: string
  readonly jobs: number
  readonly checkSql: readonly string[]
  /** Milliseconds that building one more index may take. */
  readonly indexMs: () => number
}

const lockTimeoutMs = 60_000

/** Restores an archive into an empty place and compares everything that can be compared. Throws SB602 where the restore did not come to its end. */
export async function proveCopy(options: ProveCopyOptions): Promise<Finding[]> {
  const { context, facts, toc, place, programs } = options
  const narrowed = isNarrowed(facts)
  const roleFindings: Finding[] = []
  const preparing = await place.connect()
  let missing: ReadonlySet<string>
  let members: MembersOfCopy
  let madeBefore: ReadonlySet<number>
  let sessionOptions = ''
  let unlabelled: ReadonlySet<string>
  const serverMajor = majorOf(preparing.versionNumber)
  try {
    const { made, findings } = await createRoles(preparing, facts, place.ownSuperuser)
    place.madeRoles.push(...made)
    roleFindings.push(...findings)
    await giveToOwner(preparing, facts, place.target.database)
    missing = await missingExtensions(preparing, facts)
    unlabelled = await missingProviders(preparing, toc)
    sessionOptions = await settingsOf(preparing, facts)
    if (narrowed) await prepareNarrowed(preparing, facts, toc, missing)
    else if (lacksPublic(facts)) await preparing.query('drop schema public')
    members = membersOfCopy(facts, toc, missing, options.openRows)
    madeBefore = await members.prepare(preparing)
  } finally {
    await preparing.close()
  }
  const known: Absent = new Map([
    ...absentExtensions(leaveOutExtensions(toc, missing)),
    ...absentLabels(toc, unlabelled)
  ])
  const late = lateEntries(toc, facts)
  const restore = (jobs: number) =>
    restoreCopy({
      place,
      programs,
      openArchive: options.openArchive,
      pourArchive: options.pourArchive,
      toc,
      headFile: options.headFile,
      without: late.union(new Set(known.keys())).union(madeBefore),
      setting: { clientMajor: programs.major, serverMajor, narrowed },
      sessionOptions,
      jobs,
      context
    })
  // Of a narrowed backup errors are to be expected, and only one worker tells clearly what each is about.
  let restored = await restore(narrowed ? 1 : options.jobs)
  if (restored.kind === 'unclear') {
    // Why is not told: the words of the server may hold values of rows.
    context.log.info('Restoring anew, one object after the other: not everything could be made at first')
    await place.empty()
    const again = await place.connect()
    try {
      await giveToOwner(again, facts, place.target.database)
      if (narrowed) await prepareNarrowed(again, facts, toc, missing)
      else if (lacksPublic(facts)) await again.query('drop schema public')
      madeBefore = await members.prepare(again)
    } finally {
      await again.close()
    }
    restored = await restore(1)
  }
  if (restored.kind === 'unclear') throw new Error('one worker is always clear')
  const completing = await place.connect()
  const completed = await completeCopy({
    connection: completing,
    facts,
    toc,
    openArchive: options.openArchive,
    failed: restored.failed,
    late,
    absent: known,
    missingExtensions: missing,
    indexMs: options.indexMs
  })
    .then(async (done) => {
      const renamed = renamedPublic(toc)
      if (renamed !== undefined) await grantOnSchema(completing, facts, renamed)
      return done
    })
    .finally(() => completing.close())
  const { absent } = completed
  const own = new Set([...place.madeRoles, ...(place.ownSuperuser === null ? [] : [place.ownSuperuser])])
  const ownServer = place.ownSuperuser !== null
  let probe: Probe | null = null
  const settling = await place.connect()
  const memberFindings: Finding[] = []
  try {
    memberFindings.push(...(await members.complete(settling)))
    roleFindings.push(...(await applySettings(settling, facts, place.target.database, own)))
    roleFindings.push(...(await applyDatabase(settling, facts, place.target.database, ownServer)))
    if (facts.visibleRows.length > 0)
      probe = await makeProbe(settling, facts, place.target.database, context.randomBytes, place.madeRoles)
  } finally {
    await settling.close()
  }
  context.log.info('Comparing the copy with the source')
  // Opened now: settings of the database hold from the login on, and policies may read them.
  const comparing = await place.connect()
  const opened: Connection[] = [comparing]
  try {
    await beginReading(comparing, lockTimeoutMs)
    const helpers: Connection[] = []
    for (let more = 1; more < options.jobs; more += 1) {
      const helper = await place.connect()
      opened.push(helper)
      helpers.push(helper)
      await beginReading(helper, lockTimeoutMs)
    }
    const comparable = comparableFacts(facts, toc, absent, missing)
    const asking =
      probe === null
        ? null
        : await openProbe(place, probe, lockTimeoutMs, (why) =>
            roleFindings.push({ kind: 'notProven', reason: 'not-sampled', subject: 'what roles see', detail: why })
          )
    const except = probe?.user ?? ''
    if (asking !== null) opened.push(asking)
    const state = await readDatabaseState(comparing, comparable.facts, context.clock, { helpers, asking })
    const findings = compareCopy(comparable, state, toc, {
      absent,
      excused: completed.excused,
      missingExtensions: missing
    })
    const roles = [
      ...(await compareRoles(comparing, facts, { made: own, ownServer, except }, roleFindings)),
      ...(await compareOwnProperties(comparing, facts, { ownServer, except }, roleFindings))
    ]
    await comparing.query('rollback')
    const checks = await runCheckSql(comparing, options.checkSql)
    return [...completed.findings, ...memberFindings, ...findings, ...roleFindings, ...roles, ...checks]
  } finally {
    for (const connection of opened) await connection.close()
  }
}

/** Whether the source has no schema public, which every new database has. */
function lacksPublic({ guards }: Pick<DatabaseFacts, 'guards'>): boolean {
  return guards.length > 0 && guards.every(({ kind, name }) => kind !== 'schema' || name !== 'public')
}

/** The name that the schema public of the source has now, where it is another one. Source: PostgreSQL, pg_namespace.dat, for its number. */
function renamedPublic(toc: ArchiveToc): string | undefined {
  const entry = toc.entries.find(
    ({ kind, objectId, tag }) => kind === 'SCHEMA' && objectId === '2200' && tag !== 'public'
  )
  return entry?.tag
}

/** Grants on a schema, from the contents: a dump leaves out those of the one that was public once, as if every new database had it under its new name. */
async function grantOnSchema(connection: Connection, facts: DatabaseFacts, renamed: string): Promise<void> {
  await beginReading(connection, lockTimeoutMs)
  const found = await readGuards(connection, facts.server.versionNumber)
  await connection.query('rollback')
  const copies = new Map(
    found.filter(({ kind }) => kind === 'grants on schema').map((one) => [one.name, one.definition])
  )
  const owners = new Map(
    facts.guards.filter(({ kind }) => kind === 'owner of schema').map((one) => [one.name, one.definition])
  )
  const quoted = new Set([renamed, quoteIdentifier(renamed)])
  for (const { kind, name, definition } of facts.guards) {
    const copy = copies.get(name)
    if (kind !== 'grants on schema' || !quoted.has(name) || copy === undefined) continue
    const lines = (text: string) => text.split('\n').filter((line) => line !== '')
    const owner = new Set([owners.get(name) ?? ''])
    const statements = grantStatements({ kind: 'schema', name }, lines(definition), lines(copy), owner)
    if (statements.length > 0) await connection.query(statements.join(' '))
  }
}

/** Settings of the source, as PGOPTIONS takes them, without those that this server does not take: they would end every session at its beginning. */
async function settingsOf(connection: Connection, facts: DatabaseFacts): Promise<string> {
  const taken: string[] = []
  for (const { name, value } of sourceSettings(facts)) {
    try {
      await connection.query(`begin; select pg_catalog.set_config(${quoteLiteral(name)}, ${quoteLiteral(value)}, true)`)
      taken.push(`-c ${`${name}=${value}`.replace(/[\\\s]/g, '\\$&')}`)
    } catch (error) {
      if (sqlStateOf(error) === undefined) throw error
    }
    await connection.query('rollback')
  }
  return taken.join(' ')
}

/** Extensions of the source that the copy's server does not have, or that cannot be made there. */
async function missingExtensions(connection: Connection, facts: DatabaseFacts): Promise<ReadonlySet<string>> {
  const missing = new Set<string>()
  for (const { name } of facts.extensions) {
    if (name === 'plpgsql') continue
    await connection.query('begin; set local client_min_messages = error; set local search_path = public')
    try {
      await connection.query(`create extension if not exists ${quoteIdentifier(name)} cascade`)
    } catch (error) {
      if (sqlStateOf(error) === undefined) throw error
      missing.add(name)
    } finally {
      if (!connection.broken.aborted) await connection.query('rollback')
    }
  }
  return missing
}

/** Providers of security labels that the copy's server has not loaded: older Supabase projects have labels of pgsodium. */
async function missingProviders(connection: Connection, toc: ArchiveToc): Promise<ReadonlySet<string>> {
  const providers = new Set(
    toc.entries.filter((entry) => entry.kind === 'SECURITY LABEL').flatMap((entry) => labelProviders(entry))
  )
  const missing = new Set<string>()
  for (const provider of providers) {
    try {
      await connection.query(`security label for ${quoteIdentifier(provider)} on role current_user is null`)
    } catch (error) {
      // It looks for the provider first; what another one says of this label is no matter here.
      if (sqlStateOf(error) === undefined) throw error
      if (sqlStateOf(error) === '22023') missing.add(provider)
    }
  }
  return missing
}

/** A backup of chosen schemas or tables holds neither extensions nor, for tables, the schemas around them: the copy gets them beforehand. */
async function prepareNarrowed(
  connection: Connection,
  facts: DatabaseFacts,
  toc: ArchiveToc,
  missing: ReadonlySet<string>
): Promise<void> {
  const inArchive = new Set(toc.entries.filter((entry) => entry.kind === 'SCHEMA').map((entry) => entry.tag))
  const withExtension = new Set(toc.entries.filter((entry) => entry.kind === 'EXTENSION').map((entry) => entry.tag))
  const extensions = facts.extensions.filter(
    ({ name }) => name !== 'plpgsql' && !missing.has(name) && !withExtension.has(name)
  )
  const schemas = new Set([
    ...facts.tables.map((table) => table.schema),
    ...extensions.map((extension) => extension.schema)
  ])
  for (const schema of schemas) {
    if (!inArchive.has(schema) && !/^pg_/.test(schema))
      await connection.query(`create schema if not exists ${quoteIdentifier(schema)}`)
  }
  for (const { name, schema } of extensions) {
    if (inArchive.has(schema)) continue
    try {
      await connection.query(
        `create extension if not exists ${quoteIdentifier(name)} schema ${quoteIdentifier(schema)} cascade`
      )
    } catch (error) {
      // One that cannot lie in this schema: what needs it is named when it cannot be made.
      if (sqlStateOf(error) === undefined) throw error
    }
  }
}
