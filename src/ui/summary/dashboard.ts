import type { Result } from '../../result.ts'
import { inert } from '../../text/escape.ts'
import { link } from './markup.ts'
import type { SummaryPlace } from './place.ts'

/** Where the dashboard is, when this run has written one. */
export function dashboard(result: Result, place: SummaryPlace): string {
  const written = result.dashboard
  if (written === undefined) return ''
  const words = inert(written.place)
  return `All backups on one page: ${written.url === null ? words : link(words, written.url, place)}.`
}
