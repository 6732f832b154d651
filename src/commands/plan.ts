import { readFile, stat } from 'node:fs/promises'
import { UserError } from '../errors.ts'
import { type PlannedProject, readProjects } from '../inputs/read-projects.ts'
import type { Result } from '../result.ts'
import type { Ports } from './ports.ts'

export interface PlanOptions {
  /** Path of the YAML file, relative to the workspace. */
  readonly file: string
  /** Only this project; undefined: all that are enabled. */
  readonly project: string | undefined
}

/** A file with every project that GitHub takes jobs for has some 100 KiB. */
const largestFile = 1024 * 1024
/** Jobs that one matrix can have: https://docs.github.com/actions/reference/limits */
const mostJobs = 256

type Matrix = NonNullable<Result['matrix']>

/** Makes the matrix of a workflow with many projects from its file. */
export async function runPlan(options: PlanOptions, ports: Pick<Ports, 'context' | 'tool'>): Promise<Result> {
  const { clock, log } = ports.context
  const startedAt = clock.now()
  const started = clock.monotonic()
  const projects = readProjects(await textOf(options.file), options.file)
  const matrix = matrixOf(projects, options.project)
  if (matrix.include.length > mostJobs) {
    throw new UserError(
      'SB923',
      `${options.file} has ${matrix.include.length} projects, and a matrix takes at most ${mostJobs}.`
    )
  }
  for (const one of matrix.include) log.info(`Planned: ${String(one['project'])}`)
  const result: Result = {
    command: 'plan',
    status: 'complete',
    startedAt: startedAt.toISOString(),
    durationMs: Math.round(clock.monotonic() - started),
    tool: ports.tool,
    project: options.project ?? null,
    verified: 'none',
    destinations: [],
    backups: [],
    url: null,
    path: null,
    warnings: [],
    matrix
  }
  if (matrix.include.length > 0) return result
  const wanted = options.project === undefined ? 'no project that is enabled' : `no enabled project ${options.project}`
  const error = new UserError('SB923', `${options.file} has ${wanted}.`)
  return { ...result, status: 'nothing', error: { code: error.code, message: error.message, remedy: error.remedy } }
}

/** Labels that a file of projects names. */
export interface PlannedLabels {
  readonly enabled: readonly string[]
  readonly disabled: readonly string[]
}

/** Reads the labels from the file; `only` leaves out all others. */
export async function plannedLabels(file: string, only: string | undefined): Promise<PlannedLabels> {
  const projects = readProjects(await textOf(file), file).filter((one) => only === undefined || one.project === only)
  const labels = (enabled: boolean) => projects.filter((one) => one.enabled === enabled).map((one) => one.project)
  return { enabled: labels(true), disabled: labels(false) }
}

/** The value of `strategy.matrix`: enabled projects by priority, 1 first, those without one last in the file's order. */
export function matrixOf(projects: readonly PlannedProject[], only?: string): Matrix {
  const rank = (one: PlannedProject): number => one.priority ?? Number.MAX_VALUE
  return {
    include: projects
      .filter((one) => one.enabled && (only === undefined || one.project === only))
      .toSorted((a, b) => rank(a) - rank(b))
      .map((one) => ({
        project: one.project,
        ...(one.priority === undefined ? {} : { priority: one.priority }),
        ...one.inputs,
        secrets: one.secrets
      }))
  }
}

async function textOf(file: string): Promise<string> {
  try {
    const { size } = await stat(file)
    if (size > largestFile) throw new UserError('SB922', `${file} is larger than ${largestFile} bytes.`)
    return new TextDecoder('utf-8', { fatal: true }).decode(await readFile(file))
  } catch (thrown) {
    if (thrown instanceof UserError) throw thrown
    throw new UserError(
      'SB922',
      `${file} cannot be read: is the repository checked out in a step before, and the path right?`,
      { cause: thrown }
    )
  }
}
