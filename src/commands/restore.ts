import { rm } from 'node:fs/promises'
import { join } from 'node:path'
import type { Contents } from '../archive/contents.ts'
import type { DatabaseFacts } from '../archive/contents-database.ts'
import type { Files } from '../archive/files.ts'
import type { Manifest } from '../archive/manifest.ts'
import type { SourceName } from '../archive/parts.ts'
import { UserError } from '../errors.ts'
import type { HistoryEntry } from '../history/entries.ts'
import { backupRows } from '../history/history-rows.ts'
import { type BackupChoice, entriesMeant, passedOver, selectBackup } from '../history/select.ts'
import type { Included } from '../inputs/commands.ts'
import type { Result } from '../result.ts'
import { listed } from '../sources/database/catalog/quote.ts'
import { memberRowsFile } from '../sources/database/members/rows-archive.ts'
import type { RestoreMode } from '../sources/database/restore/plan/restore-plan.ts'
import type { RestoreSelection } from '../sources/database/restore/plan/select-entries.ts'
import type { DatabaseRestore } from '../sources/database/restore/restore-database.ts'
import type { Finding } from '../sources/source.ts'
import { rowsWithoutFiles } from '../sources/storage/files-left-out.ts'
import { formatAge, formatBytes } from '../text/format.ts'
import { backupOfManifest } from './backup-of-manifest.ts'
import { type FetchableBackup, type FetchOptions, openEntry } from './fetch-backup.ts'
import { readAll, readReachable } from './list.ts'
import type { Ports } from './ports.ts'
import { advised } from './restore-advice.ts'
import { assertConfirmed, assertMeant, isSource, namesOf, type RestoreTarget } from './restore-target.ts'
import { notesOfLeftOut } from './skipped-parts.ts'
import { whereRowsAre } from './where-rows-are.ts'

export interface RestoreOptions extends Omit<FetchOptions, 'dir'> {
  readonly project: string | undefined
  readonly choice: BackupChoice
  readonly target: RestoreTarget
  /** As typed; undefined only with `dryRun`. */
  readonly confirmTarget: string | undefined
  readonly mode: RestoreMode
  /** What of the database was chosen, as typed: an undo takes back that and nothing else. */
  readonly selection: RestoreSelection
  readonly safetyBackup: boolean
  readonly dryRun: boolean
  /** The parts that are meant, and why others are not: those that the backup lacks are told, and those that it holds and that stay behind. */
  readonly include: Pick<Included, 'sources' | 'reasons'>
}

/** A part of a backup besides the database. */
export interface RestorePart {
  readonly name: Exclude<SourceName, 'database'>
  /** Brings it back; what it could not is among the findings. Throws a UserError when it cannot go on. */
  restore(backup: FetchableBackup, contents: Contents, before: BroughtBack): Promise<readonly Finding[]>
  /** What `restore` would do; changes nothing. */
  preview?(backup: FetchableBackup, contents: Contents): Promise<readonly Finding[]>
}

/** What a run brought back before its other parts. */
export interface BroughtBack {
  /** Rows of `storage.objects`, each of which stands for a file. */
  readonly rowsOfFiles: number
}

export interface RestorePorts extends Ports {
  readonly openDatabase: (files: Files, facts: DatabaseFacts, backupId: string) => DatabaseRestore
  /** Parts that can be brought back with the inputs given, in their order; the database comes before all of them. */
  readonly parts: readonly RestorePart[]
  /** Backs the target up, as a backup of kind `safety`. */
  readonly backUpTarget: (project: string | undefined) => Promise<Result>
  /** Bytes free where files are fetched to; null where that cannot be told. */
  readonly freeBytes: () => Promise<number | null>
}

/** What became of one part of a backup in a restore. */
interface RestoredPart {
  readonly source: SourceName
  /** `unequal`: it came back, and is not what the backup says; `stopped`: what had come in by then stays. */
  status: 'restored' | 'unequal' | 'stopped' | 'notBegun'
  reason?: string
}

interface Draft {
  manifest?: Manifest
  url?: string | null
  restore: Record<string, unknown>
  findings: Finding[]
  warnings: string[]
  entries: HistoryEntry[]
}

