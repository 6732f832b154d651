import { rm, writeFile } from 'node:fs/promises'
import path from 'node:path'
import type { Readable } from 'node:stream'
import { startChild } from '../../../clients/child-process.ts'
import { dbnameArgument, libpqEnvironment } from '../../../clients/postgres/environment.ts'
import type { ClientPrograms } from '../../../clients/postgres/programs.ts'
import type { Context } from '../../../context.ts'
import { asError, UserError } from '../../../errors.ts'
import type { ArchiveToc } from './archive-toc.ts'
import type { CopyPlace } from './copy-place.ts'
import { type LeftOut, restoreList, withDependants } from './leave-out.ts'
import { lastWords } from './read-archive.ts'
import { judge, parseRestoreErrors, type RestoreSetting } from './restore-errors.ts'

/** Standard error that is kept; a restore that says more has failed anyway. */
const keptErrors = 8 * 1024 * 1024

export interface RestoreCopyOptions {
  readonly place: CopyPlace
  readonly programs: ClientPrograms
  readonly toc: ArchiveToc
  /** The whole archive as a file, which several workers can read, or as a stream for one. */
  readonly from: { readonly file: string } | { readonly stream: Readable }
  readonly leftOut: LeftOut
  readonly setting: RestoreSetting
  readonly jobs: number
  readonly context: Pick<Context, 'temp' | 'signal'>
}

/** What was restored; or that several workers met errors: then only a restore from the start, one object after the other, tells which are real. */
export type RestoredCopy =
  | { readonly kind: 'restored'; readonly leftOut: LeftOut }
  | { readonly kind: 'unclear'; readonly why: string }

/**
 * Restores an archive whole, but for what is left out, into an empty database. `leftOut` of the answer is what the copy goes without: that, and
 * what could not be made for a reason on the list of `judge`. Throws UserError SB602 for every other error of a restore by one worker.
 */
export async function restoreCopy(options: RestoreCopyOptions): Promise<RestoredCopy> {
  const { toc, from, leftOut } = options
  if ('stream' in from || options.jobs === 1) {
    return { kind: 'restored', leftOut: leftOutBy(await runPgRestore(options, leftOut, 1), options) }
  }
  const last = leftForLast(toc)
  for (const [without, jobs] of last.size === 0
    ? [[leftOut, options.jobs] as const]
    : [
        [new Map([...leftOut, ...last]), options.jobs] as const,
        [new Map([...leftOut, ...entriesBut(toc, last)]), 1] as const
      ]) {
    const outcome = await runPgRestore(options, without, jobs)
    const { errors } = parseRestoreErrors(outcome.said)
    const real = errors.find((error) => judge(error, options.setting).kind !== 'harmless')
    if (real !== undefined) return { kind: 'unclear', why: real.message }
    // Without errors it must have ended well; with harmless ones it says how many it met.
    if (outcome.exit.code !== 0 && (outcome.exit.code !== 1 || errors.length === 0)) {
      return { kind: 'unclear', why: lastWords(outcome.said) }
    }
  }
  return { kind: 'restored', leftOut }
}

/**
 * Entries that several workers may not make side by side: attaching the indexes of partitions locks more than pg_restore knows of, which ends in
 * deadlocks. What needs them comes after them, and event triggers, which would fire for them.
 */
function leftForLast(toc: ArchiveToc): LeftOut {
  const attached = toc.entries.filter((entry) => entry.kind === 'INDEX ATTACH')
  if (attached.length === 0) return new Map()
  const events = toc.entries.filter((entry) => entry.kind === 'EVENT TRIGGER')
  return withDependants(toc, new Map([...attached, ...events].map((entry) => [entry.id, 'last'])))
}

function entriesBut(toc: ArchiveToc, kept: LeftOut): LeftOut {
  return new Map(toc.entries.filter((entry) => !kept.has(entry.id)).map((entry) => [entry.id, 'done']))
}

interface Outcome {
  readonly exit: { readonly code: number | null; readonly signal: string | null }
  /** Standard error without the lines that only tell of progress. Hostile. */
  readonly said: string
}

async function runPgRestore(options: RestoreCopyOptions, without: LeftOut, jobs: number): Promise<Outcome> {
  const { place, programs, toc, from, context } = options
  const list = path.join(context.temp, 'restore-list')
  await writeFile(list, restoreList(toc, without), { mode: 0o600 })
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
        `--use-list=${list}`,
        // Only then does it say which entry an error belongs to.
        '--verbose',
        ...('file' in from ? [...(jobs === 1 ? [] : [`--jobs=${jobs}`]), from.file] : [])
      ],
      // Its messages are read by a program.
      env: { ...environment.env, PGOPTIONS: [environment.env['PGOPTIONS'] ?? '', '-c lc_messages=C'].join(' ').trim() },
      stdin: 'stream' in from ? 'pipe' : 'ignore',
      signal,
      onStderr: hear.text
    })
    try {
      const fed = 'stream' in from && child.stdin !== null ? feed(from.stream, child.stdin) : Promise.resolve()
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

function leftOutBy({ said, exit }: Outcome, options: RestoreCopyOptions): LeftOut {
  if (exit.code === 0) return options.leftOut
  const { errors, counted } = parseRestoreErrors(said)
  const failed = (why: string) => new UserError('SB602', `The backup cannot be restored: ${why}`)
  const entries = new Map(options.toc.entries.map((entry) => [entry.id, entry]))
  const nameOf = (id: number | null) => {
    const entry = id === null ? undefined : entries.get(id)
    return entry === undefined ? '' : `${entry.kind} ${entry.schema === '' ? '' : `${entry.schema}.`}${entry.tag}: `
  }
  const roots: LeftOut = new Map(options.leftOut)
  const bad: string[] = []
  for (const error of errors) {
    const verdict = judge(error, options.setting)
    if (verdict.kind === 'leftOut' && error.entry !== null) roots.set(error.entry, verdict.reason)
    else if (verdict.kind !== 'harmless') bad.push(`${nameOf(error.entry)}${error.message.slice(0, 300)}`)
  }
  if (bad.length > 0)
    throw failed(`${bad.slice(0, 5).join('; ')}${bad.length > 5 ? `; and ${bad.length - 5} more errors` : ''}.`)
  // It went on after errors (exit code 1, counted); anything else is an end before the end.
  if (exit.code !== 1 || counted === 0 || errors.length < counted || said.length >= keptErrors) {
    throw failed(
      `pg_restore ended with ${exit.signal ?? `exit code ${exit.code}`}: ${lastWords(said) || 'it said nothing'}`
    )
  }
  return withDependants(options.toc, roots)
}
