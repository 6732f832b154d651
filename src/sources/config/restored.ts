import type { Finding } from '../source.ts'

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
