import type { Connection } from '../../../../clients/postgres/connection.ts'
import { UserError } from '../../../../errors.ts'
import type { Finding } from '../../../source.ts'
import { quoteIdentifier, readable } from '../../catalog/quote.ts'
import { entryRunner } from '../definitions/create-entries.ts'
import type { Replaced } from '../plan/plan-replacing.ts'
import { readKnownObjects } from '../target/catalog-index.ts'
import { giveExpressionsBack } from '../target/expressions.ts'
import type { Dropped } from './drop-objects.ts'

/**
 * What of others went with the replaced objects comes back from the target's own definitions, or the restore fails. Only that a publication of another owner
 * publishes a table is listed instead: whoever owns the table could take it away and not give it back.
 */
export async function giveBack(
  connection: Connection,
  replaced: Replaced,
  user: string,
  unpopulated: Dropped['unpopulated']
): Promise<Finding[]> {
  const known = await readKnownObjects(connection)
  const entries = replaced.givenBack.filter((entry) => {
    if (known.has(entry)) return false
    // A table that does not come back is not published any more.
    const table =
      entry.kind === 'PUBLICATION TABLE'
        ? entry.needs.map((id) => replaced.entries.get(id)).find((need) => need?.kind === 'TABLE')
        : undefined
    return table === undefined || known.has(table)
  })
  const runner = entryRunner({
    connection,
    user,
    superuser: false,
    entries: replaced.entries,
    platform: new Set(),
    isThere: () => true,
    onProgress: () => undefined
  })
  const failed = (words: string, cause?: unknown) =>
    new UserError('SB708', `What depends on the replaced objects could not be given back: ${words}`, { cause })
  try {
    await runner.run(entries.filter((entry) => entry.kind !== 'ACL'))
    for (const entry of entries) {
      if (entry.kind !== 'MATERIALIZED VIEW' || unpopulated.has(readable({ schema: entry.schema, name: entry.tag })))
        continue
      await runner.attempt(
        entry,
        `REFRESH MATERIALIZED VIEW ${quoteIdentifier(entry.schema)}.${quoteIdentifier(entry.tag)}`
      )
    }
    await runner.run(entries.filter((entry) => entry.kind === 'ACL'))
  } catch (error) {
    throw error instanceof UserError && error.code === 'SB708' ? failed(error.message, error) : error
  }
  await giveExpressionsBack(connection, replaced.expressions)
  const published = entries.flatMap((entry) =>
    entry.kind === 'PUBLICATION TABLE' ? (runner.findingOf(entry.id) ?? []) : []
  )
  const refused = runner.findings.find((finding) => !published.includes(finding))
  if (refused !== undefined) throw failed(`${refused.subject}: ${refused.detail}`)
  return published
}
