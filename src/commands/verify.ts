import { rm } from 'node:fs/promises'
import { join } from 'node:path'
import { isHeard } from '../archive/canary.ts'
import type { Contents } from '../archive/contents.ts'
import type { Manifest, Verification, VerificationLevel } from '../archive/manifest.ts'
import { splitStoredName } from '../archive/stored-names.ts'
import type { VerificationRecord } from '../archive/verification-record.ts'
import { asError, UserError } from '../errors.ts'
import { compactTime } from '../history/backup-id.ts'
import { type HistoryEntry, newestFirst, rank } from '../history/entries.ts'
import { backupRows } from '../history/rows.ts'
import { type BackupChoice, isFromTheFuture, selectBackup, soleProject } from '../history/select.ts'
import type { DestinationResult, Result } from '../result.ts'
import { checksNotRun } from '../sources/database/proof/check-sql.ts'
import type { Finding } from '../sources/source.ts'
import { divideByPack, type ObjectsByPack } from '../sources/storage/objects-by-pack.ts'
import { backupOfManifest } from './backup-of-manifest.ts'
import { type FetchableBackup, type FetchOptions, openEntry } from './fetch-backup.ts'
import { readAll } from './list.ts'
import type { Ports, Proof, Prove } from './ports.ts'
import { readWhole } from './prove.ts'

/** Most backups that `backup: all` verifies in one run, newest first. */
export const mostAtOnce = 50

export interface VerifyOptions extends Omit<FetchOptions, 'dir'> {
  readonly project: string | undefined
  readonly choice: BackupChoice | { readonly kind: 'all' }
  readonly mode: 'auto' | 'restore' | 'read' | 'checksum'
  /** Words of canaries that somebody opened elsewhere: a record of it is kept beside the backup in whose canary a word stands. */
  readonly canaryWords: readonly string[]
  /** Bytes that may be fetched in this run; undefined without a limit. */
  readonly maxDownloadBytes: number | undefined
  /** Whether there are statements of `check-sql`. */
  readonly checkSql: boolean
}

export interface VerifyPorts extends Ports {
  readonly prove: Prove
}

/** What became of one copy of a backup. */
interface Checked {
  readonly copy: HistoryEntry
  readonly verification: Verification
  readonly findings: readonly Finding[]
  /** Fingerprints of the recipients whose identities opened it. */
  readonly openedBy?: readonly string[]
  /** Somebody told the word of its canary. */
  readonly canary?: true
  readonly error?: UserError
}

/** Errors that speak against the backup itself; every other one says that it could not be verified now. */
const damning = new Set(['SB501', 'SB506', 'SB507', 'SB508', 'SB509', 'SB601', 'SB602', 'SB603', 'SB806'])

const none: Verification = { level: 'none', at: null, tables: { restore: 0, read: 0, differing: 0 }, notProven: [] }

/**
 * Verifies backups where they lie: fetched as a stranger would, compared with their manifest, opened, read and restored as far as asked for and
 * as the keys go. A record of each outcome is written beside the backup in the place it was read from.
 */
