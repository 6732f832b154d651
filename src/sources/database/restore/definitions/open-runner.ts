import { type Passes, passesOf } from '../../loading/restore-order.ts'
import { searchPaths } from '../../loading/search-paths.ts'
import type { RestorePlan } from '../plan/restore-plan.ts'
import { readKnownObjects } from '../target/catalog-index.ts'
import { withoutPassedSequences } from '../target/passed-sequences.ts'
import type { Steps } from '../transactions/lock-budget.ts'
import type { Order } from '../work.ts'
import { type EntryRunner, entryRunner } from './create-entries.ts'

/** What runs the entries of a plan, and the order in which they are run. Looks at what the target has now. */
export async function openRunner(
  order: Order,
  plan: RestorePlan,
  steps: Steps
): Promise<{ readonly plan: RestorePlan; readonly passes: Passes; readonly runner: EntryRunner }> {
  const { connection, context, facts, target, reader } = order
  const known = await readKnownObjects(connection)
  let done = 0
  const runner = entryRunner({
    connection,
    user: target.user,
    superuser: target.superuser,
    entries: new Map([...reader.toc.entries, ...plan.entries].map((entry) => [entry.id, entry])),
    platform: plan.platform,
    isThere: (entry) => known.has(entry),
    steps,
    tolerant: order.errors === 'list',
    searchPaths: searchPathsOf(order),
    onProgress: (count) => {
      done += count
      context.log.progress(() => `database: ${done} of ${plan.entries.length} objects made`)
    }
  })
  return { plan, passes: passesOf(reader.toc, await withoutPassedSequences(connection, facts, plan)), runner }
}

/** Values of search_path that are tried after an empty one. */
export function searchPathsOf({ facts }: Pick<Order, 'facts'>): (schema: string) => readonly string[] {
  return (schema) => searchPaths(facts, schema)
}
