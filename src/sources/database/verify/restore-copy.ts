import { rm, writeFile } from 'node:fs/promises'
import path from 'node:path'
import type { Readable, Writable } from 'node:stream'
import { dbnameArgument, libpqEnvironment } from '../../../clients/postgres/environment.ts'
import type { ClientPrograms } from '../../../clients/postgres/programs.ts'
import { startChild } from '../../../clients/process/child-process.ts'
import type { Context } from '../../../context.ts'
import { asError, UserError } from '../../../errors.ts'
import { factsOfKind } from '../pg-archive/kinds.ts'
import { type OpenArchive, type PourArchive, walkedStream, walkWhole } from '../pg-archive/read-archive.ts'
import { restoreList, withDependants } from '../pg-archive/skip-entries.ts'
import type { ArchiveToc } from '../pg-archive/toc.ts'
import { machineError, machineFault } from './host-failure.ts'
import { isHarmless, parseRestoreErrors, type RestoreSetting } from './restore-errors.ts'
import type { ScratchDatabase } from './scratch-database.ts'

/** Standard error that is kept; a restore that says more has failed anyway. */
const keptErrors = 8 * 1024 * 1024

export interface RestoreCopyOptions {
  readonly place: ScratchDatabase
  readonly programs: ClientPrograms
  readonly openArchive: OpenArchive
  readonly pourArchive: PourArchive
  readonly toc: ArchiveToc
  /** A file with the archive's head and table of contents alone: enough for everything that is no data. */
  readonly headFile: string
  /** Entries that are not for pg_restore. */
  readonly without: ReadonlySet<number>
  readonly setting: RestoreSetting
  /** Settings of the source that must be in force while rows come in, as PGOPTIONS takes them. */
  readonly sessionOptions: string
  /** Workers for what comes after the data; with 1, all is restored one after the other. */
  readonly jobs: number
  readonly context: Pick<Context, 'temp' | 'signal'>
}

/** What was restored; or that several workers met errors: then only a restore from the start, one object after the other, tells which are real. */
export type RestoredCopy =
  | {
      readonly kind: 'restored'
      /** Entries that pg_restore met errors at. */
      readonly failed: ReadonlySet<number>
    }
  | { readonly kind: 'unclear'; readonly why: string }

/** Most tables, views and sequences that are made in one transaction: each takes some locks of the server's limited number. */
const mostInTransaction = 3000

/**
 * Restores an archive into an empty database, but for what is left out; it is read once, and followed to its last byte. Throws UserError SB602 where pg_restore
 * ended before its end, SB603 when the archive is not whole, SB604 where the machine or the server failed.
 */
export async function restoreCopy(options: RestoreCopyOptions): Promise<RestoredCopy> {
  const { without } = options
  if (options.jobs === 1) {
    const outcome = await fromStream(options, { without, args: [] })
    return { kind: 'restored', failed: failedOf(outcome, options.setting) }
  }
  const last = leftForLast(options.toc)
  const after = '--section=post-data'
  const steps: readonly (() => Promise<Outcome>)[] = [
    // Tables and rows in one transaction: rows of tables made in it need no write-ahead log.
    () =>
      fromStream(options, {
        without,
        args: ['--section=pre-data', '--section=data', ...inOneTransaction(options)]
      }),
    () => fromHead(options, { without: without.union(last), args: [after, `--jobs=${options.jobs}`] }),
    ...(last.size === 0
      ? []
      : [() => fromHead(options, { without: without.union(entriesBut(options.toc, last)), args: [after] })])
  ]
  for (const step of steps) {
    const outcome = await step()
    const why = whatFailed(outcome, options.setting)
    if (why === null) continue
    // With one worker the copy is as large; memory and connections may last then.
    if (machineFault(why) === 'room') throw machineError('room')
    return { kind: 'unclear', why }
  }
  return { kind: 'restored', failed: new Set() }
}

