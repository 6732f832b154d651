import { join } from 'node:path'
import { makeBackupId } from '../archive/backup-id.ts'
import { storedCanary } from '../archive/canary.ts'
import type { Egress, Manifest, Part } from '../archive/manifest.ts'
import type { Packer } from '../archive/pack.ts'
import type { SourceName } from '../archive/parts.ts'
import type { BackupRef, Destination } from '../destinations/destination.ts'
import { UserError } from '../errors.ts'
import type { Alarm } from '../history/comparison.ts'
import { type HistoryEntry, readHistory } from '../history/entries.ts'
import { backupRows } from '../history/history-rows.ts'
import { isKeyShown } from '../history/recipients.ts'
import type { DestinationResult, Result } from '../result.ts'
import type { SharedPacks, Source } from '../sources/source.ts'
import { formatBytes, fullStop } from '../text/format.ts'
import { captureSource, notCapturedNotes } from './capture-source.ts'
import {
  acknowledgeEarlier,
  alarmsBeside,
  anomaly,
  describeDatabase,
  fallsBeside,
  recipientWarnings
} from './compare-with-history.ts'
import { failedProof } from './failed-proof.ts'
import type { Unread } from './list.ts'
import { type BackupOptions, frameOf } from './manifest-fields.ts'
import { type FactLists, packContents } from './pack-contents.ts'
import { guardPlaintext } from './plaintext-policy.ts'
import type { Ports, ProofVerdict, Prove } from './ports.ts'
import { pruneAfterBackup } from './prune.ts'
import { publish, type Sign } from './publish.ts'
import { reckonRun } from './reckon-egress.ts'
import { backupBefore, nameFallen, type OpenEarlier, writeDiary } from './schema-changes.ts'
import { isHeardIn } from './verify-choice.ts'
import { none, writeRecord } from './verify-stored-copy.ts'

/** Leftovers of other runs are removed when they are older than the longest job can be (6 h), with room to spare. */
export const leftoverAgeMs = 24 * 60 * 60 * 1000

export interface BackupPorts extends Ports {
  /** Opens the sources to capture, in their order, knowing earlier backups; what is skipped by choice comes as `skipped`. */
  readonly openSources: (
    destinations: readonly Destination[],
    earlier: readonly HistoryEntry[]
  ) => Promise<{ sources: readonly Source<unknown>[]; skipped: readonly Part[]; about: Manifest['source'] }>
  readonly createPacker: (dir: string) => Packer
  readonly prove: Prove
  /** Bytes free where files are staged; null where that cannot be told. */
  readonly freeBytes: () => Promise<number | null>
  readonly sign: Sign
  /** Bytes that this run took out of the project so far. */
  readonly egress: () => Egress
  /** For the diary of the schema by name; left out where this run has nothing to open earlier backups with. */
  readonly openEarlier?: OpenEarlier
}

