import type { Files } from '../archive/files.ts'
import type { Manifest, Verification } from '../archive/manifest.ts'
import type { VerifyKey } from '../archive/signature.ts'
import type { Context } from '../context.ts'
import type { Destination } from '../destinations/destination.ts'
import type { Finding } from '../sources/source.ts'

/** What every command is handed. */
export interface Ports {
  readonly context: Context
  /** Name and version of this program, for manifests: `supabase-backup 1.2.3`. */
  readonly tool: string
  readonly destinations: readonly Destination[]
  /** Keys of which one must have signed a manifest that is relied on; none: signatures are not looked at. */
  readonly trusted?: readonly VerifyKey[]
}

/**
 * What a proof decides. `lacking`: the archive does not hold what the database has, so that nothing is published. `unproven`: its bytes are whole, but what was
 * restored differs in rows or protection, or not all of it could be made: published, marked, and never counted.
 */
export type ProofVerdict = 'proven' | 'unproven' | 'lacking'

/** What was proven, and what was found on the way. */
export interface Proof {
  readonly verdict: ProofVerdict
  readonly verification: Verification
  readonly findings: readonly Finding[]
}

/** What a prover needs to know of the backup besides its files. */
export interface ProofSubject {
  readonly files: Files
  /** Facts of the database part, when there is one. */
  readonly database?: unknown
  readonly type: Manifest['type']
}

/** Proves packed files as far as asked for and possible. Throws a UserError SB6xx when it cannot even begin. */
export type Prove = (subject: ProofSubject, signal: AbortSignal) => Promise<Proof>
