import type { CompressionMethod } from '../archive/compression.ts'
import type { Encryption } from '../archive/encryption.ts'
import {
  type Egress,
  formatVersion,
  type Manifest,
  minReader,
  type Part,
  type Shape,
  type Verification
} from '../archive/manifest.ts'
import type { RetentionRules } from '../history/retention.ts'
import type { PlaintextRule } from './plaintext-policy.ts'

export interface BackupOptions {
  readonly project: string
  readonly type: Manifest['type']
  readonly kind: Manifest['kind']
  readonly plaintext: PlaintextRule
  readonly encryption: Encryption
  readonly encryptionFacts: Manifest['encryption']
  readonly compression: CompressionMethod
  /** Fraction of rows, users, objects or bytes that may go before it is an anomaly; nothing is compared when left out. */
  readonly shrinkLimit?: number
  /** Id of an earlier anomalous backup whose change was intended. */
  readonly acknowledge?: string
  /** Fingerprints of recipients that may be gone, or of the whole set that is left; undefined: recipients are not compared. */
  readonly acceptRecipients?: readonly string[]
  /** Bytes a month that may leave the project for its backups; an alarm before they are spent. */
  readonly egressBudget?: number
  /** Words of canaries that somebody opened elsewhere with a key of these backups. */
  readonly canaryWords?: readonly string[]
  /** Rules by which earlier backups are removed when this one is complete. */
  readonly keep?: RetentionRules
}

/** What a manifest tells beside the files. */
export interface FrameFacts {
  readonly options: BackupOptions
  readonly id: string
  readonly tool: string
  readonly startedAt: Date
  readonly durationMs: number
  readonly parts: readonly Part[]
  readonly about: Manifest['source']
  readonly verification: Verification
  readonly status: Manifest['status']
  readonly shape?: Shape
  readonly egress: Egress
  readonly past: NonNullable<Manifest['past']>
}

export function frameOf(facts: FrameFacts): Omit<Manifest, 'files'> {
  const { options } = facts
  return {
    format: formatVersion,
    minReader,
    critical: [],
    id: facts.id,
    project: options.project,
    createdAt: facts.startedAt.toISOString(),
    durationMs: facts.durationMs,
    tool: facts.tool,
    kind: options.kind,
    type: options.type,
    status: facts.status,
    encryption: options.encryptionFacts,
    compression: options.compression,
    source: facts.about,
    parts: [...facts.parts],
    ...(facts.shape === undefined ? {} : { shape: facts.shape }),
    shared: [],
    verification: facts.verification,
    egress: facts.egress,
    past: facts.past
  }
}
