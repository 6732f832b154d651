import type { Result } from '../../result.ts'
import { about } from './about.ts'
import { changes } from './changes.ts'
import { cost } from './cost.ts'
import { coverage } from './coverage.ts'
import { dashboard } from './dashboard.ts'
import { gaps } from './gaps.ts'
import { history } from './history.ts'
import { details } from './markup.ts'
import { nextSteps } from './next-steps.ts'
import { overview } from './overview.ts'
import type { SummaryPlace } from './place.ts'
import { places } from './places.ts'
import { plan } from './plan.ts'
import { projects } from './projects.ts'
import { proof } from './proof.ts'
import { report } from './report.ts'
import { restoreBlock } from './restored.ts'
import { retention } from './retention.ts'
import { failure, falls, warnings } from './trouble.ts'
import { facts, headline } from './verdict.ts'

export type { SummaryPlace } from './place.ts'

/** The runner drops a summary of more than 1 MiB as a whole (FileCommandManager.cs); this leaves room for others. */
export const largestSummaryBytes = 900_000

/**
 * The job summary of a run, the same for all commands: the verdict, what needs somebody, what there is, details folded. Each block is empty where
 * it has nothing to say. All text from outside is made inert in the blocks; never longer than the runner takes.
 */
export function renderSummary(result: Result, place: SummaryPlace): string {
  const blocks = (result.command === 'backup' ? backupBlocks(result, place) : otherBlocks(result, place)).filter(
    (block) => block !== ''
  )
  let text = `${blocks.join('\n\n')}\n`
  // The last resort: whole blocks are dropped from the end, so that no markup is cut in the middle.
  while (Buffer.byteLength(text) > largestSummaryBytes && blocks.length > 1) {
    blocks.pop()
    text = `${blocks.join('\n\n')}\n\nThis summary was longer than GitHub takes; the file in the output <code>result</code> has all of it.\n`
  }
  return text
}

/** One screen: the verdict, what is new, what needs somebody; the rest is folded, bringing something back first. */
function backupBlocks(result: Result, place: SummaryPlace): string[] {
  return [
    headline(result),
    failure(result, place),
    falls(result),
    overview(result, place),
    warnings(result),
    changes(result),
    nextSteps(result, place),
    history(result, place),
    proof(result),
    contents(result, place),
    retention(result),
    dashboard(result, place),
    cost(result),
    about(result, place)
  ]
}

function otherBlocks(result: Result, place: SummaryPlace): string[] {
  return [
    headline(result),
    failure(result, place),
    facts(result, place),
    warnings(result),
    restoreBlock(result),
    projects(result, place),
    plan(result),
    report(result),
    coverage(result),
    changes(result),
    proof(result),
    retention(result),
    gaps(result),
    history(result, place),
    dashboard(result, place),
    nextSteps(result, place),
    about(result, place)
  ]
}

/** What is in a backup, part by part, and where it lies. */
function contents(result: Result, place: SummaryPlace): string {
  return details('What is in it, and where it lies', coverage(result), places(result, place))
}
