import { databaseFactsSchema } from '../archive/contents-database.ts'
import type { Part } from '../archive/manifest.ts'
import type { Packer } from '../archive/pack.ts'
import { errorCodes } from '../error-codes.ts'
import { UserError } from '../errors.ts'
import type { Finding, SharedPacks, Source } from '../sources/source.ts'
import type { FactLists } from './pack-contents.ts'

/** What came of one source. */
export interface CapturedPart {
  readonly part: Part
  readonly facts?: unknown
  readonly lists?: FactLists
  readonly shared?: SharedPacks
  readonly warnings: readonly string[]
}

/** The database is what a backup is for: its failure ends the run. Another source that fails makes the backup partial. */
export async function captureSource(
  source: Source<unknown>,
  packer: Packer,
  signal: AbortSignal
): Promise<CapturedPart> {
  const before = new Set(packer.staged.map(({ name }) => name))
  try {
    const captured = await source.capture(packer.add, signal)
    return {
      part: {
        source: source.name,
        status: captured.status,
        ...(captured.reason === undefined ? {} : { reason: captured.reason }),
        counts: { ...captured.counts }
      },
      facts: captured.facts,
      ...(captured.lists === undefined ? {} : { lists: captured.lists }),
      ...(captured.shared === undefined ? {} : { shared: captured.shared }),
      warnings: captured.warnings
    }
  } catch (thrown) {
    if (!(thrown instanceof UserError) || signal.aborted || source.name === 'database') throw thrown
    // Half of a part that the contents do not speak of would only lie there.
    for (const { name } of packer.staged) if (!before.has(name)) await packer.remove(name)
    return {
      part: {
        source: source.name,
        status: 'impossible',
        reason: `${thrown.code}: ${errorCodes[thrown.code].title}`,
        counts: {}
      },
      warnings: [`${source.name}: ${thrown.message} ${thrown.remedy}`]
    }
  }
}

/** What the backup does not hold although it lies in the database, by name: shown, so that nobody believes it to be there. */
export function notCapturedNotes(database: unknown): Finding[] {
  const parsed = databaseFactsSchema.shape.notCaptured.safeParse(
    typeof database === 'object' && database !== null ? Reflect.get(database, 'notCaptured') : undefined
  )
  return (parsed.success ? parsed.data : []).map(({ what, reason }) => ({
    kind: 'note',
    subject: what,
    detail: `not in the backup: ${reason}`
  }))
}
