import { type ConnectionFields, describeConnection } from '../base/connection-string.ts'
import { isSupabaseHost, noteOnDirectHost, refusalOfSupabasePlace, supabaseRefOf } from '../base/supabase-host.ts'
import { decideTls } from '../base/tls-policy.ts'
import type { DatabaseAccess } from './commands.ts'
import type { InputName } from './input-definitions.ts'
import type { Problems } from './problems.ts'

/** Collects what is to be told at the start. */
export interface Remarks {
  readonly notes: string[]
  readonly warnings: string[]
}

/** Decides how a database is reached: refuses what cannot work on Supabase, and chooses the TLS mode. */
export function databaseAccess(
  name: InputName,
  fields: ConnectionFields | undefined,
  rootCertificates: string | undefined,
  problems: Problems,
  remarks: Remarks
): DatabaseAccess | undefined {
  if (fields === undefined) return undefined
  const place = `\`${name}\` (${describeConnection(fields)})`
  const refusal = refusalOfSupabasePlace(fields)
  if (refusal !== undefined) {
    problems.add(refusal.code, `Input ${place}: ${refusal.reason}.`)
    return undefined
  }
  const tls = decideTls(fields, rootCertificates)
  if (!tls.ok) {
    problems.add('SB011', `Input ${place}: ${tls.reason}.`)
    return undefined
  }
  remarks.notes.push(...tls.notes.map((note) => `${place}: ${note}`))
  remarks.warnings.push(...tls.warnings.map((warning) => `${place}: ${warning}`))
  const direct = noteOnDirectHost(fields.host)
  if (direct !== undefined) remarks.notes.push(`${place}: ${direct}`)
  if (!isSupabaseHost(fields.host) && fields.port === 6543) {
    remarks.warnings.push(
      `${place}: port 6543 is usually a pooler in transaction mode, which cannot hold the snapshot of a dump; use the port of PostgreSQL itself.`
    )
  }
  return {
    target: {
      host: fields.host,
      port: fields.port,
      user: fields.user,
      password: fields.password,
      database: fields.database,
      tls: tls.policy,
      ...(fields.reference === undefined ? {} : { options: `reference=${fields.reference}` }),
      ...(fields.connectTimeoutMs === undefined ? {} : { connectTimeoutMs: fields.connectTimeoutMs })
    },
    ref: supabaseRefOf(fields),
    onSupabase: isSupabaseHost(fields.host)
  }
}