/** A transaction does not go on after an error, not even after the one that an older server answers a newer pg_restore with. */
function inOneTransaction({ toc, place, setting }: RestoreCopyOptions): string[] {
  const relations = toc.entries.filter(({ kind }) => kind === 'SEQUENCE' || factsOfKind(kind).isRelation)
  const noisy = setting.clientMajor >= 17 && setting.serverMajor < 17
  return noisy || place.ownSuperuser === null || relations.length > mostInTransaction ? [] : ['--single-transaction']
}

/**
 * Entries that several workers may not make side by side: attaching the indexes of partitions locks more than pg_restore knows of, which ends in
 * deadlocks. What needs them comes after them.
 */
function leftForLast(toc: ArchiveToc): ReadonlySet<number> {
  const attached = toc.entries.filter((entry) => entry.kind === 'INDEX ATTACH')
  return new Set(withDependants(toc, new Map(attached.map((entry) => [entry.id, true]))).keys())
}

function entriesBut(toc: ArchiveToc, kept: ReadonlySet<number>): ReadonlySet<number> {
  return new Set(toc.entries.filter((entry) => !kept.has(entry.id)).map((entry) => entry.id))
}

interface Outcome {
  readonly exit: { readonly code: number | null; readonly signal: string | null }
  /** Standard error without the lines that only tell of progress. Hostile. */
  readonly said: string
}

interface Step {
  readonly without: ReadonlySet<number>
  readonly args: readonly string[]
}

/** What a restore that should have been without errors met; null when nothing. Hostile. */
function whatFailed({ said, exit }: Outcome, setting: RestoreSetting): string | null {
  const { errors } = parseRestoreErrors(said)
  const real = errors.find((error) => !isHarmless(error, setting))
  if (real !== undefined) return real.message
  // Without errors it must have ended well; with harmless ones it says so by its exit code.
  return exit.code === 0 || (exit.code === 1 && errors.length > 0) ? null : endOf(exit)
}

/** Feeds pg_restore from the archive itself. Throws what is wrong with the archive, whatever pg_restore made of it. */
async function fromStream(options: RestoreCopyOptions, step: Step): Promise<Outcome> {
  if (isReadToItsEnd(options.toc, step.without)) return poured(options, step)
  const { stream, whole } = walkedStream(options.openArchive)
  const outcome = await runPgRestore(options, step, (stdin) => feed(stream, stdin)).finally(() => stream.destroy())
  await whole()
  return outcome
}

/** Whether pg_restore, which reads no further than it must, goes on to the archive's last block. */
function isReadToItsEnd(toc: ArchiveToc, without: ReadonlySet<number>): boolean {
  const last = toc.entries.findLast((entry) => entry.hasData)
  return last !== undefined && !without.has(last.id)
}

/**
 * The archive runs into pg_restore past this process where that can be: pg_restore itself looks at the form of every block that it reads over, and the
 * stored bytes are authenticated on the way. Where it met anything the archive is followed from its head to its end, to tell whose fault that was.
 */
async function poured(options: RestoreCopyOptions, step: Step): Promise<Outcome> {
  let whole = false
  const outcome = await runPgRestore(options, step, async (stdin) => {
    const pouring = options.pourArchive(stdin)
    if (pouring !== null) {
      whole = await pouring
      return
    }
    const { stream, whole: walked } = walkedStream(options.openArchive)
    await feed(stream, stdin).finally(() => stream.destroy())
    await walked()
    whole = true
  })
  if (!whole || whatFailed(outcome, options.setting) !== null) await walkWhole(options.openArchive)
  return outcome
}

function fromHead(options: RestoreCopyOptions, step: Step): Promise<Outcome> {
  return runPgRestore(options, { ...step, args: [...step.args, options.headFile] }, null)
}