/** Captures, packs, proves and publishes one backup. The result tells of failures, too; only bugs are thrown. */
export async function runBackup(options: BackupOptions, ports: BackupPorts): Promise<Result> {
  const { context, tool, destinations } = ports
  const { clock, log } = context
  const startedAt = clock.now()
  const started = clock.monotonic()
  const backup = { project: options.project, id: makeBackupId(clock, context.randomBytes) }
  const warnings: string[] = []
  const draft: { -readonly [K in keyof Result]?: Result[K] } = {}
  let entries: HistoryEntry[] = []
  const stored: DestinationResult[] = []

  let before: readonly HistoryEntry[] = []
  const egress = () => reckonRun(before, ports.egress(), options.egressBudget, startedAt)
  const finish = (status: Result['status'], error?: UserError): Result => ({
    command: 'backup',
    status,
    startedAt: startedAt.toISOString(),
    durationMs: Math.round(clock.monotonic() - started),
    tool,
    project: options.project,
    verified: 'none',
    destinations: stored,
    backups: backupRows(entries, clock.now()),
    url: stored.find((one) => one.url !== null)?.url ?? null,
    path: null,
    warnings,
    egress: egress().result,
    ...draft,
    ...(error === undefined ? {} : { error: { code: error.code, message: error.message, remedy: error.remedy } })
  })

  let packer: Packer | undefined
  let sources: readonly Source<unknown>[] = []
  try {
    if (options.encryptionFacts.scheme === 'none') {
      await guardPlaintext(destinations, options.plaintext)
      const readers = destinations.map(({ place }) => place).join(' or ')
      warnings.push(`This backup is not encrypted: whoever can read ${readers} can read all that it holds.`)
    }
    const reachable = await readHistories(ports, backup, stored, warnings)
    const refusals = [...reachable.refusals]
    for (const warning of recipientWarnings(reachable.entries, options, startedAt)) {
      log.warning(warning)
      warnings.push(warning)
    }
    entries = await noteCanary(options.canaryWords ?? [], reachable, ports, draft, warnings)
    const keyShown = isKeyShown(entries, options.encryptionFacts)
    if (keyShown !== undefined) draft.keyShown = keyShown
    entries = [...(await acknowledgeEarlier(reachable.destinations, entries, options.acknowledge, startedAt, warnings))]
    before = entries
    const opened = await ports.openSources(reachable.destinations, entries)
    sources = opened.sources
    for (const source of sources) await source.preflight(context.signal)
    await checkFreeSpace(sources, ports, warnings)

    packer = ports.createPacker(join(context.temp, 'staging'))
    let parts: Part[] = [...opened.skipped]
    const facts = new Map<SourceName, unknown>()
    const lists = new Map<SourceName, FactLists>()
    let shared: SharedPacks | undefined
    for (const source of sources) {
      const captured = await log.group(`Capturing: ${source.name}`, () =>
        captureSource(source, packer as Packer, context.signal)
      )
      parts.push(captured.part)
      if (captured.facts !== undefined) facts.set(source.name, captured.facts)
      if (captured.lists !== undefined) lists.set(source.name, captured.lists)
      shared ??= captured.shared
      for (const warning of captured.warnings) log.warning(warning)
      warnings.push(...captured.warnings)
    }
    if (!parts.some((part) => part.status === 'captured' || part.status === 'partial'))
      throw new UserError(
        'SB214',
        `Nothing was captured: ${parts.map((part) => `${part.source} ${part.status} (${part.reason ?? 'no reason'})`).join('; ')}.`
      )

    const proof = await ports.prove(
      {
        files: packer.files,
        type: options.type,
        ...(facts.has('database') ? { database: facts.get('database') } : {})
      },
      context.signal
    )
    const described = describeDatabase(parts, facts.get('database'), entries, options)
    parts = [...described.parts]
    const diary =
      described.changes === undefined
        ? undefined
        : await writeDiary(
            described.changes,
            facts.get('database'),
            backupBefore(entries, options.type),
            reachable.destinations,
            ports.openEarlier,
            log
          )
    if (diary !== undefined) draft.changes = [...diary.shown]
    draft.verified = proof.verification.level
    draft.verification = proof.verification
    draft.findings = [...proof.findings, ...notCapturedNotes(facts.get('database'))]
    draft.backup = backupOf(options, backup.id, startedAt, parts, packer, opened.about)
    if (proof.verdict === 'lacking') throw failedProof(proof, 'What pg_dump wrote')

    await packContents(
      {
        id: backup.id,
        project: options.project,
        createdAt: startedAt,
        type: options.type,
        encryption: options.encryptionFacts,
        facts,
        lists,
        shared,
        ...(diary === undefined ? {} : { changes: diary.kept })
      },
      packer,
      context.randomBytes
    )
    const canary = storedCanary({ files: [...packer.staged] })
    if (canary !== undefined) draft.canary = canary
    draft.backup = { ...backupOf(options, backup.id, startedAt, parts, packer, opened.about), ...sizeOf(sources) }
    const incomplete = parts.some((part) => part.status === 'partial' || part.status === 'impossible')
    const measures = {
      parts,
      sizeBytes: neededBytes(packer.staged, shared),
      compression: options.compression,
      durationMs: Math.round(clock.monotonic() - started)
    }
    const alarms = alarmsBeside(entries, measures, options.type, options.shrinkLimit, startedAt)
    const falls = await fallsBeside(
      entries,
      measures,
      options,
      () =>
        nameFallen(
          facts.get('database'),
          backupBefore(entries, options.type),
          reachable.destinations,
          ports.openEarlier,
          log
        ),
      startedAt
    )
    if (falls.length > 0) draft.falls = falls
    for (const fall of falls) log.warning(`Less than before: ${fall}.`)
    const told = egress()
    if (alarms.length > 0 || told.alarm !== undefined)
      draft.alarms = [...alarms, ...(told.alarm === undefined ? [] : [{ kind: 'egress', detail: told.alarm.message }])]
    const frame = frameOf({
      options,
      id: backup.id,
      tool,
      startedAt,
      durationMs: Math.round(clock.monotonic() - started),
      parts,
      about: opened.about,
      verification: proof.verification,
      status: statusOf(alarms, proof.verdict, incomplete),
      ...told.manifest,
      ...(described.shape === undefined ? {} : { shape: described.shape })
    })
    for (const destination of reachable.destinations) {
      try {
        stored.push(
          await log.group(`Publishing: ${destination.place}`, () =>
            publish(context, destination, backup, frame, (packer as Packer).staged, ports.sign, shared)
          )
        )
      } catch (thrown) {
        if (context.signal.aborted || !(thrown instanceof UserError)) throw thrown
        log.warning(`${destination.place}: ${thrown.code}: ${thrown.message}`)
        stored.push(failedDestination(destination, thrown))
        refusals.push({ place: destination.place, error: thrown })
      }
    }
    const failures = stored.filter((one) => !one.stored)
    if (stored.every((one) => !one.stored)) {
      draft.verified = 'none'
      throw new UserError('SB423', `The backup could not be stored anywhere: ${toldOf(refusals)}`, {
        remedy: remediesOf(refusals)
      })
    }
    const after: HistoryEntry[] = []
    for (const destination of reachable.destinations) {
      try {
        after.push(...(await readHistory(destination, clock.now(), options.project, ports.trusted)))
      } catch (thrown) {
        if (!(thrown instanceof UserError)) throw thrown
        warnings.push(`The history of ${destination.place} could not be read after publishing: ${thrown.message}`)
      }
    }
    entries = after
    if (alarms.length > 0)
      return finish(
        'anomalous',
        anomaly(backup.id, alarms, [
          ...(proof.verdict === 'unproven' ? [failedProof(proof, 'It').message] : []),
          ...(failures.length > 0 ? [notEverywhere(refusals)] : []),
          ...(incomplete ? [`It does not hold everything: ${incompleteText(parts)}.`] : [])
        ])
      )
    if (proof.verdict === 'unproven')
      return finish('unproven', failedProof(proof, `The backup ${backup.id} was stored, but it`))
    if (failures.length > 0)
      return finish('partial', new UserError('SB424', notEverywhere(refusals), { remedy: remediesOf(refusals) }))
    if (incomplete)
      return finish('partial', new UserError('SB215', `The backup does not hold everything: ${incompleteText(parts)}.`))
    if (options.keep !== undefined) {
      const pruned = await pruneAfterBackup(options.project, options.keep, {
        ...ports,
        destinations: reachable.destinations
      })
      for (const warning of pruned.warnings) log.warning(warning)
      warnings.push(...pruned.warnings)
      draft.retention = pruned.retention
      entries = withoutRemoved(entries, pruned.retention)
    }
    // The backup is as good as any: only the run is not, so that somebody looks before the project is shut off.
    return told.alarm === undefined ? finish('complete') : finish('anomalous', told.alarm)
  } catch (thrown) {
    if (thrown instanceof UserError) return finish('failed', thrown)
    throw thrown
  } finally {
    packer?.close()
    for (const source of sources) await source.close()
  }
}

