import type { Contents } from '../archive/contents.ts'
import { sourceNames } from '../archive/parts.ts'
import type { Included } from '../inputs/commands.ts'
import type { Finding } from '../sources/source.ts'

/**
 * Notes of the parts that a backup holds and a restore leaves alone, each with the reason: who gives the target's database alone must not take
 * the files and functions for brought back.
 */
export function notesOfLeftOut(
  contents: Readonly<Partial<Record<keyof Contents, unknown>>>,
  { sources, reasons }: Pick<Included, 'sources' | 'reasons'>,
  dryRun: boolean
): readonly Finding[] {
  return sourceNames
    .filter((name) => contents[name] !== undefined && !sources.includes(name))
    .map((name) => ({
      kind: 'note',
      subject: name,
      detail: `is in the backup and ${dryRun ? 'would not be' : 'was not'} brought back: ${reasons[name].replace(/^left out: /, '')}`
    }))
}
