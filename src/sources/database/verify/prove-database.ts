import { rm, statfs, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import type { DatabaseFacts } from '../../../archive/contents-database.ts'
import type { Verification, VerificationLevel } from '../../../archive/manifest.ts'
import type { ConnectionTarget } from '../../../clients/postgres/connection.ts'
import type { ClientPrograms, ServerPrograms } from '../../../clients/postgres/programs.ts'
import { majorOf } from '../../../clients/postgres/server-version.ts'
import type { Context } from '../../../context.ts'
import { errorCodes } from '../../../error-codes.ts'
import { cancelled, UserError } from '../../../errors.ts'
import { formatDuration } from '../../../text/format.ts'
import type { Finding } from '../../source.ts'
import { platformSchemas } from '../catalog/platform-schemas.ts'
import { readable } from '../catalog/quote.ts'
import { compareToc } from '../pg-archive/compare-toc.ts'
import {
  type OpenArchive,
  type PourArchive,
  readHead,
  readWithPgRestore,
  walkWhole
} from '../pg-archive/read-archive.ts'
import type { ArchiveToc } from '../pg-archive/toc.ts'
import { checksNotRun } from './check-sql.ts'
import { faultOfConnection, machineError } from './host-failure.ts'
import { type OpenRows, readMemberRows } from './members-of-copy.ts'
import { proveCopy } from './prove-copy.ts'
import { glanceAtArchive } from './quick-check-archive.ts'
import { openGivenScratch, openOwnScratch, type ScratchDatabase } from './scratch-database.ts'

export interface DatabaseProverOptions {
  readonly context: Context
  readonly mode: 'auto' | 'restore' | 'read'
  /** pg_restore of at least this major version. Throws SB303 to SB305. */
  readonly clientPrograms: (major: number) => Promise<ClientPrograms>
  /** Server programs of exactly this major version, with what can be had of the extensions. Throws SB304. */
  readonly serverPrograms: (
    major: number,
    extensions: readonly string[],
    client: ClientPrograms
  ) => Promise<ServerPrograms>
  /** A server to restore into instead of one of our own. */
  readonly given: ConnectionTarget | null
  /** The user's statements, each of which must return true on the copy. */
  readonly checkSql: readonly string[]
  /** pg_restore's workers. */
  readonly jobs: number
  /** Most time for the proof by restoring: when it is spent the archive is read, and that is said. Milliseconds. */
  readonly timeoutMs: number
}

export interface DatabaseProof {
  readonly verdict: 'proven' | 'unproven' | 'lacking'
  readonly level: VerificationLevel
  readonly tables: Verification['tables']
  readonly findings: readonly Finding[]
  /** Why it was not restored although it was asked for, without names from inside the project. */
  readonly notRestored: string | null
}

/** Proves the archive of a database against the facts that were taken in the dump's own snapshot. */
export type ProveDatabase = (
  openArchive: OpenArchive,
  facts: DatabaseFacts,
  pourArchive?: PourArchive,
  openRows?: OpenRows
) => Promise<DatabaseProof>

/** What keeps a restore from coming about without saying anything against the backup. */
const unable = new Set(['SB302', 'SB303', 'SB304', 'SB305', 'SB306', 'SB310', 'SB311', 'SB604'])

export function databaseProver(options: DatabaseProverOptions): ProveDatabase {
  const { context, mode } = options
  return async (openArchive, facts, pourArchive = () => null, openRows = () => null) => {
    if (mode === 'read') return readLevel({ openArchive, openRows }, facts, options, null)
    try {
      const reason = whyNotRestorable(facts)
      if (reason !== null) throw new UserError('SB604', reason)
      return await withinTime(options, (timed) => restoreLevel({ openArchive, pourArchive, openRows }, facts, timed))
    } catch (thrown) {
      if (context.signal.aborted) throw cancelled(context.signal)
      if (thrown instanceof OutOfTime) {
        const spent = `The proof by restoring was not done in the time of \`verify-timeout\` (${formatDuration(options.timeoutMs)}).`
        context.log.warning(`The backup is read, not restored: ${spent}`)
        return readLevel({ openArchive, openRows }, facts, options, spent.replace(/\.$/, ''))
      }
      const fault = options.given === null && thrown instanceof UserError ? faultOfConnection(thrown) : null
      const error = fault === null ? thrown : machineError(fault, thrown)
      if (error instanceof UserError && error.code === 'SB602') return notRestored(error)
      if (mode === 'restore' || options.given !== null || !(error instanceof UserError) || !unable.has(error.code))
        throw error
      context.log.warning(`The backup is read, not restored: ${error.code}: ${error.message}`)
      // The message may name programs and folders of this machine, or things of the project: the manifest gets its title.
      const why = error.code === 'SB604' ? error.message : `${errorCodes[error.code].title} (${error.code})`
      return readLevel({ openArchive, openRows }, facts, options, why.replace(/\.$/, ''))
    }
  }
}

class OutOfTime extends Error {}

/** Part of the time after which an index that takes long is left: what was restored has to be compared, too. */
const indexShare = 0.6

/** Options for a part of the proof whose context ends when the time is spent. */
type Timed = DatabaseProverOptions & { readonly indexMs: () => number }

/** Whatever of the project's own code runs in the copy can hold the proof up, never the backup. */
async function withinTime<T>(options: DatabaseProverOptions, work: (timed: Timed) => Promise<T>): Promise<T> {
  const { context, timeoutMs } = options
  const over = new AbortController()
  const done = new AbortController()
  const started = context.clock.monotonic()
  const spent = new OutOfTime('the time of the proof is spent')
  const timer = context.clock.sleep(timeoutMs, AbortSignal.any([done.signal, context.signal])).then(
    () => over.abort(spent),
    () => undefined
  )
  const timed: Timed = {
    ...options,
    context: { ...context, signal: AbortSignal.any([context.signal, over.signal]) },
    indexMs: () => timeoutMs * indexShare - (context.clock.monotonic() - started)
  }
  try {
    return await work(timed)
  } catch (error) {
    throw over.signal.aborted && !context.signal.aborted ? spent : error
  } finally {
    done.abort(new Error('the proof is over'))
    await timer
  }
}

/** The archive is whole, and still pg_restore did not come to its end: published, and called what it is. */
function notRestored({ message }: UserError): DatabaseProof {
  return {
    verdict: 'unproven',
    level: 'none',
    tables: { restore: 0, read: 0, differing: 0 },
    findings: [{ kind: 'difference', reason: 'not-made', subject: 'restored copy', detail: message }],
    notRestored: null
  }
}

/** What a backup of this kind lacks to be restored into an empty database; null when nothing. */
function whyNotRestorable(facts: DatabaseFacts): string | null {
  return facts.selection.type === 'data' ? 'A backup of data alone has no tables to restore the rows into.' : null
}

async function readLevel(
  { openArchive, openRows }: Pick<Opened, 'openArchive' | 'openRows'>,
  facts: DatabaseFacts,
  options: DatabaseProverOptions,
  notRestored: string | null
): Promise<DatabaseProof> {
  const { context } = options
  context.log.info('Reading the archive to its last byte')
  let toc: ArchiveToc
  const findings: Finding[] = []
  try {
    const { pgRestore } = await options.clientPrograms(majorOfText(facts.client.version))
    toc = await readWithPgRestore(openArchive, pgRestore, context)
  } catch (error) {
    if (context.signal.aborted || !(error instanceof UserError) || !/^SB30[2345]$/.test(error.code)) throw error
    findings.push({
      kind: 'notProven',
      subject: 'archive',
      detail: `it was read whole, but not by pg_restore: ${error.message}`
    })
    toc = await walkWhole(openArchive)
  }
  findings.push(...compareToc(toc, facts), ...(await readMemberRows(facts, openRows)))
  const why = notRestored === null ? '`verify` is `read`' : notRestored
  findings.push(...checksNotRun(options.checkSql.length > 0, why))
  const { differing, proven } = countTables(facts, findings)
  const lacking = differing > 0 || hasDifference(findings)
  return {
    verdict: lacking ? 'lacking' : 'proven',
    level: lacking ? 'none' : 'read',
    tables: { restore: 0, read: proven, differing },
    findings,
    notRestored
  }
}

/** The files of a backup that a proof reads. */
interface Opened {
  readonly openArchive: OpenArchive
  readonly pourArchive: PourArchive
  readonly openRows: OpenRows
}

async function restoreLevel(
  { openArchive, pourArchive, openRows }: Opened,
  facts: DatabaseFacts,
  options: Timed
): Promise<DatabaseProof> {
  const { context } = options
  const { log } = context
  const serverMajor = majorOf(facts.server.versionNumber)
  const programs = await options.clientPrograms(Math.max(majorOfText(facts.client.version), serverMajor))
  const openPlace = async (): Promise<ScratchDatabase> => {
    if (options.given !== null) return openGivenScratch(facts, options.given, context)
    const names = facts.extensions.map((extension) => extension.name)
    return openOwnScratch(facts, await options.serverPrograms(serverMajor, names, programs), context)
  }
  if (options.given === null && !(await hasRoom(facts))) {
    throw new UserError('SB604', 'There is not enough room on this machine for a restored copy.')
  }
  const headFile = path.join(context.temp, 'proof.toc')
  // pg_restore looks at nothing behind the last block: what is small is followed to its end by this program, too, while the server starts.
  const [opened, head, glance] = await Promise.allSettled([
    openPlace(),
    readHead(openArchive),
    glanceAtArchive(openArchive, facts)
  ])
  try {
    // What is wrong with the archive counts more than what is wrong with this machine.
    if (head.status === 'rejected') throw head.reason
    if (glance.status === 'rejected') throw glance.reason
    if (opened.status === 'rejected') throw opened.reason
    const place = opened.value
    for (const warning of place.warnings) log.warning(warning)
    const { toc, bytes } = head.value
    await writeFile(headFile, bytes, { mode: 0o600 })
    const findings = glance.value
    if (hasDifference(findings))
      return {
        verdict: 'lacking',
        level: 'none',
        tables: { restore: 0, read: 0, differing: countTables(facts, findings).differing },
        findings,
        notRestored: null
      }
    log.info(
      `Restoring into ${options.given === null ? `a throw-away PostgreSQL ${serverMajor}` : 'the server of `verify-database-url`'}`
    )
    const compared = await proveCopy({
      context,
      facts,
      toc,
      place,
      programs,
      openArchive,
      pourArchive,
      openRows,
      headFile,
      jobs: options.jobs,
      checkSql: options.checkSql,
      indexMs: options.indexMs
    })
    return levelOf(facts, [...findings, ...compared])
  } finally {
    if (opened.status === 'fulfilled') await opened.value.dispose()
    await rm(headFile, { force: true })
  }
}

/** Tables count as restored when they were compared and equal; rows that were only read make the whole no more than `read`. */
function levelOf(facts: DatabaseFacts, findings: readonly Finding[]): DatabaseProof {
  const { differing, unproven, proven, unprovenWithRows } = countTables(facts, findings)
  const level = hasDifference(findings) ? 'none' : unprovenWithRows > 0 ? 'read' : 'restore'
  return {
    verdict: hasDifference(findings) ? 'unproven' : 'proven',
    level,
    tables: { restore: proven, read: unproven, differing },
    findings,
    notRestored:
      level === 'read'
        ? `${unprovenWithRows} of the tables with rows could be read only, not restored and compared`
        : null
  }
}

function countTables(
  facts: DatabaseFacts,
  findings: readonly Finding[]
): { differing: number; unproven: number; unprovenWithRows: number; proven: number } {
  const of = (kind: Finding['kind']) =>
    new Set(findings.filter((finding) => finding.kind === kind).map((finding) => finding.subject))
  const [different, notProven] = [of('difference'), of('notProven')]
  const counts = { differing: 0, unproven: 0, unprovenWithRows: 0, proven: 0 }
  for (const table of facts.tables) {
    if (table.kind === 'p' || table.kind === 'f') continue
    const subject = `${table.kind === 'm' ? 'materialized view' : 'table'} ${readable(table)}`
    if (different.has(subject)) counts.differing += 1
    else if (notProven.has(subject)) {
      counts.unproven += 1
      if (table.kind === 'r' && table.rows !== null && table.rows !== '0' && !isOfPlatform(table))
        counts.unprovenWithRows += 1
    } else counts.proven += 1
  }
  return counts
}

/** Rows of the platform's own extensions are none that a restore brings back: secrets of Vault travel in a file of their own. */
function isOfPlatform({ extension, schema }: DatabaseFacts['tables'][number]): boolean {
  return extension !== undefined && platformSchemas.has(schema)
}

function hasDifference(findings: readonly Finding[]): boolean {
  return findings.some((finding) => finding.kind === 'difference')
}

/** Whether there is room for a copy, by the source's size: the copy's files are about as large. The archive is unpacked nowhere. */
async function hasRoom(facts: DatabaseFacts): Promise<boolean> {
  const { bavail, bsize } = await statfs(tmpdir())
  return bavail * bsize >= facts.sizeBytes * 1.2 + 200e6
}

function majorOfText(version: string): number {
  return Number(/^\d+/.exec(version)?.[0] ?? 0)
}
