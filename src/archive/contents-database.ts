import { z } from 'zod'
import { memberSchema, memberSequenceSchema } from './contents-members.ts'

/** A non-negative integer of any size as decimal digits: row counts and hash sums may pass 2^53. */
const digits = z.string().regex(/^-?\d+$/)

/**
 * How a column goes into the row's hash, so that equal hashes mean identical values (not only equal ones: 1.0 and 1.00, -0 and 0,
 * `char` with blanks, arrays of another shape): `value` as it is; `collated` as it is, compared by bytes; `binary` as the bytes of
 * the built-in function named in `send`; `text` as its text.
 */
export const columnSchema = z.object({
  name: z.string(),
  form: z.enum(['value', 'collated', 'binary', 'text']),
  send: z
    .string()
    .regex(/^[a-z0-9_]{1,40}send$/)
    .optional(),
  /** Computed from others when a row is written: `true` for stored generated columns. */
  generated: z.boolean().optional()
})
export type ColumnFacts = z.infer<typeof columnSchema>

/**
 * Sum over all rows of a 64-bit hash of the row, so that their order does not matter. `mixed`: of the row's binary form (hash_record_extended), hashed
 * once more, so that no two rows can exchange a value unseen; `record`: without that, in earlier backups; `text`: of its text.
 */
const tableHashSchema = z.object({ method: z.enum(['mixed', 'record', 'text']), value: digits })
export type TableHash = z.infer<typeof tableHashSchema>

export const tableSchema = z.object({
  schema: z.string(),
  name: z.string(),
  /** relkind: `r` table, `p` partitioned, `m` materialized view, `f` foreign table. */
  kind: z.enum(['r', 'p', 'm', 'f']),
  /** Rows in the dump's snapshot; null where the data is not in the backup (foreign, partitioned parent, excluded, unpopulated). */
  rows: digits.nullable(),
  /** Null with `hashSkipped` where it was not taken. */
  hash: tableHashSchema.nullable(),
  hashSkipped: z.string().optional(),
  /** The hash without generated columns, where there are any: what they give may have changed since the rows were written. */
  writtenHash: tableHashSchema.nullable().optional(),
  /** Columns that the hash covers, in order; generated columns included. */
  columns: z.array(columnSchema),
  /** Size on the source's disk in bytes, indexes left out; 0 for tables without storage. */
  bytes: z.number(),
  rowSecurity: z.boolean(),
  /** Materialized views only: whether it held data. */
  populated: z.boolean().optional(),
  /** Name of the extension that owns the table. */
  extension: z.string().optional(),
  /** The partitioned table or parent that the rows also belong to, for readers: `schema.table` with names quoted where needed. */
  partitionOf: z.string().optional()
})
export type TableFacts = z.infer<typeof tableSchema>

/** A table of an extension whose rows no dump holds. They lie in `extension-rows.tar`, in the folder `entry`, where there are any. */
const memberTableSchema = tableSchema.extend({
  /** As in `objects`. */
  subject: z.string(),
  extension: z.string(),
  entry: z.string().regex(/^\d{4,}$/),
  /** Columns that are copied, in their order: generated ones are left out. */
  copied: z.array(z.string())
})
export type MemberTable = z.infer<typeof memberTableSchema>

/** What belongs to extensions, and no dump holds: their objects as the source has them, rows of their tables, states of their sequences. */
const membersSchema = z.object({
  objects: z.array(memberSchema),
  tables: z.array(memberTableSchema),
  sequences: z.array(memberSequenceSchema)
})
export type MemberFacts = z.infer<typeof membersSchema>

export const roleSchema = z.object({
  name: z.string(),
  superuser: z.boolean(),
  inherit: z.boolean(),
  createRole: z.boolean(),
  createDb: z.boolean(),
  login: z.boolean(),
  replication: z.boolean(),
  bypassRls: z.boolean(),
  connectionLimit: z.number(),
  validUntil: z.string().nullable(),
  comment: z.string().nullable(),
  /** `name=value` for all databases. */
  settings: z.array(z.string()),
  /** `name=value` for the captured database alone. */
  databaseSettings: z.array(z.string())
})
export type RoleFacts = z.infer<typeof roleSchema>

export const membershipSchema = z.object({
  role: z.string(),
  member: z.string(),
  grantor: z.string(),
  admin: z.boolean(),
  /** PostgreSQL 16 and later; null before. */
  inherit: z.boolean().nullable(),
  set: z.boolean().nullable()
})
export type MembershipFacts = z.infer<typeof membershipSchema>

export const extensionSchema = z.object({ name: z.string(), version: z.string(), schema: z.string() })
export type ExtensionFacts = z.infer<typeof extensionSchema>

/** One object that guards or shapes the data, defined in a form that is equal on source and copy. */
export const guardSchema = z.object({
  /** `policy`, `row security`, `grant`, `default privilege`, `function`, `trigger`, `index`, `constraint`, `sequence`, ... */
  kind: z.string(),
  /** Identity within its kind: `"own rows" on public.notes`. */
  name: z.string(),
  definition: z.string(),
  /** Extensions that the object needs, as far as the catalog knows: it cannot be compared where one of them is missing. */
  needs: z.array(z.string()).optional()
})
export type Guard = z.infer<typeof guardSchema>

