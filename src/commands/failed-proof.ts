import { UserError } from '../errors.ts'
import type { Finding } from '../sources/source.ts'
import type { Proof } from './ports.ts'

/** Most findings that an error names. */
const named = 5

/**
 * The error of a proof that failed: what was found, what it means for a restore, and whether this action's own restore gets past it. `what`: begins the sentence,
 * `The backup 2026...`.
 */
export function failedProof({ verdict, findings }: Pick<Proof, 'verdict' | 'findings'>, what: string): UserError {
  const differences = findings.filter((finding) => finding.kind === 'difference')
  const words = namedOf(differences)
  if (verdict === 'lacking')
    return new UserError('SB603', `${what} lacks what the database holds: ${words}. It is no backup.`)
  const notMade = differences.filter((finding) => finding.reason === 'not-made')
  if (notMade.length === 0)
    return new UserError(
      'SB601',
      `${what} is unproven, since what was restored of it differs from the source: ${words}.`
    )
  return new UserError(
    'SB602',
    `${what} is unproven: ${notMade.length === differences.length ? '' : `${differences.length} differences, and `}${notMade.length} of its objects could not be made on a restored copy: ${namedOf([...notMade, ...differences.filter((one) => !notMade.includes(one))])}.`
  )
}

function namedOf(differences: readonly Finding[]): string {
  const shown = differences.slice(0, named).map((finding) => `${finding.subject}: ${finding.detail}`)
  const more = differences.length - shown.length
  return `${shown.join('; ')}${more > 0 ? `; and ${more} more` : ''}`
}
