/**
 * What the dashboard shows, as JSON inside the page. It is made from manifests and verification records alone, so it holds labels, numbers
 * and times, and no name of a table, a user or a file: manifests have none.
 */
export interface DashboardData {
  readonly format: 1
  /** When the places were listed: ISO 8601, UTC, as all times here. */
  readonly generatedAt: string
  readonly tool: string
  /** `owner/name` and address of the repository whose workflow made the page. */
  readonly repository: { readonly name: string; readonly url: string } | null
  readonly projects: readonly DashboardProject[]
  readonly places: readonly DashboardPlace[]
  /** Newest first, each once, however many places have it. */
  readonly backups: readonly DashboardBackup[]
}

export interface DashboardProject {
  readonly label: string
  /** What somebody should know now, as `command: check` would tell it; age apart, which the page reckons itself. */
  readonly alarms: readonly { readonly kind: string; readonly detail: string }[]
  readonly warnings: readonly string[]
  /** The next runs by the schedules of the workflows; null where no schedule is known. */
  readonly nextRuns: readonly string[] | null
  /** When a newer backup should be there at the latest; null where nothing says that one is to come. */
  readonly dueAt: string | null
}

export interface DashboardPlace {
  readonly name: string
  /** In words: `acme/shop, branch backups`. */
  readonly place: string
  /** Inputs by which another run finds the place, besides `destinations`: repository, branch, folder. */
  readonly inputs: Readonly<Record<string, string>>
  /** Code of the error where the place could not be listed: its backups are missing on the page. */
  readonly error?: string
  readonly projects: readonly {
    readonly project: string
    readonly backups: number
    /** Bytes of the backups themselves, and of the packs that several of them share. */
    readonly bytes: number
    readonly sharedBytes: number
  }[]
}

export type DashboardStatus = 'complete' | 'partial' | 'unproven' | 'anomalous' | 'damaged' | 'unreadable'
export type DashboardLevel = 'none' | 'checksum' | 'read' | 'restore'

export interface DashboardProof {
  readonly at: string | null
  readonly outcome: 'passed' | 'failed'
  readonly level: DashboardLevel
  readonly restored: number
  readonly read: number
  readonly differing: number
  readonly durationMs: number | null
  readonly notProven: readonly string[]
  /** Whether it was made later, by `command: verify`. */
  readonly later: boolean
  /** Whether somebody's key opened it then. */
  readonly opened: boolean
  readonly error?: string
}

export interface DashboardBackup {
  readonly id: string
  readonly project: string
  readonly createdAt: string
  readonly type: 'full' | 'schema' | 'data' | null
  readonly kind: 'scheduled' | 'manual' | 'safety' | null
  readonly status: DashboardStatus
  readonly acknowledged: boolean
  readonly verified: DashboardLevel
  readonly verifiedAt: string | null
  readonly durationMs: number | null
  /** Bytes as stored, shared packs included. */
  readonly bytes: number | null
  readonly rows: number | null
  readonly tables: number | null
  readonly objects: number | null
  /** What the database took on its server. */
  readonly databaseBytes: number | null
  readonly parts: readonly {
    readonly source: string
    readonly status: string
    readonly reason?: string
    readonly counts: readonly (readonly [string, number])[]
  }[]
  readonly proofs: readonly DashboardProof[]
  readonly encryption: string | null
  readonly recipients: readonly string[]
  readonly server: string | null
  readonly tool: string | null
  readonly copies: readonly {
    readonly destination: string
    readonly url: string | null
    readonly expiresAt: string | null
  }[]
  readonly pinned: boolean
  /** What changed in the shape of the database since the backup before, in words without names. */
  readonly changes: readonly string[]
  /** Why it is unreadable. */
  readonly note?: string
  /** Why it is not relied on; null where it is. */
  readonly doubt: string | null
  /** Dated in the future by a clock that was wrong. */
  readonly future: boolean
}
