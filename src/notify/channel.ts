import type { Notice } from './notice.ts'

/** One way to tell people or programs about runs. Whatever it throws becomes part of one warning and changes nothing else. */
export interface Channel {
  /** In words for the warning: `webhook`. */
  readonly name: string
  /** Told before the work begins, beside it. */
  start?(signal: AbortSignal): Promise<void>
  /** Told when the result is known. */
  tell(notice: Notice, signal: AbortSignal): Promise<void>
}

/** Which runs a channel for people is told about. */
export type NotifyOn = 'failure' | 'always'

export function isWanted(notice: Notice, on: NotifyOn): boolean {
  return on === 'always' || notice.event === 'failure'
}