/** An open alarm weighs more than what is missing or not proven: it freezes pruning. A proof that failed gives no level, so that nothing counts such a backup. */
function statusOf(alarms: readonly Alarm[], verdict: ProofVerdict, incomplete: boolean): Manifest['status'] {
  if (alarms.length > 0) return 'anomalous'
  if (verdict === 'unproven') return 'unproven'
  return incomplete ? 'partial' : 'complete'
}

function withoutRemoved(entries: readonly HistoryEntry[], retention: NonNullable<Result['retention']>): HistoryEntry[] {
  const gone = new Set(retention.filter((one) => one.removed === true).map((one) => `${one.destination} ${one.id}`))
  return entries.filter((entry) => !gone.has(`${entry.destination} ${entry.ref.id}`))
}

/** Takes note of keys that were shown by the words of canaries: a record beside each backup whose canary says such a word. */
async function noteCanary(
  words: readonly string[],
  reachable: { readonly entries: readonly HistoryEntry[]; readonly destinations: readonly Destination[] },
  ports: BackupPorts,
  draft: { keyNoted?: boolean | undefined },
  warnings: string[]
): Promise<HistoryEntry[]> {
  if (words.length === 0) return [...reachable.entries]
  const heard = reachable.entries.filter((entry) => isHeardIn(entry, words))
  if (heard.length === 0) {
    warnings.push(
      'The word given as `canary` stands in the canary of no backup that lies here: nothing was noted. Look whether the backup that it is of was removed, or whether a letter is missing.'
    )
    return [...reachable.entries]
  }
  for (const copy of heard)
    await writeRecord(
      { copy, verification: none, findings: [], canary: true },
      { ...ports, destinations: reachable.destinations },
      warnings
    )
  draft.keyNoted = true
  ports.context.log.info('A key that opens these backups was shown: that is noted.')
  const noted: HistoryEntry[] = []
  for (const destination of reachable.destinations)
    noted.push(...(await readHistory(destination, ports.context.clock.now(), heard[0]?.ref.project, ports.trusted)))
  return noted
}

