import type { Log } from './log.ts'

/** Time, as an argument: the wall clock, a clock that never goes back, and waiting. */
export interface Clock {
  /** The wall clock. */
  now(): Date
  /** Milliseconds on a clock that never goes back; only differences mean anything. */
  monotonic(): number
  /** Resolves after `ms` milliseconds; rejects with the signal's reason as soon as it fires. */
  sleep(ms: number, signal?: AbortSignal): Promise<void>
}

/** Random bytes of cryptographic quality. */
export type RandomBytes = (length: number) => Uint8Array

/** What every part of the program is handed, so that tests decide about time, chance and place. */
export interface Context {
  readonly clock: Clock
  readonly randomBytes: RandomBytes
  readonly log: Log
  /** Fires when the run is cancelled or its `timeout` is up. */
  readonly signal: AbortSignal
  /** An existing folder of this run alone (mode 0700), removed at the end. */
  readonly temp: string
}