async function runPgRestore(
  options: RestoreCopyOptions,
  step: Step,
  give: ((stdin: Writable) => Promise<void>) | null
): Promise<Outcome> {
  const { place, programs, toc, context } = options
  const list = path.join(context.temp, 'restore-list')
  await writeFile(list, restoreList(toc, step.without), { mode: 0o600 })
  const environment = await libpqEnvironment(place.target, context.temp, { applicationName: 'supabase-backup-proof' })
  const signal = AbortSignal.any([context.signal, place.ended])
  let said = ''
  const hear = onLines((line) => {
    if (!isProgress(line) && said.length < keptErrors) said += line
  })
  try {
    const child = startChild({
      command: programs.pgRestore,
      args: [
        '--format=custom',
        `--dbname=${dbnameArgument(place.target.database)}`,
        '--no-password',
        // They are folders of the source's server.
        '--no-tablespaces',
        `--use-list=${list}`,
        // Only then does it say which entry an error belongs to.
        '--verbose',
        ...step.args
      ],
      // Its messages are read by a program.
      env: {
        ...environment.env,
        PGOPTIONS: [environment.env['PGOPTIONS'] ?? '', '-c lc_messages=C', options.sessionOptions].join(' ').trim()
      },
      stdin: give === null ? 'ignore' : 'pipe',
      signal,
      onStderr: hear.text
    })
    try {
      const fed = give !== null && child.stdin !== null ? give(child.stdin) : Promise.resolve()
      const [exit] = await Promise.all([child.done, fed])
      hear.end()
      return { exit, said }
    } finally {
      await child.dispose()
    }
  } finally {
    await environment.dispose()
    await rm(list, { force: true })
  }
}

/** A child that stops reading is judged by its exit code; only the source's own error counts here. */
async function feed(source: Readable, target: NodeJS.WritableStream): Promise<void> {
  await new Promise<void>((resolve, reject) => {
    source.once('error', (error) => {
      target.end()
      reject(asError(error))
    })
    target.once('error', () => {
      source.destroy()
      resolve()
    })
    target.once('close', () => resolve())
    target.once('finish', () => resolve())
    source.pipe(target)
  })
}

/** Hands over whole lines, however the text is cut; `end` hands over the rest. */
function onLines(take: (line: string) => void): { text(text: string): void; end(): void } {
  let rest = ''
  return {
    text(text) {
      const lines = (rest + text).split('\n')
      rest = lines.pop() ?? ''
      for (const line of lines) take(`${line}\n`)
    },
    end() {
      if (rest !== '') take(rest)
      rest = ''
    }
  }
}

/** Whether a line tells only how far pg_restore has come. */
function isProgress(line: string): boolean {
  return /^pg_restore: (?!error: |warning: |detail: |hint: |from TOC entry \d|while )/.test(line)
}

/** Entries that a restore by one worker met errors at. What it says of them may hold values of rows: none of it is told. */
function failedOf({ said, exit }: Outcome, setting: RestoreSetting): ReadonlySet<number> {
  if (exit.code === 0) return new Set()
  const { errors, counted } = parseRestoreErrors(said)
  for (const { message } of errors) {
    const fault = machineFault(message)
    if (fault !== null) throw machineError(fault)
  }
  // So ends what takes the machine's last memory.
  if (exit.signal === 'SIGKILL') throw machineError('memory')
  // It went on after errors (exit code 1, counted); anything else is an end before the end.
  if (exit.code !== 1 || counted === 0 || errors.length < counted || said.length >= keptErrors) throw notRestored(exit)
  const failed = new Set<number>()
  for (const error of errors.filter((one) => !isHarmless(one, setting))) {
    if (error.entry === null) throw notRestored(exit)
    failed.add(error.entry)
  }
  return failed
}

function notRestored(exit: Outcome['exit']): UserError {
  return new UserError('SB602', `The backup could not be restored: ${endOf(exit)}.`)
}

function endOf({ code, signal }: Outcome['exit']): string {
  return `pg_restore ended with ${signal ?? `exit code ${code}`}`
}
