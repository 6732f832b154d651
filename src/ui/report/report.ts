import type { ProjectReport } from '../../history/report.ts'

/** How many records there were, and how many of them are not believed. */
export interface RecordCounts {
  /** Believed ones. */
  readonly read: number
  readonly signed: number
  readonly unsigned: number
  readonly otherKey: number
  readonly invalid: number
  readonly unreadable: number
  readonly differing: number
}

/** What `report.json` holds. */
export interface Report {
  readonly format: 1
  readonly tool: string
  readonly generatedAt: string
  readonly since: string
  readonly maxAgeMs: number
  readonly places: readonly { readonly name: string; readonly place: string; readonly journal: boolean }[]
  /** Fingerprint of the key that signed the files of the report. */
  readonly signedBy: string | null
  readonly records: RecordCounts
  readonly projects: readonly ProjectReport[]
}