/**
 * Brings a backup back: gates first, a plan, a backup of the target, the database in one transaction, then the other parts. The result tells of failures,
 * too; only bugs are thrown.
 */
export async function runRestore(options: RestoreOptions, ports: RestorePorts): Promise<Result> {
  const { context } = ports
  const { clock } = context
  const startedAt = clock.now()
  const started = clock.monotonic()
  const draft: Draft = {
    restore: {
      mode: options.mode,
      dryRun: options.dryRun,
      target: namesOf(options.target),
      selection: options.selection
    },
    findings: [],
    warnings: [],
    entries: []
  }
  const dir = join(context.temp, 'restored')
  const finish = (status: Result['status'], error?: UserError): Result => ({
    command: 'restore',
    status,
    startedAt: startedAt.toISOString(),
    durationMs: Math.round(clock.monotonic() - started),
    tool: ports.tool,
    project: draft.manifest?.project ?? options.project ?? null,
    ...(draft.manifest === undefined ? {} : { backup: backupOfManifest(draft.manifest) }),
    verified: 'none',
    findings: draft.findings,
    destinations: ports.destinations.map(({ name, place }) => ({ name, place, stored: false, url: null })),
    backups: backupRows(draft.entries, clock.now()),
    url: draft.url ?? null,
    path: null,
    warnings: draft.warnings,
    restore: {
      ...draft.restore,
      todo: draft.findings.filter((finding) => finding.kind === 'todo'),
      durationMs: Math.round(clock.monotonic() - started)
    },
    ...(error === undefined ? {} : { error: { code: error.code, message: error.message, remedy: error.remedy } })
  })
  try {
    if (options.confirmTarget !== undefined) assertConfirmed(options.confirmTarget, options.target)
    const error = await restoreInto(options, ports, draft, dir)
    return error === undefined ? finish('complete') : finish('partial', error)
  } catch (thrown) {
    if (thrown instanceof UserError) return finish('failed', thrown)
    throw thrown
  } finally {
    await rm(dir, { recursive: true, force: true })
  }
}

