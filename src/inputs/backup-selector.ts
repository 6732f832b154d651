import { isBackupId, timeOfBackupId } from '../archive/backup-id.ts'
import type { BackupChoice } from '../history/select.ts'
import { accepted, type Parse, type Parsed, refused } from './parsed.ts'
import { parseDuration } from './values.ts'

const form =
  'allowed are latest, an id such as 20261122T161908Z-k2m7q5xa, a time with zone such as 2026-11-22T16:00:00Z, or a date (the end of that day, UTC)'

/** Which backup: `latest`, an id, or a time: the newest one at or before it. */
export const parseChoice: Parse<BackupChoice> = (text) => {
  if (text === 'latest') return accepted({ kind: 'latest' })
  if (isBackupId(text) && timeOfBackupId(text) !== null) return accepted({ kind: 'id', id: text })
  const time = timeOf(text)
  return time === undefined ? refused(form) : accepted({ kind: 'at', time })
}

/** As `parseChoice`, and `all`. */
export const parseChoiceOrAll: Parse<BackupChoice | { readonly kind: 'all' }> = (text) => {
  if (text === 'all') return accepted({ kind: 'all' })
  const choice = parseChoice(text)
  return choice.ok ? choice : refused(`${form}, or all`)
}

export const parseBackupId: Parse<string> = (text) =>
  isBackupId(text) && timeOfBackupId(text) !== null
    ? accepted(text)
    : refused('allowed is the id of a backup, such as 20261122T161908Z-k2m7q5xa; `command: list` shows them')

/** A moment, or how long before the start of the run it lies. */
export type Moment = { readonly at: Date } | { readonly agoMs: number }

const momentForm =
  'allowed are a time with zone such as 2026-11-22T16:00:00Z, a date such as 2026-11-22 (UTC), or a duration back from now such as 30d'

/** The first moment that is meant: a date stands for its beginning. */
export const parseSince: Parse<Moment> = (text) => momentOf(text, `${text}T00:00:00Z`)

function momentOf(text: string, ofDate: string): Parsed<Moment> {
  const back = parseDuration(text)
  if (back.ok) return accepted({ agoMs: back.value })
  const time = timeOf(/^\d{4}-\d{2}-\d{2}$/.test(text) ? ofDate : text)
  return time === undefined ? refused(momentForm) : accepted({ at: time })
}

/** ISO 8601 with a zone, or a date: its last millisecond in UTC. A day that the calendar does not have is refused, not moved. */
function timeOf(text: string): Date | undefined {
  const match =
    /^(\d{4})-(\d{2})-(\d{2})(?:[Tt ](\d{2}):(\d{2})(?::(\d{2})(?:[.,](\d{1,9}))?)?([Zz]|[+-]\d{2}(?::?\d{2})?))?$/.exec(
      text
    )
  if (match === null) return undefined
  const [, year = '', month = '', day = '', hour, minute = '', second = '00', fraction = '0', zone = 'Z'] = match
  const date = new Date(`${year}-${month}-${day}T00:00:00.000Z`)
  if (Number.isNaN(date.getTime()) || date.getUTCDate() !== Number(day)) return undefined
  if (hour === undefined) return new Date(date.getTime() + 86_400_000 - 1)
  if (Number(hour) > 23 || Number(minute) > 59 || Number(second) > 59) return undefined
  const offset = zone.toUpperCase() === 'Z' ? '+0000' : zone.replace(':', '').padEnd(5, '0')
  const offsetHours = Number(offset.slice(1, 3))
  const offsetMinutes = Number(offset.slice(3, 5))
  if (offsetHours > 14 || offsetMinutes > 59) return undefined
  const shift = (offset.startsWith('-') ? 1 : -1) * (offsetHours * 60 + offsetMinutes) * 60_000
  const clock = ((Number(hour) * 60 + Number(minute)) * 60 + Number(second)) * 1000
  return new Date(date.getTime() + clock + Number(fraction.slice(0, 3).padEnd(3, '0')) + shift)
}
