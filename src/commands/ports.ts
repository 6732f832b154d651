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

/** What was proven, and what was found on the way. A `difference` among the findings means that the proof failed. */
export interface Proof {
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