export async function runVerify(options: VerifyOptions, ports: VerifyPorts): Promise<Result> {
  const { context } = ports
  const { clock, log } = context
  const startedAt = clock.now()
  const started = clock.monotonic()
  const warnings: string[] = []
  let entries = await readAll(ports.destinations, options.project)
  const checked: Checked[] = []
  const finish = (status: Result['status'], error?: UserError): Result => {
    const single = new Set(checked.map(({ copy }) => copy.ref.id)).size === 1 ? best(checked) : undefined
    const manifest = single?.copy.manifest
    return {
      command: 'verify',
      status,
      startedAt: startedAt.toISOString(),
      durationMs: Math.round(clock.monotonic() - started),
      tool: ports.tool,
      project: checked[0]?.copy.ref.project ?? options.project ?? null,
      verified: weakest(checked),
      ...(single === undefined ? {} : { verification: single.verification }),
      findings: checked.flatMap(({ findings }) => [...findings]),
      ...(manifest === undefined || manifest === null ? {} : { backup: backupOfManifest(manifest) }),
      destinations: ports.destinations.map((destination) => placeResult(destination, checked)),
      backups: backupRows(entries, clock.now()),
      url: single?.copy.url ?? null,
      path: null,
      warnings,
      ...(error === undefined ? {} : { error: { code: error.code, message: error.message, remedy: error.remedy } })
    }
  }

  if (entries.length === 0) return finish('nothing', new UserError('SB901', 'There is no backup to verify.'))
  const unreadable = unreadableThatCount(entries, options.choice, clock.now())
  const chosen = choose(entries, options, clock.now())
  if (chosen.length === 0)
    return finish(
      'failed',
      new UserError(
        'SB902',
        // Those dated in the future, too: there is nothing else to name.
        `No backup here can be read: ${entries
          .filter((entry) => entry.manifest === null)
          .slice(0, 5)
          .map(wordsOfUnreadable)
          .join('; ')}.`
      )
    )
  if (options.canaryWords.length > 0 && !chosen.flat().some((copy) => isHeardIn(copy, options.canaryWords)))
    return finish(
      'failed',
      new UserError('SB608', 'The word given as `identity` stands in the canary of no backup that is verified here.')
    )
  if (options.choice.kind === 'all' && chosen.length > mostAtOnce) {
    warnings.push(`Only the newest ${mostAtOnce} of ${chosen.length} backups were verified.`)
  }
  let fetched = 0
  let outOfBudget = 0
  for (const copies of chosen.slice(0, mostAtOnce)) {
    let proven: Checked | undefined
    for (const copy of copies) {
      context.signal.throwIfAborted()
      const bytes = sizeOf(copy)
      if (options.maxDownloadBytes !== undefined && fetched + bytes > options.maxDownloadBytes) {
        outOfBudget += 1
        continue
      }
      fetched += bytes
      log.info(`Verifying ${copy.ref.project} ${copy.ref.id} in ${copy.destination}`)
      const one = await verifyCopy(copy, proven, options, ports)
      checked.push(one)
      if (one.error === undefined) proven ??= one
      else log.warning(`${copy.ref.id} in ${copy.destination}: ${one.error.code}: ${one.error.message}`)
      await writeRecord(one, ports, warnings)
    }
  }
  entries = await readAll(ports.destinations, options.project)
  if (outOfBudget > 0) warnings.push(`${outOfBudget} copies were not verified: \`max-download\` is used up.`)
  const failed = checked.filter(({ error }) => error !== undefined)
  const [first] = failed
  if (first?.error !== undefined) {
    if (checked.length === 1) return finish('failed', first.error)
    const words = failed.map(
      ({ copy, error }) => `${copy.ref.id} in ${copy.destination}: ${error?.code}: ${error?.message}`
    )
    return finish(
      'failed',
      new UserError(
        'SB606',
        `${failed.length} of ${checked.length} copies did not pass: ${words.slice(0, 5).join(' ')}`,
        { cause: first.error }
      )
    )
  }
  if (unreadable.length > 0) {
    return finish(
      'failed',
      new UserError('SB902', `A backup cannot be read: ${unreadable.map(wordsOfUnreadable).join('; ')}. Others passed.`)
    )
  }
  if (checked.length === 0)
    return finish('failed', new UserError('SB606', 'Nothing was verified: `max-download` is smaller than the backup.'))
  const statuses = checked.map(({ copy }) => copy.manifest?.status ?? 'partial')
  // A backup that does not hold everything stays what it is, however well it is stored.
  const status = worstStatus(statuses)
  if (status !== 'complete')
    return finish(
      status,
      new UserError(
        'SB215',
        `What was verified is whole as it was stored, but ${statuses.length === 1 ? 'the backup' : 'a backup'} is ${status}: it does not hold everything that it should.`,
        { remedy: 'Make a new backup; `command: list` shows whether there is a complete one.' }
      )
    )
  return finish('complete')
}

/** The status of several backups together: that of the one that holds the least. */
export function worstStatus(statuses: readonly Manifest['status'][]): Manifest['status'] {
  if (statuses.length === 0 || statuses.includes('partial')) return 'partial'
  return statuses.includes('anomalous') ? 'anomalous' : 'complete'
}

/** The backups meant, each with its copies in all destinations. */
function choose(
  entries: readonly HistoryEntry[],
  { choice, canaryWords }: Pick<VerifyOptions, 'choice' | 'canaryWords'>,
  now: Date
): HistoryEntry[][] {
  if (choice.kind === 'all') {
    const readable = entries.filter((entry) => entry.manifest !== null).toSorted(newestFirst)
    return [...Map.groupBy(readable, (entry) => `${entry.ref.project}/${entry.ref.id}`).values()]
  }
  // A word says itself which backup it is of, and that need not be the newest by the time it is told.
  const heard = choice.kind === 'latest' ? entries.filter((entry) => isHeardIn(entry, canaryWords)) : []
  if (heard.length > 0) return [...Map.groupBy(heard, (entry) => `${entry.ref.project}/${entry.ref.id}`).values()]
  if (choice.kind !== 'id') soleProject(entries)
  if (choice.kind === 'latest' && entries.every((entry) => entry.manifest === null)) return []
  // Also one that failed before: it may have been the machine, and then a new verification clears it.
  const again = entries.map((entry) => ({ ...entry, damaged: false }))
  return [selectBackup(again, choice, now)]
}

