import { z } from 'zod'
import { backupStatuses, egressSchema, partSchema, verificationLevels, verificationSchema } from './archive/manifest.ts'
import { destinationNames } from './destinations/destination.ts'
import { findingReasons } from './sources/source.ts'

/** One backup in one destination: the entries of the output `backups`. */
export const backupRowSchema = z.object({
  id: z.string(),
  project: z.string(),
  createdAt: z.iso.datetime(),
  type: z.enum(['full', 'schema', 'data']).nullable(),
  kind: z.enum(['scheduled', 'manual', 'safety']).nullable(),
  status: z.enum(['complete', 'partial', 'unproven', 'anomalous', 'damaged', 'unreadable']),
  verified: z.enum(verificationLevels),
  verifiedAt: z.iso.datetime().nullable(),
  /** The latest verification, where it is another than the best one. */
  latestVerification: z
    .object({
      outcome: z.enum(['passed', 'failed']),
      level: z.enum(verificationLevels),
      at: z.iso.datetime().nullable()
    })
    .optional(),
  sizeBytes: z.number().nullable(),
  rows: z.number().nullable(),
  durationMs: z.number().nullable(),
  destination: z.enum(destinationNames),
  url: z.string().nullable(),
  pinned: z.boolean(),
  expiresAt: z.iso.datetime().nullable(),
  /** Why a backup is `unreadable` (with the version to install), `damaged`, or not certain to be of the backup workflow. */
  note: z.string().optional(),
  /** Why this copy is not relied on; absent where it is. */
  doubt: z.string().optional(),
  /** Dated more than an hour in the future. */
  future: z.boolean().optional()
})
export type BackupRow = z.infer<typeof backupRowSchema>

/** What became of one destination. */
export const destinationResultSchema = z.object({
  name: z.enum(destinationNames),
  place: z.string(),
  stored: z.boolean(),
  url: z.string().nullable(),
  error: z.string().optional()
})
export type DestinationResult = z.infer<typeof destinationResultSchema>

export const findingSchema = z.object({
  kind: z.enum(['difference', 'notProven', 'note', 'todo']),
  subject: z.string(),
  detail: z.string(),
  reason: z.enum(findingReasons).optional(),
  remedy: z.string().optional()
})

