import { z } from 'zod'
import type { Management } from '../clients/supabase/management.ts'
import type { Context } from '../context.ts'
import { UserError } from '../errors.ts'
import { reasonOf } from './management-reason.ts'

const projectSchema = z.looseObject({
  status: z.string(),
  region: z.string().optional(),
  database: z.looseObject({ host: z.string().optional(), version: z.string().optional() }).optional()
})

const healthSchema = z.array(
  z.looseObject({ name: z.string(), healthy: z.boolean().optional(), status: z.string().optional() })
)

const text = z.string().nullish()
const poolerSchema = z.array(
  z.looseObject({
    database_type: text,
    db_user: text,
    db_host: text,
    db_name: text,
    connection_string: text,
    connectionString: text
  })
)

/** What the Management API says of a project before anything is read of it. */
export interface ProjectState {
  /** `ACTIVE_HEALTHY`, ...; null where it could not be asked. */
  readonly status: string | null
  readonly region: string | null
  readonly postgresVersion: string | null
  /** Services that are not healthy; null where they could not be asked. */
  readonly unhealthy: readonly string[] | null
  readonly warnings: readonly string[]
}

/** Nothing can be read of a project in these states. */
const paused: readonly string[] = ['INACTIVE', 'PAUSING']
const notRunning: readonly string[] = [
  'COMING_UP',
  'GOING_DOWN',
  'INIT_FAILED',
  'REMOVED',
  'RESTORING',
  'UPGRADING',
  'RESTARTING',
  'RESIZING'
]

/**
 * Asks for the state of the project. Throws SB827 when it is paused and SB828 when it does not run. That the API cannot be asked (a token that was
 * revoked, a scope that is missing) is a warning: the database must be kept all the same.
 */
export async function lookUpProject(management: Management, context: Context): Promise<ProjectState> {
  const warnings: string[] = []
  let status: string | null = null
  let region: string | null = null
  let postgresVersion: string | null = null
  try {
    const project = await management.read('', projectSchema)
    status = project.status
    region = project.region ?? null
    postgresVersion = project.database?.version ?? null
  } catch (thrown) {
    warnings.push(`The state of the project could not be asked: ${reasonOf(thrown)}.`)
    return { status, region, postgresVersion, unhealthy: null, warnings }
  }
  if (paused.includes(status))
    throw new UserError('SB827', `The project ${management.ref} is paused (status ${status}).`)
  if (notRunning.includes(status))
    throw new UserError('SB828', `The project ${management.ref} is not running (status ${status}).`, { mayPass: true })
  if (status !== 'ACTIVE_HEALTHY')
    warnings.push(`The project has the status ${status}: what is read of it may be incomplete.`)
  const health = await unhealthyServices(management)
  if (health.unhealthy !== null && health.unhealthy.length > 0)
    warnings.push(`Services of the project that are not healthy: ${health.unhealthy.join(', ')}.`)
  context.log.info(
    `Project ${management.ref}: ${status}${region === null ? '' : `, ${region}`}${postgresVersion === null ? '' : `, PostgreSQL ${postgresVersion}`}`
  )
  return { status, region, postgresVersion, unhealthy: health.unhealthy, warnings }
}

/** Names of the services that are not healthy; null and the reason where that could not be asked. */
export async function unhealthyServices(
  management: Management
): Promise<{ readonly unhealthy: readonly string[] | null; readonly reason?: string }> {
  try {
    const services = await management.read(
      '/health?services=auth&services=db&services=pooler&services=realtime&services=rest&services=storage',
      healthSchema
    )
    return {
      unhealthy: services
        .filter(({ healthy, status }) => !(healthy ?? status === 'ACTIVE_HEALTHY'))
        .map(({ name }) => name)
    }
  } catch (thrown) {
    return { unhealthy: null, reason: reasonOf(thrown) }
  }
}

/** The connection string of the session pooler, with a place for the password; null where it could not be asked or is not there. */
export async function sessionPooler(management: Management): Promise<string | null> {
  try {
    const poolers = await management.read('/config/database/pooler', poolerSchema)
    const primary = poolers.find(({ database_type }) => database_type === 'PRIMARY') ?? poolers[0]
    const said = partsOf(primary?.connection_string ?? primary?.connectionString ?? '')
    const user = primary?.db_user ?? said?.user
    const host = primary?.db_host ?? said?.host
    const database = primary?.db_name ?? said?.database
    if (user === undefined || host === undefined || database === undefined) return null
    if (!/^[a-z0-9.-]+$/.test(host)) return null
    // Port 6543 of the same host is the transaction mode, which cannot hold a snapshot.
    return `postgresql://${encodeURIComponent(user)}:<password>@${host}:5432/${encodeURIComponent(database)}`
  } catch (thrown) {
    reasonOf(thrown)
    return null
  }
}

/** User, host and database of a connection string; its password, or what stands in its place, is left where it is. */
function partsOf(
  connectionString: string
): { readonly user: string; readonly host: string; readonly database: string } | undefined {
  const at = connectionString.lastIndexOf('@')
  const user = /^postgres(?:ql)?:\/\/([\w.-]{1,128})(?::|$)/.exec(connectionString.slice(0, Math.max(at, 0)))?.[1]
  const place = /^([a-z0-9.-]{1,253})(?::\d{1,5})?\/([\w-]{1,63})(?:\?|$)/.exec(connectionString.slice(at + 1))
  const [, host, database] = place ?? []
  return user === undefined || host === undefined || database === undefined ? undefined : { user, host, database }
}
