import type { Context } from '../context.ts'
import type { RunnerEnvironment } from '../runner-environment.ts'

/** Where a run takes place. */
export interface RunPlace {
  readonly context: Context
  readonly environment: RunnerEnvironment
  /** Folder of what stays after the run. */
  readonly kept: string
  readonly startedAt: Date
}