async function restoreInto(
  options: RestoreOptions,
  ports: RestorePorts,
  draft: Draft,
  dir: string
): Promise<UserError | undefined> {
  const { context } = ports
  const { log, clock } = context
  const { backup, contents } = await openBackup(options, ports, draft, dir)
  const { manifest } = backup
  draft.manifest = manifest
  const ageMs = clock.now().getTime() - Date.parse(manifest.createdAt)
  Object.assign(draft.restore, { backupId: manifest.id, backupCreatedAt: manifest.createdAt, ageMs })
  log.info(`Backup ${manifest.id} of ${manifest.project}, ${formatAge(ageMs)} old`)

  const facts = options.include.sources.includes('database') ? contents.database : undefined
  // Whatever is restored: all parts tell where the backup was made.
  if (options.confirmTarget !== undefined) assertMeant(options.confirmTarget, options.target, contents)
  const toItself = isSource(options.target, contents)
  draft.restore['toItself'] = toItself
  if (options.include.sources.includes('database') && facts === undefined)
    throw new UserError('SB710', `The backup ${manifest.id} has no database part.`)

  const database = facts === undefined ? undefined : await openDatabasePart(backup, facts, ports)
  const look = async (opened: DatabaseRestore) => {
    try {
      return await opened.preview(options.dryRun)
    } catch (thrown) {
      throw facts === undefined ? thrown : advised(thrown, options, facts)
    }
  }
  let foretold: UserError | undefined
  if (database !== undefined) {
    const cut = await database.settle(!options.dryRun)
    if (cut !== null) {
      const { backupId, startedAt, findings } = cut
      draft.restore['takenBack'] = { backupId, startedAt }
      draft.findings.push(...findings)
      const words = `The target held a part of the backup ${backupId}: the restore that began at ${startedAt} was cut. What had come in was taken back before this one began.`
      log.info(words)
      draft.warnings.push(words)
    }
    const preview = await log.group('Looking at the target', () => look(database))
    tellPreview(preview, options, log)
    Object.assign(draft.restore, {
      plan: {
        objects: preview.objects,
        tables: preview.tables,
        rows: preview.rows,
        dropped: preview.dropped,
        givenBack: preview.givenBack
      }
    })
    if (options.dryRun) {
      draft.findings.push(...preview.findings)
      draft.restore['comparison'] = preview.comparison ?? []
      await tellWhereRowsAre(options, ports, draft, dir)
      if (toItself)
        draft.findings.push({
          kind: 'note',
          subject: 'target',
          detail: `it is the source of the backup: to restore into it, write confirm-target: same:${namesOf(options.target)[0] ?? ''}`
        })
      if (preview.refused.length > 0)
        throw new UserError(
          'SB721',
          `${preview.refused.slice(0, 10).join(' ')}${preview.refused.length > 10 ? ` And ${preview.refused.length - 10} more.` : ''}`
        )
      foretold = incomplete(preview, true)
    }
  }
  if (options.dryRun) {
    const refused = foretold
    const unknown = await restoreParts(options, ports, draft, { backup, contents, rowsOfFiles: 0 })
    if (refused !== undefined) return refused
    return unknown.length > 0 ? new UserError('SB716', unknown.join(' ')) : undefined
  }

  if (options.safetyBackup && database === undefined) {
    draft.warnings.push(
      'Nothing was backed up first: a safety backup keeps the database, which this restore leaves alone.'
    )
  } else if (options.safetyBackup) {
    const safety = await log.group('Backing the target up first', () =>
      ports.backUpTarget(toItself ? manifest.project : undefined)
    )
    if (safety.status === 'failed' || safety.backup === undefined) {
      const { error } = safety
      throw new UserError(
        'SB715',
        `The target could not be backed up, and nothing was changed: ${error === undefined ? safety.status : `${error.code}: ${error.message} ${error.remedy}`}`
      )
    }
    draft.restore['safetyBackupId'] = safety.backup.id
    draft.restore['safetyProject'] = safety.project
    draft.warnings.push(...safety.warnings.map((warning) => `Safety backup: ${warning}`))
    if (safety.error !== undefined) draft.warnings.push(`Safety backup: ${safety.error.message}`)
    log.info(
      `The target is kept as backup ${safety.backup.id} of ${safety.project ?? ''}: restore-mode replace brings it back.`
    )
    await readHistories(ports, draft, { project: safety.project, id: safety.backup.id })
  }

  let left: readonly string[] = []
  let leftOut: readonly string[] = []
  let rowsOfFiles = 0
  if (database !== undefined) {
    const begun = clock.monotonic()
    const restored = await log.group('Restoring: database', () => database.run())
    draft.findings.push(...restored.findings)
    Object.assign(draft.restore, {
      tables: restored.tables,
      rows: restored.rows,
      sideSchema: restored.sideSchema,
      leftOut: restored.leftOut,
      databaseMs: Math.round(clock.monotonic() - begun)
    })
    left = restored.left
    leftOut = restored.leftOut
    if (restored.rows === 0) await tellWhereRowsAre(options, ports, draft, dir)
    // Beside the live table they stand for nothing.
    if (restored.sideSchema === null)
      rowsOfFiles = restored.tables.find(({ table }) => table === 'storage.objects')?.rows ?? 0
    draft.restore['parts'] = [{ source: 'database', status: left.length + leftOut.length > 0 ? 'unequal' : 'restored' }]
    log.info(
      `${restored.rows} rows of ${restored.tables.length} tables came back and were compared with the backup.${restored.sideSchema === null ? '' : ` They are in the schema ${restored.sideSchema}.`}`
    )
  }
  const failures = await restoreParts(options, ports, draft, { backup, contents, rowsOfFiles })
  if (failures.length > 0 && database !== undefined)
    failures.push('The database stays restored; what came into the other parts stays, too.')
  const lacking = incomplete({ left, leftOut }, false)
  if (lacking !== undefined)
    return failures.length === 0 ? lacking : new UserError(lacking.code, `${lacking.message} ${failures.join(' ')}`)
  if (failures.length > 0) return new UserError('SB716', failures.join(' '))
  return undefined
}

