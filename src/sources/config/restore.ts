import type { ConfigFacts } from '../../archive/contents-config.ts'
import type { Management } from '../../clients/supabase-management.ts'
import type { Context } from '../../context.ts'
import type { Files, Finding } from '../source.ts'

export interface RestoreConfigOptions {
  readonly context: Context
  /** The project whose settings are changed. */
  readonly target: Management
  /** Has `config.json`. */
  readonly files: Files
  /** `config` of contents.json. */
  readonly facts: ConfigFacts
  /** Only say what would be done. */
  readonly dryRun: boolean
}

/** One setting that differs. Values are shown as JSON; those of secrets never. */
export interface ConfigChange {
  /** `auth.site_url` */
  readonly setting: string
  readonly inBackup: string
  readonly inTarget: string
  readonly action: 'applied' | 'would be applied' | 'by hand' | 'refused'
}

export interface RestoredConfig {
  readonly changes: readonly ConfigChange[]
  /** `todo`: what must be set by hand; `difference`: was sent and is still not equal. */
  readonly findings: readonly Finding[]
}