/** Reads what lies in each destination before any work, and looks whether it could be stored there, so that a token that does not reach it is noticed first. */
async function readHistories(ports: BackupPorts, backup: BackupRef, stored: DestinationResult[], warnings: string[]) {
  const entries: HistoryEntry[] = []
  const destinations = []
  const refusals: Unread[] = []
  let firstError: UserError | undefined
  for (const destination of ports.destinations) {
    try {
      entries.push(...(await readHistory(destination, ports.context.clock.now(), backup.project, ports.trusted)))
      await destination.assertWritable?.(backup)
      const removed = await destination.clean(new Date(ports.context.clock.now().getTime() - leftoverAgeMs))
      for (const what of removed) ports.context.log.info(`Removed what an earlier run left unfinished: ${what}`)
      destinations.push(destination)
    } catch (thrown) {
      if (!(thrown instanceof UserError) || ports.context.signal.aborted) throw thrown
      firstError ??= thrown
      stored.push(failedDestination(destination, thrown))
      refusals.push({ place: destination.place, error: thrown })
      warnings.push(`${destination.place} cannot be used: ${thrown.message}`)
    }
  }
  if (destinations.length === 0 && firstError !== undefined) throw firstError
  return { entries, destinations, refusals }
}

/** A dump takes at least about a tenth of what the database takes on its server, and seldom more than half. */
const leastShare = 0.1
const usualShare = 0.5

/** Stops before any work where the disk cannot hold the backup, and warns where it may become scarce. */
async function checkFreeSpace(
  sources: readonly Source<unknown>[],
  ports: BackupPorts,
  warnings: string[]
): Promise<void> {
  const size = sources.reduce((sum, source) => sum + (source.sizeBytes ?? 0), 0)
  const free = await ports.freeBytes()
  if (free === null) return
  const words = `the project takes ${formatBytes(size)} where it lies, ${formatBytes(free)} are free for temporary files here`
  if (free < size * leastShare) throw new UserError('SB310', `There is not enough room for the backup: ${words}.`)
  if (free < size * usualShare) {
    ports.context.log.warning(`Room may become scarce: ${words}.`)
    warnings.push(`Room may become scarce: ${words}.`)
  }
}

function notEverywhere(refusals: readonly Unread[]): string {
  return `The backup is not stored in every destination: ${toldOf(refusals)}`
}

/** What each place answered; what to do about it is the remedy's. */
function toldOf(refusals: readonly Unread[]): string {
  return refusals.map(({ place, error }) => fullStop(`${place}: ${error.code}: ${error.message}`)).join(' ')
}

function remediesOf(refusals: readonly Unread[]): string {
  return [...new Set(refusals.map(({ error }) => fullStop(error.remedy)))].join(' ')
}

function failedDestination(
  destination: { name: DestinationResult['name']; place: string },
  error: UserError
): DestinationResult {
  return {
    name: destination.name,
    place: destination.place,
    stored: false,
    url: null,
    error: `${error.code}: ${error.message} ${error.remedy}`
  }
}

/** What the database takes on its server, where that is known. */
function sizeOf(sources: readonly Source<unknown>[]): { databaseBytes?: number } {
  const size = sources.find((source) => source.name === 'database')?.sizeBytes
  return size === undefined || size === null ? {} : { databaseBytes: size }
}

function backupOf(
  options: BackupOptions,
  id: string,
  createdAt: Date,
  parts: readonly Part[],
  packer: Packer,
  about: Manifest['source']
): NonNullable<Result['backup']> {
  return {
    id,
    createdAt: createdAt.toISOString(),
    type: options.type,
    kind: options.kind,
    sizeBytes: packer.staged.reduce((sum, file) => sum + file.bytes, 0),
    parts: [...parts],
    encryption: options.encryptionFacts,
    source: about
  }
}

/** What the backup takes with everything that it needs of earlier ones: what is compared with those, which names the same packs. */
function neededBytes(staged: Packer['staged'], shared: SharedPacks | undefined): number {
  const sum = (files: readonly { readonly bytes: number }[]) => files.reduce((total, { bytes }) => total + bytes, 0)
  const old = [...(shared?.old.values() ?? [])].map(sum)
  // What lies in a pool already is staged once more for places without one.
  return sum(staged.filter(({ name }) => old.length === 0 || shared?.again.has(name) !== true)) + Math.max(0, ...old)
}

function incompleteText(parts: readonly Part[]): string {
  return parts
    .filter((part) => part.status === 'partial' || part.status === 'impossible')
    .map(
      (part) =>
        `${part.source} is ${part.status === 'impossible' ? 'missing' : part.status}${part.reason === undefined ? '' : ` (${part.reason})`}`
    )
    .join('; ')
}
