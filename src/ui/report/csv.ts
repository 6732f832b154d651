import type { Report } from './report.ts'

const columns = [
  'project',
  'event',
  'startedAt',
  'durationMs',
  'status',
  'level',
  'error',
  'backup',
  'sizeBytes',
  'proofMs',
  'alarms',
  'acknowledged',
  'actor',
  'run',
  'commit',
  'tool',
  'from'
] as const

/** One line for each run and each missed night, projects one after the other, oldest first. */
export function renderReportCsv({ projects }: Report): string {
  const lines = projects.flatMap(({ project, events, nights }) => {
    const rows = events.map((event) => ({
      at: event.startedAt,
      cells: {
        ...event,
        alarms: event.alarms?.join(' '),
        actor: event.run?.actor,
        run: event.run?.url,
        commit: event.run?.commit
      }
    }))
    const missed = nights
      .filter(({ came }) => came === 'missed')
      .map(({ at }) => ({ at, cells: { project, event: 'missed', startedAt: at } }))
    return [...rows, ...missed]
      .toSorted((a, b) => (a.at < b.at ? -1 : 1))
      .map(({ cells }) => columns.map((column) => cell(Reflect.get(cells, column))).join(','))
  })
  return [columns.join(','), ...lines, ''].join('\r\n')
}

/** A spreadsheet takes a text that begins so for a formula: an apostrophe makes it text. */
function cell(value: unknown): string {
  if (value === undefined || value === null) return ''
  const text = String(value)
  const safe = typeof value === 'string' && /^[=+\-@\t\r]/.test(text) ? `'${text}` : text
  return /[",\r\n]/.test(safe) ? `"${safe.replaceAll('"', '""')}"` : safe
}
