import type { Connection } from '../../../../clients/postgres/connection.ts'
import { asError } from '../../../../errors.ts'
import type { Finding } from '../../../source.ts'
import { definitionOf, describeEntry, ownerStatement } from '../../pg-archive/entry-sql.ts'
import { factsOfKind } from '../../pg-archive/kinds.ts'
import type { TocEntry } from '../../pg-archive/toc.ts'
import { refusalOf } from '../definitions/refusal.ts'

/**
 * Makes what went with the restored objects again from the backup, in the open transaction. What cannot be, since the target is another by now, is listed
 * with its SQL.
 */
export async function bringReturning(
  connection: Connection,
  entries: readonly TocEntry[],
  user: string
): Promise<Finding[]> {
  const findings: Finding[] = []
  for (const entry of entries) {
    const subject = describeEntry(entry)
    const sql = definitionOf(entry)
    const error = await refusalOf(connection, sql)
    if (error !== null) {
      const detail = `it went with what is restored now, and could not be made again: ${asError(error).message}`
      findings.push({ kind: 'todo', subject, detail, remedy: sql.trim() })
      continue
    }
    if (factsOfKind(entry.kind).isTakenByCascade) {
      const detail = 'it had gone with what is restored now, and was made again from the backup'
      findings.push({ kind: 'note', subject, detail })
    }
    const owner = entry.owner === user ? null : ownerStatement(entry)
    const refused = owner === null ? null : await refusalOf(connection, owner)
    if (owner !== null && refused !== null) {
      const detail = `it belongs to ${user} now, not to ${entry.owner}: ${asError(refused).message}`
      findings.push({ kind: 'todo', subject, detail, remedy: owner })
    }
  }
  return findings
}
