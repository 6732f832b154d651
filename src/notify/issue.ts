import type { Issue, Issues } from '../clients/github/issues.ts'
import { plural } from '../text/format.ts'
import { prose } from '../ui/summary/markup.ts'
import type { Channel } from './channel.ts'
import { details, headline, type Notice } from './notice.ts'

/** Label of the issues; what finds them again is the marker in their text. */
export const issueLabel = 'backup'

type Command = Notice['command']
/** Commands that fail, with how often in a row. */
type Failing = ReadonlyMap<string, number>

/** Where several projects are meant, or it is not known which. */
const allProjects = '*'

/**
 * Keeps one open issue for each project: made at the first failure, updated at each further one, closed with a comment when
 * the command that failed succeeds again (a new backup also settles what `check` complained about). A dry run is neither.
 */
export function issueChannel(issues: Issues): Channel {
  return {
    name: 'issue',
    async tell(notice) {
      // Nothing was done that could have failed or work again.
      if (notice.dryRun) return
      let open = await issues.open(issueLabel)
      // A token that may not set labels makes issues without: they are found by their marker all the same.
      if (open.length === 0) open = await issues.open(undefined)
      for (const one of perProject(notice)) {
        if (one.event === 'failure') await failed(issues, open, one)
        else await succeeded(issues, open, one, one.command === 'check' && one.project === null)
      }
      for (const one of alsoWell(notice, open)) await succeeded(issues, open, one)
    }
  }
}

/** A check of several projects as one notice for each of them. */
export function perProject(notice: Notice): readonly Notice[] {
  const named = [...new Set(notice.alarms.flatMap((alarm) => alarm.project ?? []))]
  if (notice.command !== 'check' || notice.project !== null || notice.error?.code !== 'SB920') return [notice]
  const shared = notice.alarms.filter((alarm) => alarm.project === null)
  const some = named.map((project) => ({
    ...notice,
    project,
    alarms: [...notice.alarms.filter((alarm) => alarm.project === project), ...shared]
  }))
  return shared.length > 0 && some.length === 0 ? [notice] : some
}

/** Of a check of several projects that raised alarms about some: the others that have an open issue. */
function alsoWell(notice: Notice, open: readonly Issue[]): readonly Notice[] {
  const named = notice.alarms.map((alarm) => alarm.project)
  if (notice.command !== 'check' || notice.project !== null || notice.error?.code !== 'SB920' || named.includes(null))
    return []
  const others = open.flatMap((issue) => projectOf(issue) ?? []).filter((project) => !named.includes(project))
  return [...new Set(others)].map((project) => ({
    ...notice,
    event: 'success',
    status: 'complete',
    project: project === allProjects ? null : project,
    error: null,
    alarms: []
  }))
}

async function failed(issues: Issues, open: readonly Issue[], notice: Notice): Promise<void> {
  const key = notice.project ?? allProjects
  const [first, ...others] = open.filter((issue) => projectOf(issue) === key)
  const before = first === undefined ? new Map<string, number>() : failingOf(first)
  const failing = new Map(before).set(notice.command, (before.get(notice.command) ?? 0) + 1)
  const change = { title: titleOf(notice.project), body: bodyOf(key, failing, notice) }
  if (first !== undefined) {
    await issues.update(first.number, change)
    for (const other of others) await issues.update(other.number, { state: 'closed' })
    return
  }
  const made = await issues.create({ ...change, label: issueLabel }, (issue) => projectOf(issue) === key)
  // Two runs that fail at once both find none: the older issue stays.
  const older = (await issues.open(issueLabel)).find((issue) => projectOf(issue) === key && issue.number < made.number)
  if (older === undefined) return
  await issues.update(made.number, { state: 'closed' })
  await issues.comment(made.number, `The same as #${older.number}.`)
}

/** @param everywhere the run looked at all projects. */
async function succeeded(issues: Issues, open: readonly Issue[], notice: Notice, everywhere = false): Promise<void> {
  const settled: readonly Command[] = notice.command === 'backup' ? ['backup', 'check'] : [notice.command]
  for (const issue of open) {
    const key = projectOf(issue)
    // A success also settles what failed before it was known for which project.
    if (key === undefined || (!everywhere && key !== notice.project && key !== allProjects)) continue
    const failing = new Map([...failingOf(issue)].filter(([command]) => !settled.some((one) => one === command)))
    if (failing.size === failingOf(issue).size && failing.size > 0) continue
    if (failing.size > 0) {
      await issues.update(issue.number, { body: issue.body.replace(statePattern, stateOf(failing)) })
      continue
    }
    await issues.update(issue.number, { state: 'closed' })
    await issues.comment(
      issue.number,
      `✅ ${[headline(notice), ...details(notice, quoted)].join('\n')}\n\nClosed, since it works again.`
    )
  }
}

function titleOf(project: string | null): string {
  return project === null ? 'Backups need attention' : `Backups of ${project} need attention`
}

/** The text of an issue: what programs find it by, and what people read. */
export function bodyOf(key: string, failing: Failing, notice: Notice): string {
  return [
    `<!-- supabase-backup:project=${key} -->`,
    stateOf(failing),
    '',
    `The last failure, at ${notice.startedAt.slice(0, 16).replace('T', ' ')} UTC:`,
    '',
    `**${headline(notice)}**`,
    '',
    ...details(notice, quoted).map((line) => `- ${line}`),
    '',
    'This issue is updated by the workflow itself, and closed by it as soon as it works again. Keep the first lines of its text: they find it.'
  ].join('\n')
}

/** What an alarm says, with nothing in it that GitHub takes for a mention of another issue. */
function quoted(text: string): string {
  return prose(text, 500).replace(/\bGH-/gi, '$&&#8203;')
}

const statePattern = /<!-- supabase-backup:failing=[^\n]*-->[^\n]*/
const noState: Failing = new Map()

/** One line: the marker that programs read and what people read. */
function stateOf(failing: Failing): string {
  const list = [...failing]
  const words = list.map(([command, times]) => `${command} (${plural(times, 'time')} in a row)`).join(', ')
  return `<!-- supabase-backup:failing=${list.map(([command, times]) => `${command}:${times}`).join(',')} -->Fails: ${words}`
}

function projectOf(issue: Issue): string | undefined {
  return /<!-- supabase-backup:project=([a-z0-9-]{1,40}|\*) -->/.exec(issue.body)?.[1]
}

function failingOf(issue: Issue): Failing {
  const list = /<!-- supabase-backup:failing=([a-z0-9:,]*) -->/.exec(issue.body)?.[1]
  if (list === undefined) return noState
  return new Map(
    list
      .split(',')
      .map((entry) => entry.split(':'))
      .flatMap(([command = '', times = '']) =>
        command === '' ? [] : [[command, Math.min(Number(times) || 1, 1_000_000)] as const]
      )
  )
}
