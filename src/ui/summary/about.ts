import type { Result } from '../../result.ts'
import { inert } from '../../text/escape.ts'

/** Versions, for whoever has to look closely: one small line at the end. */
export function about(result: Result): string {
  const { backup } = result
  const parts = [
    inert(result.tool, 60),
    ...(backup?.source.serverVersion === undefined ? [] : [`PostgreSQL ${inert(backup.source.serverVersion, 40)}`]),
    ...(backup?.source.clientVersion === undefined ? [] : [`pg_dump ${inert(backup.source.clientVersion, 40)}`]),
    ...(backup?.source.tls === undefined ? [] : [`TLS ${inert(backup.source.tls, 60)}`])
  ]
  return `<sub>${parts.join(' · ')}</sub>`
}
