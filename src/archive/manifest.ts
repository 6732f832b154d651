import { z } from 'zod'
import { partStatuses, sourceNames } from '../sources/source.ts'

/** Version of the stored format that this program writes. */
export const formatVersion = 1
/** The oldest reader that may read what this program writes. */
export const minReader = 1

const count = z.number().int().nonnegative()
const sha256 = z.string().regex(/^[0-9a-f]{64}$/)
const fileName = z.string().regex(/^[A-Za-z0-9._-]{1,200}$/)

export const verificationLevels = ['none', 'checksum', 'read', 'restore'] as const
/** How far a backup was proven, weakest first. */
export type VerificationLevel = (typeof verificationLevels)[number]

export const volumeSchema = z.object({ name: fileName, bytes: count, sha256 })

export const storedFileSchema = volumeSchema.extend({
  /** Present when the file was cut: joined in this order they are the file. */
  volumes: z.array(volumeSchema).min(2).optional()
})
/** One stored file; its name is that of the whole, also when only its volumes lie in the place. */
export type StoredFile = z.infer<typeof storedFileSchema>

export const partSchema = z.object({
  source: z.enum(sourceNames),
  status: z.enum(partStatuses),
  reason: z.string().optional(),
  counts: z.record(z.string(), z.number())
})
export type Part = z.infer<typeof partSchema>

export const verificationSchema = z.object({
  level: z.enum(verificationLevels),
  at: z.iso.datetime().nullable(),
  /** Numbers of tables by the level that was reached for each. */
  tables: z.object({ restore: count, read: count, differing: count }),
  /** What was not proven and why, in words without names from inside the project. */
  notProven: z.array(z.string()),
  durationMs: count.optional()
})
/** What was proven about a backup. */
export type Verification = z.infer<typeof verificationSchema>

export const backupStatuses = ['complete', 'partial', 'anomalous', 'failed', 'nothing'] as const
export type BackupStatus = (typeof backupStatuses)[number]

export const manifestSchema = z.object({
  format: count,
  minReader: count,
  /** Names of keys that a reader must know or refuse the backup. */
  critical: z.array(z.string()),
  id: z.string().regex(/^\d{8}T\d{6}Z-[a-z2-7]{8}$/),
  project: z.string().regex(/^[a-z0-9-]{1,40}$/),
  createdAt: z.iso.datetime(),
  durationMs: count,
  tool: z.string(),
  kind: z.enum(['scheduled', 'manual', 'safety']),
  type: z.enum(['full', 'schema', 'data']),
  status: z.enum(['complete', 'partial', 'anomalous']),
  encryption: z.object({
    /** `age-pq`: recipients `age1pq1...`. */
    scheme: z.enum(['age-x25519', 'age-pq', 'age-scrypt', 'none']),
    /** Fingerprints of the recipients: never the recipients themselves. Empty for a passphrase or none. */
    recipients: z.array(z.string())
  }),
  compression: z.enum(['zstd', 'gzip', 'none']),
  source: z.object({
    serverVersion: z.string().optional(),
    clientVersion: z.string().optional(),
    tls: z.string().optional()
  }),
  parts: z.array(partSchema),
  files: z.array(storedFileSchema),
  /** Files of the pool that this backup needs. */
  shared: z.array(volumeSchema),
  verification: verificationSchema,
  signature: z.object({ algorithm: z.literal('ed25519'), key: z.string(), value: z.string() }).optional()
})
/** The plain record that makes a backup exist. Nothing in it comes from inside the project but numbers. */
export type Manifest = z.infer<typeof manifestSchema>
