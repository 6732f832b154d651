import type { HeldStorageFacts } from '../../archive/contents-storage.ts'
import type { Finding } from '../source.ts'

/** The reason that a backup gives for a file that was deleted between its listing and its download. */
export const deletedMeanwhile = 'deleted while the backup ran'

/** Names that a finding tells; all of them are in contents.json. */
const mostNames = 10

export interface RowsOfFiles {
  /** Rows of `storage.objects` that this restore brought back before; 0 where it brought back none. */
  readonly broughtBack: number
  /** Files of the backup in buckets that this restore leaves alone. */
  readonly notChosen: number
}

/**
 * What a restore of Storage is to tell of files that the backup does not hold: without it their rows in `storage.objects` look like files. A file that
 * was deleted while the backup ran is told only where its row came back.
 */
export function filesLeftOut(
  facts: Pick<HeldStorageFacts, 'notCaptured' | 'objectCount'>,
  buckets: readonly { readonly id: string }[],
  rows: RowsOfFiles
): readonly Finding[] {
  const named = facts.notCaptured.filter(
    ({ what, reason }) =>
      buckets.some(({ id }) => what.startsWith(`${id}/`)) && (rows.broughtBack > 0 || reason !== deletedMeanwhile)
  )
  const further = facts.notCaptured.reduce(
    (sum, { what }) => sum + Number(/^(\d+) further files$/.exec(what)?.[1] ?? 0),
    0
  )
  const count = Math.max(named.length + further, rows.broughtBack - facts.objectCount)
  const findings: Finding[] = []
  if (count > 0) {
    const names = named.slice(0, mostNames).map(({ what, reason }) => `${what} (${reason})`)
    const more = names.length > 0 && count > names.length ? `, and ${count - names.length} more` : ''
    findings.push({
      kind: 'difference',
      subject: 'Storage',
      detail: `the backup does not hold ${count} of the files${names.length > 0 ? `: ${names.join(', ')}${more}` : ''}${rows.broughtBack > 0 ? '; their rows in storage.objects came back, without a file' : ''}`,
      remedy:
        'Restore them from an older backup that holds them (`backup` with its id, `include: storage`), or delete them through the Storage API of the target: then their rows go, too.'
    })
  }
  if (rows.broughtBack > 0 && rows.notChosen > 0)
    findings.push(rowsWithoutFiles(rows.notChosen, '`buckets` leaves them alone'))
  return findings
}

/** Rows of `storage.objects` that came back in a restore that brings no files to them. */
export function rowsWithoutFiles(count: number, why: string): Finding {
  return {
    kind: 'todo',
    subject: 'Storage',
    detail: `${count} rows of storage.objects came back and no file with them (${why}): what the target did not have already is listed there and cannot be downloaded`,
    remedy:
      'Restore the files from a backup that holds them (`include: storage`), or delete them through the Storage API of the target: then their rows go, too.'
  }
}
