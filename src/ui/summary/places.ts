import type { Result } from '../../result.ts'
import { inert } from '../../text/escape.ts'
import { formatTime } from '../../text/format.ts'
import { link, prose, table } from './markup.ts'
import type { SummaryPlace } from './place.ts'
import { destinationNamesShown } from './words.ts'

/** Where the backup lies now, and how long. */
export function places(result: Result, place: SummaryPlace): string {
  if (result.command !== 'backup') return ''
  return table(
    ['Kept as', '', 'Place', 'Kept until'],
    result.destinations.map((one) => [
      destinationNamesShown[one.name],
      one.stored ? '✅ stored' : '❌ not stored',
      one.error === undefined
        ? one.url === null
          ? inert(one.place)
          : link(inert(one.place), one.url, place)
        : `${inert(one.place)}<br>${prose(one.error, 400)}`,
      one.stored ? until(result, one.name) : ''
    ])
  )
}

function until(result: Result, destination: string): string {
  const row = result.backups.find((one) => one.id === result.backup?.id && one.destination === destination)
  if (row?.expiresAt === undefined || row.expiresAt === null) return 'you or a keep rule removes it'
  return formatTime(new Date(row.expiresAt))
}