/** Where tables were asked for: which of the latest backups holds how many rows of them. */
async function tellWhereRowsAre(
  options: RestoreOptions,
  ports: RestorePorts,
  draft: Draft,
  dir: string
): Promise<void> {
  const { tables } = options.selection
  if (tables.length === 0) return
  const earlier = `${dir}-earlier`
  try {
    draft.restore['whereRowsAre'] = await ports.context.log.group('Looking where the rows are', () =>
      whereRowsAre(
        tables,
        draft.entries,
        async (copy, copies) => {
          await rm(earlier, { recursive: true, force: true })
          return openEntry(copy, ports, { ...options, dir: earlier }, copies).opened.contents()
        },
        ports.context.clock.now()
      )
    )
  } finally {
    await rm(earlier, { recursive: true, force: true })
  }
}

/** What a restore does not bring as it is in the backup, or would not; undefined where that is nothing. */
function incomplete(
  { left, leftOut }: { readonly left: readonly string[]; readonly leftOut: readonly string[] },
  foretold: boolean
): UserError | undefined {
  const would = foretold ? 'would not' : 'did not'
  const words = [
    ...(left.length === 0 ? [] : [`The rows of ${listed(left, 10)} ${would} come back.`]),
    ...(leftOut.length === 0
      ? []
      : [
          `${foretold ? 'Would not be' : 'Not'} made as in the backup: ${listed(leftOut, 10)}. Everything else ${foretold ? 'would come' : 'came'} back.`
        ])
  ]
  return words.length === 0 ? undefined : new UserError(left.length > 0 ? 'SB717' : 'SB722', words.join(' '))
}

/** The first copy that can be opened; one that is damaged is passed over when another place has the backup, too. */
async function openBackup(
  options: RestoreOptions,
  ports: RestorePorts,
  draft: Draft,
  dir: string
): Promise<{ backup: FetchableBackup; contents: Contents }> {
  const { context } = ports
  // An id is found whatever project it is of: a safety backup lies under the label of its own target.
  const all = await readReachable(ports, options.choice.kind === 'id' ? undefined : options.project, draft.warnings)
  draft.entries = all
  const entries = entriesMeant(all, options.choice)
  const copies = selectBackup(entries, options.choice, context.clock.now())
  draft.warnings.push(...passedOver(entries, options.choice, copies, context.clock.now()))
  draft.entries = all.filter((entry) => entry.ref.project === copies[0]?.ref.project)
  let failure: unknown
  for (const copy of copies) {
    try {
      await rm(dir, { recursive: true, force: true })
      const backup = openEntry(copy, ports, { ...options, dir }, copies)
      const contents = await backup.opened.contents()
      draft.url = copy.url ?? null
      return { backup, contents }
    } catch (thrown) {
      if (!(thrown instanceof UserError) || context.signal.aborted) throw thrown
      failure ??= thrown
      draft.warnings.push(`The copy in ${copy.destination} could not be used: ${thrown.message}`)
    }
  }
  throw failure
}

async function openDatabasePart(
  backup: FetchableBackup,
  facts: DatabaseFacts,
  ports: RestorePorts
): Promise<DatabaseRestore> {
  const holdsRows = facts.members?.tables.some(({ rows }) => rows !== null && rows !== '0') === true
  const names = [
    'database.dump',
    ...(holdsRows ? [memberRowsFile] : []),
    ...(facts.vault === undefined ? [] : ['vault.json'])
  ]
  const needed = backup.manifest.files
    .filter((file) => names.some((name) => file.name.startsWith(name)))
    .reduce((sum, file) => sum + file.bytes, 0)
  const free = await ports.freeBytes()
  if (free !== null && free < needed)
    throw new UserError(
      'SB310',
      `Fetching the database takes ${formatBytes(needed)}, and ${formatBytes(free)} are free.`
    )
  await ports.context.log.group('Fetching the database', () => backup.opened.fetch(names))
  return ports.openDatabase(backup.opened.files, facts, backup.manifest.id)
}

