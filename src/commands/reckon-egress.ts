import type { Egress, Manifest } from '../archive/manifest.ts'
import { UserError } from '../errors.ts'
import { egressAlarm, reckonEgress } from '../history/egress.ts'
import type { HistoryEntry } from '../history/entries.ts'
import { egressBytes, pastRuns, rememberedOf } from '../history/past-runs.ts'
import type { Result } from '../result.ts'

/** What a backup tells of the bytes that left the project. */
export interface EgressTold {
  readonly result: NonNullable<Result['egress']>
  readonly manifest: { readonly egress: Egress; readonly past: NonNullable<Manifest['past']> }
  /** Where the month's budget is spent, or will be. */
  readonly alarm: UserError | undefined
}

/** `entries`: the backups of this project that were there before. */
export function reckonRun(
  entries: readonly HistoryEntry[],
  run: Egress,
  budgetBytes: number | undefined,
  now: Date
): EgressTold {
  const past = pastRuns(entries, now)
  const reckoning = reckonEgress(past, egressBytes(run), budgetBytes, now)
  const detail = egressAlarm(reckoning, now)
  return {
    result: { run, ...reckoning },
    manifest: { egress: run, past: rememberedOf(past) },
    alarm: detail === undefined ? undefined : new UserError('SB910', `The backup is kept, but ${detail}`)
  }
}
