import { rm } from 'node:fs/promises'
import { join } from 'node:path'
import { compactTime } from '../archive/backup-id.ts'
import { isHeard } from '../archive/canary.ts'
import type { Contents } from '../archive/contents.ts'
import type { Manifest, Verification } from '../archive/manifest.ts'
import { splitStoredName } from '../archive/stored-names.ts'
import type { VerificationRecord } from '../archive/verification-record.ts'
import { asError, UserError } from '../errors.ts'
import { type HistoryEntry, rank } from '../history/entries.ts'
import type { BackupChoice } from '../history/select.ts'
import { checksNotRun } from '../sources/database/verify/check-sql.ts'
import type { Finding } from '../sources/source.ts'
import { divideByPack, type ObjectsByPack } from '../sources/storage/objects-by-pack.ts'
import { failedProof } from './failed-proof.ts'
import { type FetchableBackup, type FetchOptions, openEntry } from './fetch-backup.ts'
import type { Ports, Proof, Prove } from './ports.ts'
import { readWhole } from './verify-staged.ts'

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
export interface Checked {
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

export const none: Verification = {
  level: 'none',
  at: null,
  tables: { restore: 0, read: 0, differing: 0 },
  notProven: []
}

/** Verifies one copy of a backup; `proven` is another copy of it that passed. A failure is part of what comes back; only bugs and a cancelled run are thrown. */
export async function verifyCopy(
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
    if (proof.verdict === 'proven') {
      const openedBy = rank(verification.level) < rank('read') ? [] : openersOf(backup.manifest, options.keys)
      return {
        copy,
        verification,
        findings: proof.findings,
        ...(openedBy.length === 0 ? {} : { openedBy }),
        ...(isHeard(backup.manifest, options.canaryWords) ? { canary: true } : {})
      }
    }
    const error = failedProof(proof, `The backup ${copy.ref.id}`)
    return { copy, verification, findings: proof.findings, error }
  } catch (thrown) {
    if (!(thrown instanceof UserError) || context.signal.aborted) throw thrown
    return { copy, verification: { ...none, at: context.clock.now().toISOString() }, findings: [], error: thrown }
  } finally {
    await rm(dir, { recursive: true, force: true })
  }
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
    return { verdict: 'proven', verification: { ...proven.verification, at: now() }, findings: [] }
  }
  if (locked || options.mode === 'checksum') {
    if (locked && (options.mode === 'read' || options.mode === 'restore')) {
      throw new UserError(
        'SB503',
        `The backup ${manifest.id} is encrypted, and \`verify: ${options.mode}\` needs a key to open it.`
      )
    }
    await checksums()
    const isShown = isHeard(manifest, options.canaryWords)
    const reasons = !locked
      ? []
      : isShown
        ? ['a key was shown by the word of its canary, and is not here: it was not opened']
        : ['it is encrypted and no key was given: it was not opened']
    const findings = checksNotRun(options.checkSql, reasons[0] ?? '`verify` is `checksum`')
    const notProven = [...reasons, ...findings.map(({ detail }) => detail)]
    return { verdict: 'proven', verification: { ...none, level: 'checksum', at: now(), notProven }, findings }
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

/** Writes the outcome beside the backup, unless it says nothing of the backup itself. A place that does not take it is told. */
export async function writeRecord(
  { copy, verification, openedBy, canary, error }: Checked,
  ports: Ports,
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