async function restoreParts(
  options: RestoreOptions,
  ports: RestorePorts,
  draft: Draft,
  { backup, contents, rowsOfFiles }: BroughtBack & { readonly backup: FetchableBackup; readonly contents: Contents }
): Promise<string[]> {
  const failures: string[] = []
  const told: RestoredPart[] = options.include.sources
    .filter((source) => source !== 'database' && contents[source] !== undefined)
    .map((source) => ({ source, status: 'notBegun' }))
  const before = draft.restore['parts']
  if (!options.dryRun) draft.restore['parts'] = [...(Array.isArray(before) ? before : []), ...told]
  for (const name of options.include.sources) {
    if (name === 'database') continue
    const part = ports.parts.find((one) => one.name === name)
    const own = told.find(({ source }) => source === name)
    if (own === undefined) {
      draft.findings.push({ kind: 'note', subject: name, detail: 'the backup does not hold this part' })
      continue
    }
    if (part === undefined) {
      own.reason = 'these inputs do not reach it'
      failures.push(`${name} cannot be brought back with these inputs.`)
      continue
    }
    own.status = 'stopped'
    try {
      const findings = options.dryRun
        ? ((await part.preview?.(backup, contents)) ?? [])
        : await ports.context.log.group(`Restoring: ${name}`, () => part.restore(backup, contents, { rowsOfFiles }))
      draft.findings.push(...findings)
      const differences = findings.filter(({ kind }) => kind === 'difference')
      own.status = differences.length > 0 ? 'unequal' : 'restored'
      if (differences.length > 0)
        failures.push(
          `${name} came back, but not equal: ${differences
            .slice(0, 5)
            .map(({ subject, detail }) => `${subject}: ${detail}`)
            .join('; ')}.`
        )
    } catch (thrown) {
      if (!(thrown instanceof UserError) || ports.context.signal.aborted) throw thrown
      own.reason = `${thrown.code}: ${thrown.message}`
      failures.push(`${name}: ${own.reason} ${thrown.remedy}`)
    }
  }
  if (rowsOfFiles > 0 && !told.some(({ source }) => source === 'storage'))
    draft.findings.push(
      rowsWithoutFiles(
        rowsOfFiles,
        contents.storage === undefined ? 'the backup holds no files' : 'this restore leaves the files out'
      )
    )
  draft.findings.push(...notesOfLeftOut(contents, options.include, options.dryRun))
  return failures
}

/** The history of the restored project, and the backup of the target, which lies under another label where the target is another project. */
async function readHistories(
  ports: RestorePorts,
  draft: Draft,
  safety: { readonly project: string | null; readonly id: string }
): Promise<void> {
  const project = draft.manifest?.project
  const entries = await readAll(ports, project)
  if (safety.project !== null && safety.project !== project) {
    const ofTarget = await readAll(ports, safety.project)
    entries.push(...ofTarget.filter((entry) => entry.ref.id === safety.id))
  }
  draft.entries = entries
}

function tellPreview(
  preview: Awaited<ReturnType<DatabaseRestore['preview']>>,
  options: RestoreOptions,
  log: Ports['context']['log']
): void {
  log.info(`Target: PostgreSQL ${preview.version}, role ${preview.user}; mode ${options.mode}`)
  log.info(`Plan: ${preview.objects} objects, ${preview.rows} rows of ${preview.tables} tables`)
  if (preview.inStages !== null)
    log.info(
      `${preview.inStages === 'locks' ? 'One transaction of the target cannot hold that' : 'Several sessions share so many rows'}: it comes in several transactions, and what came in is taken back when one fails`
    )
  for (const what of preview.dropped.slice(0, 100)) log.info(`To be replaced: ${what}`)
  for (const what of preview.givenBack.slice(0, 100)) log.info(`To be given back afterwards: ${what}`)
  for (const table of preview.comparison ?? []) {
    if (table.missing === 0 && table.extra === 0 && table.differing === 0) continue
    const number = (value: number | null) => (value === null ? 'unknown' : String(value))
    log.info(
      `${table.table}: ${table.rowsInBackup} rows in the backup, ${number(table.rowsInTarget)} in the target; ${number(table.missing)} missing there, ${number(table.extra)} extra, ${number(table.differing)} different${table.note === undefined ? '' : ` (${table.note})`}`
    )
  }
}
