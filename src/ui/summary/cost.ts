import type { Result } from '../../result.ts'
import { formatBytes, formatDuration, plural } from '../../text/format.ts'
import { egressOfMonth, egressOfRun } from './egress.ts'
import { details, table } from './markup.ts'
import { destinationNamesShown } from './words.ts'

const dayMs = 24 * 60 * 60 * 1000

/** What this run and the kept backups take of what people pay for: egress, room, artifact days, minutes. */
export function cost(result: Result): string {
  const { backup } = result
  if (result.command !== 'backup' || backup === undefined) return ''
  const { egress } = result
  const stored = result.destinations.filter((one) => one.stored).length
  const rows = [
    ...(egress === undefined
      ? []
      : [
          ['Left the project', egressOfRun(egress)],
          ['Left it this month', egressOfMonth(egress)]
        ]),
    ...places(result).map(([name, text]) => [`Room: ${name}`, text]),
    [
      'Time of the runner',
      `${formatDuration(result.durationMs)}, billed as ${plural(Math.max(1, Math.ceil(result.durationMs / 60_000)), 'minute')} where minutes are billed, and what the job does besides`
    ]
  ]
  return details(
    `Cost: ${egress === undefined ? '' : `${formatBytes(egress.runBytes)} left the project (${formatBytes(egress.monthBytes)} this month), `}${formatBytes(backup.sizeBytes * Math.max(1, stored))} stored`,
    table(['What', 'How much'], rows)
  )
}

function places(result: Result): [string, string][] {
  return result.destinations
    .filter((one) => one.stored)
    .map((one) => {
      const rows = result.backups.filter((row) => row.destination === one.name)
      const all = rows.reduce((sum, row) => sum + (row.sizeBytes ?? 0), 0)
      const own = rows.find((row) => row.id === result.backup?.id)
      const days =
        own?.expiresAt === undefined || own.expiresAt === null
          ? undefined
          : Math.round((Date.parse(own.expiresAt) - Date.parse(own.createdAt)) / dayMs)
      const kept =
        days === undefined || own === undefined
          ? ''
          : `; this one for ${plural(days, 'day')}, ${gigabyteDays((own.sizeBytes ?? 0) * days)}`
      return [
        destinationNamesShown[one.name],
        `${formatBytes(all)} in ${plural(rows.length, 'backup')}, shared packs of Storage files not counted${kept}`
      ]
    })
}

function gigabyteDays(byteDays: number): string {
  const value = byteDays / 1e9
  return `${value < 0.01 ? 'less than 0.01' : value.toFixed(2)} GB-days`
}
