import type { DatabaseFacts, TableFacts } from '../../../../archive/contents-database.ts'
import type { Finding } from '../../../source.ts'
import type { CatalogTable } from '../../catalog/tables.ts'
import type { CopiedColumns } from '../../pg-archive/copy-statement.ts'
import type { ArchiveToc, TocEntry } from '../../pg-archive/toc.ts'
import type { KnownObjects } from '../target/catalog-index.ts'
import type { TargetState } from '../target/target-state.ts'
import type { Chosen } from './select-entries.ts'

export type RestoreMode = 'empty' | 'replace' | 'missing-rows' | 'side-schema'

/** How the rows of a table come in. */
export interface RowsPlan {
  readonly entry: TocEntry
  readonly facts: TableFacts
  readonly copied: CopiedColumns
  /**
   * `copy` into a table that this restore makes; `exchange`: into one that is there, after what it holds was deleted; `missing`: what is not there by key;
   * `beside`: into a table of its own; `jobs`: jobs of pg_cron, scheduled anew.
   */
  readonly way: 'copy' | 'exchange' | 'missing' | 'beside' | 'jobs'
  /** Whether the table is the platform's: what it refuses is listed, not failed on. */
  readonly platform: boolean
}

export interface RestorePlan {
  /** Entries to run, in the order of the archive. */
  readonly entries: readonly TocEntry[]
  readonly rows: readonly RowsPlan[]
  /** Objects that stay, and whose grants become those of the backup. */
  readonly regranted: readonly TocEntry[]
  /** Objects that nobody chose, and that come back with those they went with. */
  readonly returning: readonly TocEntry[]
  /** Told whatever comes of it: what is left to do by hand, what is left alone. */
  readonly findings: readonly Finding[]
  /** Reasons to stop before anything is written. */
  readonly obstacles: readonly Obstacle[]
  /** Schemas of the target that are the platform's. */
  readonly platform: ReadonlySet<string>
  /** The partitioned table at the top of each partition, by its `readable` name. */
  readonly roots: ReadonlyMap<string, { readonly schema: string; readonly name: string }>
  /** Partitions whose rows the archive brings through a table above them. */
  readonly throughRoot: ReadonlyMap<string, string>
  /** Tables whose rows were meant and have no place in the target. */
  readonly left: readonly string[]
}

export interface Obstacle {
  readonly code: 'SB705' | 'SB706' | 'SB710' | 'SB723'
  readonly text: string
  /** Where it is known better than for the code. */
  readonly remedy?: string
}

export interface PlanOptions {
  readonly mode: RestoreMode
  readonly toc: ArchiveToc
  readonly facts: DatabaseFacts
  readonly chosen: Chosen
  /** Tables were chosen, not whole schemas. */
  readonly byTables: boolean
  readonly target: TargetState
  readonly known: KnownObjects
  /** The same before anything is dropped; left out where nothing is. */
  readonly before?: KnownObjects
  /** Ids of triggers and policies on tables of the platform that take the place of others of their names. */
  readonly changed?: ReadonlySet<number>
  /** Tables of the target. */
  readonly tables: ReadonlyMap<string, CatalogTable>
  /** Versions of the platform's schemas in the target, as `DatabaseFacts.platformVersions`. */
  readonly targetVersions: Readonly<Record<string, string>>
}
