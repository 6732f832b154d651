import type { Part } from '../../archive/manifest.ts'
import { sourceNames } from '../../archive/parts.ts'
import type { Result } from '../../result.ts'
import { countsOf } from './counts.ts'
import { details, prose, section, table, unbroken } from './markup.ts'
import { partNames } from './words.ts'

const marks: Readonly<Record<Part['status'], string>> = {
  captured: '✅',
  partial: '⚠️',
  skipped: '➖',
  impossible: '❌'
}

/** Each part of the project: whether it is in the backup, what it holds, and why where it does not. */
export function coverage(result: Result): string {
  const { backup } = result
  if (backup === undefined) return ''
  const ordered = backup.parts.toSorted((a, b) => sourceNames.indexOf(a.source) - sourceNames.indexOf(b.source))
  const explained = ordered.some((part) => part.reason !== undefined)
  const parts = table(
    ['Part', 'Status', 'Holds', ...(explained ? ['Why'] : [])],
    ordered.map((part) => [
      unbroken(partNames[part.source]),
      unbroken(`${marks[part.status]} ${part.status}`),
      countsOf(part),
      ...(explained ? [prose(part.reason ?? '', 300)] : [])
    ])
  )
  if (result.command === 'backup') return parts
  // Of a backup that was made before, what it holds is no news.
  return result.command === 'verify' ? section('What is in it', parts) : details('What is in the backup', parts)
}
