import type { DestinationName } from '../destinations/destination.ts'
import { UserError } from '../errors.ts'
import { readHistory } from '../history/entries.ts'
import type { Result } from '../result.ts'
import { collectDashboard, type DashboardFacts, type ListedPlace } from '../ui/dashboard/collect.ts'
import { renderDashboard } from '../ui/dashboard/render.ts'
import { type CheckPorts, scheduledWorkflows } from './check.ts'

/** Where the page goes. */
export interface DashboardTarget {
  /** In words, for the log: `the branch backups of acme/shop`. */
  readonly place: string
  /**
   * Writes the page. `render` makes it from a new listing; it is called again where somebody else was faster, so that an older page never
   * replaces a newer one.
   *
   * @returns the address where a person finds it, or null.
   */
  write(render: () => Promise<Uint8Array>): Promise<string | null>
}

export interface DashboardOptions {
  readonly repository: DashboardFacts['repository']
  /** Inputs by which another run finds a destination: repository, branch, folder. */
  readonly inputsOf: (destination: DestinationName) => Readonly<Record<string, string>>
  /** File name of the workflow of this run, where it is known. */
  readonly workflowFile: string | undefined
}

export interface DashboardPorts extends CheckPorts {
  readonly target: DashboardTarget
  /** The page without data, as the build made it. */
  template(): Promise<string>
}

/**
 * Writes the dashboard of all projects in all destinations, after a backup or a listing. What goes wrong with it is a warning: the result of
 * the run stays what it is.
 */
export async function writeDashboard(
  result: Result,
  options: DashboardOptions,
  ports: DashboardPorts
): Promise<Pick<Result, 'dashboard' | 'warnings'>> {
  const { context, target } = ports
  if (context.signal.aborted) return { warnings: result.warnings }
  try {
    const template = await ports.template()
    const unread: string[] = []
    const workflows = await scheduledWorkflows(options, ports, unread)
    for (const warning of unread) context.log.info(`The dashboard shows no next runs: ${warning}`)
    const url = await target.write(async () => {
      const places = await listPlaces(options, ports)
      const data = collectDashboard(
        {
          tool: ports.tool,
          repository: options.repository,
          places,
          workflows: ports.workflows === undefined || unread.length > 0 ? null : workflows
        },
        context.clock.now()
      )
      return Buffer.from(renderDashboard(template, data))
    })
    context.log.info(`The dashboard is in ${target.place}.`)
    return { warnings: result.warnings, dashboard: { place: target.place, url } }
  } catch (thrown) {
    const error = thrown instanceof UserError ? thrown : asFault(thrown)
    if (error.cause !== undefined) context.log.debug(String(Reflect.get(Object(error.cause), 'stack') ?? error.cause))
    const warning = `${error.code}: The dashboard could not be written to ${target.place}: ${error.message} ${error.remedy}`
    context.log.warning(warning)
    return { warnings: [...result.warnings, warning] }
  }
}

function asFault(thrown: unknown): UserError {
  return new UserError('SB931', thrown instanceof Error ? thrown.message : String(thrown), { cause: thrown })
}

/** All places with what they hold. One that fails is named on the page; when all fail, there is no page. */
async function listPlaces(options: DashboardOptions, ports: DashboardPorts): Promise<ListedPlace[]> {
  const places: ListedPlace[] = []
  let failure: UserError | undefined
  for (const destination of ports.destinations) {
    const { name, place } = destination
    const inputs = options.inputsOf(name)
    try {
      places.push({
        name,
        place,
        inputs,
        entries: await readHistory(destination, ports.context.clock.now(), undefined, ports.trusted)
      })
    } catch (thrown) {
      if (!(thrown instanceof UserError) || ports.context.signal.aborted) throw thrown
      failure ??= thrown
      places.push({ name, place, inputs, entries: [], error: thrown.code })
    }
  }
  if (failure !== undefined && places.every((place) => place.error !== undefined)) throw failure
  return places
}