/** Backups whose manifest is damaged and that the choice should have reached: passing them over would look like success. */
function unreadableThatCount(
  entries: readonly HistoryEntry[],
  choice: VerifyOptions['choice'],
  now: Date
): HistoryEntry[] {
  const unreadable = entries.filter((entry) => entry.manifest === null)
  if (choice.kind === 'all') return unreadable
  if (choice.kind === 'id') return unreadable.filter((entry) => entry.ref.id === choice.id)
  const limit = choice.kind === 'at' ? choice.time.getTime() : Number.POSITIVE_INFINITY
  const reach = entries.filter((entry) => entry.createdAt.getTime() <= limit && !isFromTheFuture(entry, now))
  const newest = reach.filter((entry) => entry.manifest !== null).toSorted(newestFirst)[0]
  return unreadable.filter(
    (entry) =>
      reach.includes(entry) &&
      (newest === undefined || entry.ref.id === newest.ref.id || entry.createdAt.getTime() > newest.createdAt.getTime())
  )
}

function wordsOfUnreadable(entry: HistoryEntry): string {
  return `${entry.ref.id} in ${entry.destination} (${entry.unreadable ?? 'its manifest is damaged'})`
}

async function verifyCopy(
  copy: HistoryEntry,
  proven: Checked | undefined,
  options: VerifyOptions,
  ports: VerifyPorts
): Promise<Checked> {
  const { context } = ports
  const started = context.clock.monotonic()
  const dir = join(context.temp, 'verified')
  try {
    const backup = openEntry(copy, ports, { ...options, dir })
    const proof = await proveBackup(backup, proven, options, ports)
    const verification = { ...proof.verification, durationMs: Math.round(context.clock.monotonic() - started) }
    const differences = proof.findings.filter((finding) => finding.kind === 'difference')
    if (differences.length === 0) {
      const openedBy = rank(verification.level) < rank('read') ? [] : openersOf(backup.manifest, options.keys)
      return {
        copy,
        verification,
        findings: proof.findings,
        ...(openedBy.length === 0 ? {} : { openedBy }),
        ...(isHeard(backup.manifest, options.canaryWords) ? { canary: true } : {})
      }
    }
    const words = differences.slice(0, 5).map((finding) => `${finding.subject}: ${finding.detail}`)
    const more = differences.length - words.length
    const error = new UserError(
      'SB601',
      `The backup ${copy.ref.id} differs from what it should hold: ${words.join('; ')}${more > 0 ? `; and ${more} more` : ''}.`
    )
    return { copy, verification, findings: proof.findings, error }
  } catch (thrown) {
    if (!(thrown instanceof UserError) || context.signal.aborted) throw thrown
    return { copy, verification: { ...none, at: context.clock.now().toISOString() }, findings: [], error: thrown }
  } finally {
    await rm(dir, { recursive: true, force: true })
  }
}

function isHeardIn({ manifest, changed }: HistoryEntry, words: readonly string[]): boolean {
  return manifest !== null && !changed && isHeard(manifest, words)
}

/** Recipients of a backup that the identities at hand belong to. */
function openersOf(manifest: Manifest, keys: VerifyOptions['keys']): readonly string[] {
  return keys?.fingerprints.filter((one) => manifest.encryption.recipients.includes(one)) ?? []
}

async function proveBackup(
  backup: FetchableBackup,
  proven: Checked | undefined,
  options: VerifyOptions,
  ports: VerifyPorts
): Promise<Proof> {
  const { manifest, opened } = backup
  const { clock } = ports.context
  const now = () => clock.now().toISOString()
  const locked = manifest.encryption.scheme !== 'none' && options.keys === null
  const names = [...manifest.files, ...manifest.shared].map((file) => splitStoredName(file.name).plainName)
  const checksums = async () => {
    for (const name of names) {
      await opened.fetch([name])
      await opened.drop(name)
    }
  }
  const sameBytes =
    proven?.copy.manifest?.files.map((file) => file.sha256).join() === manifest.files.map((file) => file.sha256).join()
  if (proven !== undefined && sameBytes) {
    // The same bytes as those that were proven in another place: comparing them is enough.
    await checksums()
    return { verification: { ...proven.verification, at: now() }, findings: [] }
  }
  if (locked || options.mode === 'checksum') {
    if (locked && (options.mode === 'read' || options.mode === 'restore')) {
      throw new UserError(
        'SB503',
        `The backup ${manifest.id} is encrypted, and \`verify: ${options.mode}\` needs a key to open it.`
      )
    }
    await checksums()
    const reasons = locked ? ['it is encrypted and no key was given: it was not opened'] : []
    const findings = checksNotRun(options.checkSql, reasons[0] ?? '`verify` is `checksum`')
    const notProven = [...reasons, ...findings.map(({ detail }) => detail)]
    return { verification: { ...none, level: 'checksum', at: now(), notProven }, findings }
  }
  // Contents first: a key that does not fit and files of another backup are told before anything large is fetched.
  const contents = await opened.contents()
  const lost = await readFiles(backup, contents, names, ports)
  if (lost.length > 0)
    throw new UserError(
      'SB806',
      `${lost.length} Storage files are in none of the packs that should hold them: ${lost.slice(0, 10).join(', ')}.`
    )
  const dump = names.filter((name) => name === 'database.dump')
  await opened.fetch(dump)
  return ports.prove(
    {
      files: { ...opened.files, names: dump },
      type: manifest.type,
      ...(contents.database === undefined ? {} : { database: contents.database })
    },
    ports.context.signal
  )
}

