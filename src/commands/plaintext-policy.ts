import type { Destination } from '../destinations/destination.ts'
import { UserError } from '../errors.ts'

/** May a backup be unencrypted: only where the place has just said that it is private, never, or wherever it goes. */
export type PlaintextRule = 'private' | 'never' | 'public'

/**
 * Refuses an unencrypted backup before any work, unless every place has just said that only its owners can read it. No clear
 * answer counts as a refusal.
 */
export async function guardPlaintext(destinations: readonly Destination[], rule: PlaintextRule): Promise<void> {
  if (rule === 'never')
    throw new UserError('SB422', 'The backup would not be encrypted, and `plaintext: never` forbids that.')
  if (rule === 'public') return
  for (const destination of destinations) {
    const visibility = await destination.visibility()
    if (visibility !== 'private' && visibility !== 'local')
      throw new UserError(
        'SB422',
        `The backup would not be encrypted, and ${destination.place} is ${visibility}: others could read it.`
      )
  }
}
