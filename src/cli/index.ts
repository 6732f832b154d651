import { execFileSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import { homedir } from 'node:os'
import { join, resolve } from 'node:path'
import { parseConnectionString } from '../base/connection-string.ts'
import { tool, version } from '../base/version.ts'
import { askAtTerminal, createTerminalLog } from '../clients/terminal.ts'
import { asError, UserError } from '../errors.ts'
import { databaseAccess } from '../inputs/database-access.ts'
import type { DownloadInputs, Inputs } from '../inputs/index.ts'
import type { InputName } from '../inputs/input-definitions.ts'
import { collectProblems, refusalOf } from '../inputs/problems.ts'
import { nothingStored, type Result } from '../result.ts'
import { executeRun, type Face } from '../run.ts'
import { renderSummary } from '../ui/summary/index.ts'
import { renderTerminal } from '../ui/terminal.ts'
import { runCommand, withPorts } from '../wiring/run-command.ts'
import type { RunPlace } from '../wiring/run-context.ts'
import { readWords, type Words } from './arguments.ts'
import { compareInside, diffText, showText } from './contents-report.ts'
import { layOutDownload } from './downloaded-folder.ts'
import { helpOf, helpOfAll } from './help.ts'
import { inputTexts } from './inputs.ts'
import { findLocalProject, localInputs } from './local-project.ts'
import { lookInside, otherSide, readLive } from './look-inside.ts'

/** The same program at a terminal, or in any script: words instead of inputs, tables instead of a summary, the same exit codes. */
export async function runAsCommand(typed: readonly string[]): Promise<number> {
  try {
    const words = readWords(typed)
    if (words.flags.has('version')) return say(`${version}\n`)
    if (words.command === undefined) return say(helpOfAll(), words.flags.has('help') || typed.length === 0 ? 0 : 1)
    if (words.flags.has('help')) return say(helpOf(words.command, process.stdout.columns ?? 100))
    return await runWords(words)
  } catch (thrown) {
    if (!(thrown instanceof UserError)) throw thrown
    process.stderr.write(`Error ${thrown.code}: ${thrown.message}\n  What to do: ${thrown.remedy}\n`)
    return 1
  }
}

function say(text: string, code = 0): number {
  process.stdout.write(text)
  return code
}

async function runWords(words: Words): Promise<number> {
  const { env } = process
  const isAttended = process.stdin.isTTY === true && process.stderr.isTTY === true
  const given = await inputTexts(words, {
    env,
    ask: isAttended ? (question) => askAtTerminal(question, true) : undefined,
    githubToken
  })
  const texts = words.flags.has('local') ? localInputs(findLocalProject(env), given) : given
  const cache = join(env['XDG_CACHE_HOME'] ?? join(env['HOME'] ?? homedir(), '.cache'), 'supabase-backup')
  mkdirSync(cache, { recursive: true, mode: 0o700 })
  const laidOut = mkdtempSync(join(cache, 'folder-'))
  try {
    const folder = texts.get('folder')
    if (folder !== undefined && words.command !== 'backup')
      texts.set('folder', await layOutDownload(resolve(folder), laidOut))
    const isAsked = needsConfirmation(words, texts)
    if (!isAsked) return await executeRun(faceOf(words, texts, cache))
    if (!isAttended)
      throw new UserError(
        'SB003',
        `\`${words.command}\` changes something, and nobody sits at a terminal to confirm it.`,
        {
          remedy: 'Give `--confirm-target` with the name of the target, or `--dry-run` to see what would happen.'
        }
      )
    const code = await executeRun(faceOf(words, new Map([...texts, ['dry-run', 'true']]), cache))
    if (code !== 0) return code
    const what = words.command === 'delete' ? 'the id of the backup' : 'the ref of the target, or its host/database,'
    const answer = await askAtTerminal(`To go on, type ${what} (anything else stops here): `, false)
    if (answer === '') return 1
    return await executeRun(faceOf(words, new Map([...texts, ['confirm-target', answer]]), cache))
  } finally {
    rmSync(laidOut, { recursive: true, force: true })
  }
}

function needsConfirmation(words: Words, texts: ReadonlyMap<InputName, string>): boolean {
  const changes = words.command === 'restore' || words.command === 'delete'
  return changes && !texts.has('confirm-target') && texts.get('dry-run') !== 'true'
}

/** The token of a login of `gh`, where there is one. */
function githubToken(): string | undefined {
  try {
    const { PATH = '', HOME = '' } = process.env
    return execFileSync('gh', ['auth', 'token'], {
      encoding: 'utf8',
      timeout: 10_000,
      stdio: ['ignore', 'pipe', 'ignore'],
      env: { PATH, HOME }
    }).trim()
  } catch {
    return undefined
  }
}

function faceOf(words: Words, texts: ReadonlyMap<InputName, string>, cache: string): Face {
  const { env } = process
  const byName: ReadonlyMap<string, string> = texts
  // What was found for `show` and `diff`, which have no summary.
  let found: { readonly text: string; readonly data: object } | undefined
  return {
    names: [...texts.keys()],
    get: (name) => byName.get(name) ?? '',
    // Downloads are left where the command was started; everything else of a run is of no interest afterwards.
    env: { ...env, RUNNER_TEMP: words.command === 'download' ? process.cwd() : cache },
    mask: () => undefined,
    openLog: (clock, redact) =>
      createTerminalLog(
        {
          isTerminal: process.stderr.isTTY === true,
          width: process.stderr.columns ?? 80,
          debug: env['RUNNER_DEBUG'] === '1',
          write: (text) => void process.stderr.write(text)
        },
        clock,
        redact
      ),
    async run(inputs, place) {
      if (words.command !== 'show' && words.command !== 'diff') return runCommand(inputs, place)
      if (inputs.command !== 'download') throw new Error(`read as ${inputs.command}`)
      found = await look(words, texts, inputs, place)
      return lookedAt(inputs, place)
    },
    async report(result, { environment, log, redact }) {
      if (words.flags.has('json')) {
        const data = found?.data ?? result
        process.stdout.write(`${redact(JSON.stringify(data, null, 2))}\n`)
      } else if (found !== undefined) process.stdout.write(redact(found.text))
      else if (result.error === undefined || result.backups.length > 0) {
        try {
          const place = {
            serverUrl: environment?.serverUrl ?? '',
            repository: environment?.repository,
            action: undefined,
            now: new Date()
          }
          process.stdout.write(redact(renderTerminal(renderSummary(result, place))))
        } catch (thrown) {
          log.warning(`The summary could not be written: ${asError(thrown).message}`)
        }
      }
    }
  }
}

async function look(
  words: Words,
  texts: ReadonlyMap<InputName, string>,
  given: DownloadInputs,
  place: RunPlace
): Promise<{ readonly text: string; readonly data: object }> {
  // The database that is compared with may be another than the one that was backed up: it does not say whose backups are meant.
  const inputs = words.command === 'diff' && !texts.has('project') ? { ...given, project: undefined } : given
  return withPorts(inputs, place, async (ports) => {
    if (words.command === 'show') {
      const [inside] = await lookInside(inputs, [inputs.backup], ports)
      if (inside === undefined) throw new Error('nothing was looked at')
      return { text: showText(inside), data: inside }
    }
    const other = otherSide(words.against)
    const [first, second] = await lookInside(inputs, other === 'live' ? [inputs.backup] : [inputs.backup, other], ports)
    if (first === undefined) throw new Error('nothing was looked at')
    const against = second ?? (await readLive(liveTarget(texts), first.selection, inputs, ports))
    // Of a live one the database alone is read.
    const left = second === undefined ? { ...first, buckets: [], functions: [] } : first
    const difference = compareInside(left, against)
    return { text: diffText(difference), data: difference }
  })
}

function liveTarget(texts: ReadonlyMap<InputName, string>) {
  const url = texts.get('database-url')
  if (url === undefined)
    throw new UserError('SB003', '`--against live` needs the connection string of the database (`database-url`).')
  const parsed = parseConnectionString(url.trim())
  if (!parsed.ok) throw new UserError(parsed.code, `Input \`database-url\`: ${parsed.reason}.`)
  const problems = collectProblems()
  const access = databaseAccess('database-url', parsed.fields, texts.get('ssl-root-cert'), problems, {
    notes: [],
    warnings: []
  })
  if (access === undefined) throw refusalOf(problems.found)
  return access.target
}

/** The result of a look: nothing was stored and nothing changed. */
function lookedAt(inputs: Inputs & { readonly project: string | undefined }, place: RunPlace): Result {
  return {
    command: 'download',
    status: 'complete',
    startedAt: place.startedAt.toISOString(),
    durationMs: Math.max(0, place.context.clock.now().getTime() - place.startedAt.getTime()),
    tool: tool,
    project: inputs.project ?? null,
    ...nothingStored()
  }
}