/**
 * Reads every file but the database's archive to its end. Gives the names of Storage files that the contents tell of and whose pack does not hold them
 * with these bytes: a list of a pool that claims more than its pack holds makes such files.
 */
async function readFiles(
  { opened }: FetchableBackup,
  { storage }: Contents,
  names: readonly string[],
  { context }: VerifyPorts
): Promise<string[]> {
  const lost: string[] = []
  let objects: ObjectsByPack | undefined
  try {
    if (storage !== undefined)
      objects = await divideByPack({
        facts: storage,
        objects: opened.objects(),
        names,
        folder: join(context.temp, 'verified-objects'),
        onOrphan: ({ bucket, key }) => void lost.push(`${bucket}/${key}`)
      })
    for (const name of names) {
      if (name === 'database.dump') continue
      await opened.fetch([name])
      const records = await readWhole(opened.files, name)
      await opened.drop(name)
      for (const { entry, sha256, bucket, key } of (await objects?.of(name))?.values() ?? []) {
        const record = records?.get(entry)
        if (record === undefined || (sha256 !== undefined && sha256 !== record.sha256)) lost.push(`${bucket}/${key}`)
      }
    }
    return lost
  } finally {
    await objects?.remove()
  }
}

async function writeRecord(
  { copy, verification, openedBy, canary, error }: Checked,
  ports: VerifyPorts,
  warnings: string[]
): Promise<void> {
  if (error !== undefined && !damning.has(error.code)) return
  const record: VerificationRecord = {
    format: 1,
    id: copy.ref.id,
    project: copy.ref.project,
    tool: ports.tool,
    outcome: error === undefined ? 'passed' : 'failed',
    verification,
    ...(openedBy === undefined ? {} : { openedBy: [...openedBy] }),
    ...(canary === undefined ? {} : { canary }),
    ...(error === undefined ? {} : { error: error.code })
  }
  const destination = ports.destinations.find((one) => one.name === copy.destination)
  try {
    await destination?.annotate(
      copy.ref,
      `verification-${compactTime(ports.context.clock.now())}.json`,
      Buffer.from(`${JSON.stringify(record, null, 2)}\n`)
    )
  } catch (thrown) {
    if (ports.context.signal.aborted || !(thrown instanceof UserError)) throw thrown
    warnings.push(
      `The record of the verification could not be written to ${destination?.place ?? copy.destination}: ${asError(thrown).message}`
    )
  }
}

function placeResult(destination: Ports['destinations'][number], checked: readonly Checked[]): DestinationResult {
  const { name, place } = destination
  const failed = checked.find(({ copy, error }) => copy.destination === name && error !== undefined)
  const url = checked.find(({ copy }) => copy.destination === name)?.copy.url ?? null
  return {
    name,
    place,
    stored: false,
    url,
    ...(failed?.error === undefined ? {} : { error: `${failed.error.code}: ${failed.error.message}` })
  }
}

function best(checked: readonly Checked[]): Checked | undefined {
  return checked.toSorted((a, b) => rank(b.verification.level) - rank(a.verification.level))[0]
}

function weakest(checked: readonly Checked[]): VerificationLevel {
  if (checked.length === 0 || checked.some(({ error }) => error !== undefined)) return 'none'
  return checked
    .map(({ verification }) => verification.level)
    .reduce((low, level) => (rank(level) < rank(low) ? level : low), 'restore')
}

function sizeOf(copy: HistoryEntry): number {
  const { manifest } = copy
  return manifest === null ? 0 : [...manifest.files, ...manifest.shared].reduce((sum, file) => sum + file.bytes, 0)
}