/** The whole result of a run: what the output `result` points at. Its JSON Schema is docs/result.schema.json. */
export const resultSchema = z.object({
  command: z.enum(['backup', 'verify', 'restore', 'list', 'download', 'prune', 'delete', 'check', 'report', 'plan']),
  status: z.enum(backupStatuses),
  startedAt: z.iso.datetime(),
  durationMs: z.number(),
  tool: z.string(),
  project: z.string().nullable(),
  error: z.object({ code: z.string(), message: z.string(), remedy: z.string() }).optional(),
  backup: z
    .object({
      id: z.string(),
      createdAt: z.iso.datetime(),
      type: z.enum(['full', 'schema', 'data']),
      kind: z.enum(['scheduled', 'manual', 'safety']),
      sizeBytes: z.number(),
      parts: z.array(partSchema),
      encryption: z.object({ scheme: z.string(), recipients: z.array(z.string()) }),
      source: z.object({
        serverVersion: z.string().optional(),
        clientVersion: z.string().optional(),
        tls: z.string().optional()
      }),
      databaseBytes: z.number().optional()
    })
    .optional(),
  verified: z.enum(verificationLevels),
  verification: verificationSchema.optional(),
  findings: z.array(findingSchema).optional(),
  destinations: z.array(destinationResultSchema),
  backups: z.array(backupRowSchema),
  /** What `list` was asked to show alone, in words, and how many backups there are besides. Absent: `backups` has all. */
  filter: z.object({ conditions: z.array(z.string()), of: z.number() }).optional(),
  url: z.string().nullable(),
  /** Folder that `download` or `report` filled. */
  path: z.string().nullable(),
  warnings: z.array(z.string()),
  /** What a restore did or, with `dry-run`, would do. */
  restore: z.record(z.string(), z.unknown()).optional(),
  /** Verdicts of `prune` and of the pruning after a backup. */
  retention: z
    .array(
      z.object({
        id: z.string(),
        project: z.string(),
        destination: z.string(),
        keep: z.boolean(),
        reasons: z.array(z.string()),
        removed: z.boolean().optional()
      })
    )
    .optional(),
  /** Alarms of `backup` and `check`. */
  alarms: z.array(z.object({ kind: z.string(), detail: z.string(), project: z.string().optional() })).optional(),
  /** Bytes that left the project for this backup and for all of its month (UTC), and what the month will come to. */
  egress: z
    .object({
      run: egressSchema,
      runBytes: z.number(),
      monthBytes: z.number(),
      /** Backups of this month that nobody counted. */
      uncounted: z.number(),
      forecastBytes: z.number().nullable(),
      budgetBytes: z.number().nullable()
    })
    .optional(),
  /** The times between backups that counted, in the last 30 days up to now, for each project that `check` looks at. */
  gaps: z
    .array(
      z.object({
        project: z.string(),
        backups: z.number(),
        since: z.iso.datetime(),
        p95Ms: z.number(),
        largestMs: z.number(),
        largestAfter: z.iso.datetime()
      })
    )
    .optional(),
  /** What the new backup holds noticeably less of than the one before, though no alarm was raised for it; by name where a key was at hand. */
  falls: z.array(z.string()).optional(),
  /** What each place holds and has left, after `check`. */
  room: z
    .array(
      z.object({
        destination: z.enum(destinationNames),
        place: z.string(),
        takenBytes: z.number(),
        leftBytes: z.number().nullable()
      })
    )
    .optional(),
  /** How each project stands after `list`, as the dashboard has it. */
  health: z
    .array(
      z.object({
        project: z.string(),
        state: z.enum(['good', 'attention', 'bad', 'unknown']),
        reasons: z.array(z.string())
      })
    )
    .optional(),
  /** Labels that the file of the input `projects` names for `list` and `check`, disabled ones left out. */
  planned: z.array(z.string()).optional(),
  /** What changed in the shape of the database since the backup before, by kinds of objects. Absent when nothing is known. */
  changes: z.array(z.string()).optional(),
  /**
   * Whether somebody has shown a key of one of the same recipients on a backup that still lies here: a `verify` with an identity opened it, or was
   * told the word of its canary. Absent where backups have no recipients.
   */
  keyShown: z.boolean().optional(),
  /** A word given as `canary` was that of a backup here: it is noted that somebody holds its key. */
  keyNoted: z.boolean().optional(),
  /** Stored name of the new backup's canary, the small file that a person opens to show that a key fits. Absent without recipients. */
  canary: z.string().optional(),
  /** Where the dashboard was written to. Absent when none was asked for, or it could not be written. */
  dashboard: z.object({ place: z.string(), url: z.string().nullable() }).optional(),
  /** What `report` found for each project; the files in `path` have all of it. */
  report: z
    .object({
      since: z.iso.datetime(),
      maxAgeMs: z.number(),
      projects: z.array(
        z.object({
          project: z.string(),
          due: z.number(),
          made: z.number(),
          failed: z.number(),
          missed: z.number(),
          /** The longest time without a new complete backup; null where there is none. */
          largestGapMs: z.number().nullable(),
          isWithin: z.boolean(),
          /** Backups that were proven by restoring them. */
          proven: z.number(),
          longestRestoreMs: z.number().nullable(),
          keyShown: z.boolean()
        })
      )
    })
    .optional(),
  /** Output of `plan`. */
  matrix: z.object({ include: z.array(z.record(z.string(), z.unknown())) }).optional()
})
export type Result = z.infer<typeof resultSchema>

/** What the result of a run holds that stored nothing and has nothing to list. */
export function nothingStored(): Pick<Result, 'verified' | 'destinations' | 'backups' | 'url' | 'path' | 'warnings'> {
  return { verified: 'none', destinations: [], backups: [], url: null, path: null, warnings: [] }
}