const sequenceStateSchema = z.object({ value: digits, called: z.boolean() })
/**
 * A sequence's state before and after the dump. Sequences do not belong to a snapshot: a busy one moves on while the dump runs, and
 * what the dump holds lies between the two.
 */
export const sequenceSchema = z.object({
  schema: z.string(),
  name: z.string(),
  /** Name of the extension that it belongs to, as a part of its configuration. */
  extension: z.string().optional(),
  before: sequenceStateSchema,
  after: sequenceStateSchema
})
export type SequenceFacts = z.infer<typeof sequenceSchema>

/** Rows that a role sees of a table with row level security. */
export const visibleRowsSchema = z.object({
  role: z.string(),
  /** Value of the JWT claim `sub`, where one was set. */
  user: z.string().nullable(),
  schema: z.string(),
  table: z.string(),
  /** Null with the error's SQLSTATE where the query failed, or `skipped`. */
  rows: digits.nullable(),
  failed: z.string().optional()
})
export type VisibleRows = z.infer<typeof visibleRowsSchema>

/** What contents.json tells of the database part. */
export const databaseFactsSchema = z.object({
  source: z.object({
    host: z.string(),
    port: z.number(),
    database: z.string(),
    user: z.string(),
    ref: z.string().nullable()
  }),
  server: z.object({ version: z.string(), versionNumber: z.number() }),
  client: z.object({ version: z.string() }),
  snapshotAt: z.iso.datetime(),
  /** pg_database_size in bytes. */
  sizeBytes: z.number(),
  encoding: z.string(),
  collation: z.string(),
  characterType: z.string(),
  /** Who sorts and changes the case of texts; absent: the C library (`libc`), with `collation` and `characterType`. */
  locale: z.object({ provider: z.enum(['icu', 'builtin']), name: z.string(), rules: z.string().nullable() }).optional(),
  databaseOwner: z.string(),
  databaseGrants: z.array(z.string()),
  databaseComment: z.string().nullable(),
  /** `ALTER DATABASE ... SET` as `name=value`. */
  databaseSettings: z.array(z.string()),
  /** `role=privileges/grantor` on settings, by setting: `session_replication_role: postgres=SET/supabase_admin`. PostgreSQL 15 and later. */
  parameterGrants: z.array(z.string()),
  /** What narrowed the dump: empty lists mean everything. */
  selection: z.object({
    type: z.enum(['full', 'schema', 'data']),
    schemas: z.array(z.string()),
    excludeSchemas: z.array(z.string()),
    tables: z.array(z.string()),
    excludeTables: z.array(z.string()),
    excludeTableData: z.array(z.string())
  }),
  tables: z.array(tableSchema),
  roles: z.array(roleSchema),
  memberships: z.array(membershipSchema),
  extensions: z.array(extensionSchema),
  /** Count, and a sum over a hash of each page and each length; without `method` it is `record`. */
  largeObjects: z.object({ count: digits, hash: digits.nullable(), method: z.enum(['mixed', 'record']).optional() }),
  sequences: z.array(sequenceSchema),
  /** Absent in backups that were narrowed, and in those of before it was taken. */
  members: membersSchema.optional(),
  /** Fingerprint of what guards and shapes the data. Absent where `type` or a selection makes it meaningless. */
  guards: z.array(guardSchema),
  /** Which version of the fingerprint's queries it was taken with (`fingerprintVersion`); absent in backups of before there were several. */
  fingerprint: z.number().int().positive().optional(),
  visibleRows: z.array(visibleRowsSchema),
  /** Versions (max) of auth.schema_migrations, storage.migrations and the like, for comparing with a target. */
  platformVersions: z.record(z.string(), z.string()),
  /** Auth in numbers. */
  auth: z.record(z.string(), z.number()).optional(),
  /** Secrets of Supabase Vault in `vault.json`, in clear (inside the encrypted backup). Absent when that file is not part of the backup. */
  vault: z.object({ secrets: z.number() }).optional(),
  /** 1, or 2 when the first attempt broke and everything was taken again from a new snapshot. */
  attempts: z.number().int(),
  /** What the backup does not hold, by name, with the reason. */
  notCaptured: z.array(z.object({ what: z.string(), reason: z.string() })),
  warnings: z.array(z.string())
})
export type DatabaseFacts = z.infer<typeof databaseFactsSchema>

/** Whether a backup was made of chosen schemas or tables, or without the rows of some. */
export function isNarrowed(facts: Pick<DatabaseFacts, 'selection'>): boolean {
  return holdsSomeObjects(facts) || facts.selection.excludeTableData.length > 0
}

/** Whether a backup was narrowed to some objects: those that it lacks are nobody's concern. */
export function holdsSomeObjects({ selection }: Pick<DatabaseFacts, 'selection'>): boolean {
  const { schemas, excludeSchemas, tables, excludeTables } = selection
  return [schemas, excludeSchemas, tables, excludeTables].some((list) => list.length > 0)
}
