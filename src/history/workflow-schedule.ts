import { CronExpressionParser } from 'cron-parser'
import { parse } from 'yaml'

/** One entry of `on.schedule`. */
export interface Schedule {
  readonly cron: string
  /** IANA name of the time zone; UTC when the file names none. */
  readonly timezone: string
}

/** What a workflow file says of backups. */
export interface WorkflowPlan {
  readonly schedules: readonly Schedule[]
  /** `backup`: a step makes backups; `other`: this action does something else there; `none`: nothing of this action. */
  readonly use: 'backup' | 'other' | 'none'
  /** Labels of the projects that its steps name outright; null when a step leaves that open. */
  readonly projects: readonly string[] | null
  /** Workflows of the same repository that its jobs call: file name, and the project where the call names one outright. */
  readonly calls?: readonly { readonly file: string; readonly project: string | null }[]
}

const nothing: WorkflowPlan = { schedules: [], use: 'none', projects: null, calls: [] }

/** Reads a workflow file. A file that is no valid YAML says nothing: GitHub does not run it either. */
export function readWorkflow(text: string): WorkflowPlan {
  let file: unknown
  try {
    // Without the library's warnings, which it would write to standard error itself, with the text in them.
    file = parse(text, { maxAliasCount: 100, prettyErrors: false, logLevel: 'error' })
  } catch {
    return nothing
  }
  const commands: { readonly command: string; readonly project: string | undefined }[] = []
  const calls: { file: string; project: string | null }[] = []
  for (const job of valuesOf(member(file, 'jobs'))) {
    const called = /^\.\/\.github\/workflows\/([^/@]+)$/.exec(textOf(member(job, 'uses')) ?? '')?.[1]
    if (called !== undefined) {
      const project = textOf(member(member(job, 'with'), 'project'))
      calls.push({
        file: called,
        project: project === undefined || isExpression(project) ? null : project.toLowerCase()
      })
    }
    for (const step of listOf(member(job, 'steps'))) {
      const inputs = member(step, 'with')
      const uses = member(step, 'uses')
      if (typeof uses !== 'string' || !isThisAction(uses, inputs)) continue
      commands.push({
        command: textOf(member(inputs, 'command')) ?? 'backup',
        project: textOf(member(inputs, 'project'))
      })
    }
  }
  const backups = commands.filter(({ command }) => command === 'backup' || isExpression(command))
  const named = backups.flatMap(({ project }) =>
    project === undefined || isExpression(project) ? [] : [project.toLowerCase()]
  )
  return {
    schedules: schedulesOf(member(member(file, 'on'), 'schedule')),
    use: backups.length > 0 ? 'backup' : commands.length > 0 ? 'other' : 'none',
    projects: backups.length > 0 && named.length === backups.length ? named : null,
    ...(calls.length === 0 ? {} : { calls })
  }
}

/** Workflows with what those do that they call: the schedule of a backup stands in the caller. */
export function withCalled<T extends WorkflowPlan & { readonly file: string }>(workflows: readonly T[]): T[] {
  return workflows.map((workflow) => {
    if (workflow.use === 'backup') return workflow
    const calls = (workflow.calls ?? []).flatMap(({ file, project }) => {
      const called = workflows.find((one) => one.file === file && one.use === 'backup')
      return called === undefined ? [] : [project === null ? called.projects : [project]]
    })
    if (calls.length === 0) return workflow
    const named = calls.flatMap((projects) => projects ?? [])
    return { ...workflow, use: 'backup' as const, projects: calls.includes(null) ? null : named }
  })
}

function schedulesOf(list: unknown): Schedule[] {
  return listOf(list).flatMap((entry) => {
    const cron = textOf(member(entry, 'cron'))
    return cron === undefined ? [] : [{ cron, timezone: textOf(member(entry, 'timezone')) ?? 'UTC' }]
  })
}

/** Under whatever name the action is used: forks keep the repository's name, copies give the inputs away. */
function isThisAction(uses: string, inputs: unknown): boolean {
  return /(?:^|\/)supabase-backup(?:[/@]|$)/i.test(uses) || member(inputs, 'database-url') !== undefined
}

function isExpression(text: string): boolean {
  return text.includes('${{')
}

/**
 * The times of schedules between `from` and `to`, newest first, at most `most` of them.
 *
 * @returns undefined when a schedule cannot be read.
 */
export function scheduledTimes(
  schedules: readonly Schedule[],
  from: Date,
  to: Date,
  most: number
): readonly Date[] | undefined {
  const times = new Set<number>()
  for (const { cron, timezone } of schedules) {
    // Six fields would be seconds, which GitHub does not know.
    if (cron.trim().split(/\s+/).length !== 5) return undefined
    try {
      const expression = CronExpressionParser.parse(cron, { currentDate: new Date(to.getTime() + 1), tz: timezone })
      for (let count = 0; count < most; count += 1) {
        const time = expression.prev().getTime()
        if (time < from.getTime()) break
        times.add(time)
      }
    } catch {
      return undefined
    }
  }
  return [...times]
    .sort((a, b) => b - a)
    .slice(0, most)
    .map((time) => new Date(time))
}

/**
 * The next times of schedules after `after`, soonest first, at most `most` of them.
 *
 * @returns undefined when a schedule cannot be read.
 */
export function nextTimes(schedules: readonly Schedule[], after: Date, most: number): readonly Date[] | undefined {
  const times = new Set<number>()
  for (const { cron, timezone } of schedules) {
    if (cron.trim().split(/\s+/).length !== 5) return undefined
    try {
      const expression = CronExpressionParser.parse(cron, { currentDate: after, tz: timezone })
      for (let count = 0; count < most; count += 1) times.add(expression.next().getTime())
    } catch {
      return undefined
    }
  }
  return [...times]
    .sort((a, b) => a - b)
    .slice(0, most)
    .map((time) => new Date(time))
}

function member(value: unknown, key: string): unknown {
  return typeof value === 'object' && value !== null && Object.hasOwn(value, key) ? Reflect.get(value, key) : undefined
}

function listOf(value: unknown): readonly unknown[] {
  return Array.isArray(value) ? value : []
}

function valuesOf(value: unknown): readonly unknown[] {
  return typeof value === 'object' && value !== null ? Object.values(value) : []
}

function textOf(value: unknown): string | undefined {
  if (typeof value === 'string') return value.trim() === '' ? undefined : value.trim()
  return typeof value === 'number' ? String(value) : undefined
}
