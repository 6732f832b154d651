import type { Result } from '../../result.ts'
import { inert, inertCode } from '../../text/escape.ts'
import { formatTime } from '../../text/format.ts'
import type { SummaryPlace } from './place.ts'

/** Id, time and versions, for whoever has to look closely: one small line at the end. */
export function about(result: Result, place: SummaryPlace): string {
  const { backup } = result
  const parts = [
    // The other commands have it at the top.
    ...(result.command !== 'backup'
      ? []
      : backup === undefined
        ? [formatTime(place.now)]
        : [`backup ${inertCode(backup.id)}`, `made ${formatTime(new Date(backup.createdAt))}`]),
    ...(result.command === 'backup' && backup !== undefined && backup.type !== 'full' ? [`${backup.type} only`] : []),
    ...(backup?.source.serverVersion === undefined ? [] : [`PostgreSQL ${inert(backup.source.serverVersion, 40)}`]),
    ...(backup?.source.clientVersion === undefined ? [] : [`pg_dump ${inert(backup.source.clientVersion, 40)}`]),
    ...(backup?.source.tls === undefined ? [] : [`TLS ${inert(backup.source.tls, 60)}`]),
    inert(result.tool, 60)
  ]
  return `<sub>${parts.join(' · ')}</sub>`
}
