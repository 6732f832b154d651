import type { FunctionsFacts } from '../../archive/contents-functions.ts'
import type { Management } from '../../clients/supabase-management.ts'
import type { Context } from '../../context.ts'
import type { Files, Finding } from '../source.ts'

export interface RestoreFunctionsOptions {
  readonly context: Context
  /** The project to deploy to. */
  readonly target: Management
  /** Has `functions.tar`. */
  readonly files: Files
  /** `functions` of contents.json. */
  readonly facts: FunctionsFacts
  /** Only say what would be done. */
  readonly dryRun: boolean
}

export interface RestoredFunctions {
  /** Slugs that were deployed, or would be. */
  readonly deployed: readonly string[]
  /** Slugs that are there already and equal. */
  readonly equal: readonly string[]
  /** `todo`: secrets to be set by hand, functions that could not be deployed; `difference`: deployed, but not equal. */
  readonly findings: readonly Finding[]
}
