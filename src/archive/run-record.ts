import { z } from 'zod'
import { firstIssue } from './first-issue.ts'
import { backupStatuses, verificationLevels } from './manifest.ts'
import { type SignatureState, type SigningKey, signBytes, stateOfSignature, type VerifyKey } from './signature.ts'
import { parseStrictJson } from './strict-json.ts'

/** What a run came to, in one word of the journal. */
export const runEvents = ['made', 'failed', 'verified', 'restored', 'drilled', 'alarmed', 'acknowledged'] as const
export type RunEvent = (typeof runEvents)[number]

/** Stands first in every record, so that a signature of something else is never one of a record. */
const kind = 'supabase-backup/run/1'

const text = z.string().max(500)
const count = z.number().int().nonnegative()

export const runRecordSchema = z.object({
  kind: z.literal(kind),
  project: z.string().regex(/^[a-z0-9-]{1,40}$/),
  command: z.enum(['backup', 'verify', 'restore', 'check', 'prune']),
  /** `drilled`: restored into another project than the one that was backed up. */
  event: z.enum(runEvents),
  startedAt: z.iso.datetime(),
  durationMs: count,
  status: z.enum(backupStatuses),
  level: z.enum(verificationLevels),
  /** Code of the error of a run that failed. */
  error: z.string().max(10).optional(),
  /** Id of the backup that was made, verified, restored or acknowledged, and when it was made. */
  backup: z.string().max(40).optional(),
  backupAt: z.iso.datetime().optional(),
  sizeBytes: count.optional(),
  /** How long the proof by restoring took. */
  proofMs: count.optional(),
  tables: z.object({ restore: count, read: count, differing: count }).optional(),
  /** Kinds of the alarms. */
  alarms: z.array(text).max(50).optional(),
  /** Fingerprints of the recipients, and whether a key of one of them was shown. */
  recipients: z.array(text).max(100).optional(),
  keyShown: z.boolean().optional(),
  /** Keep rules, as `keep-daily: 7`. */
  keep: z.array(text).max(20).optional(),
  /** Id of an anomalous backup whose change somebody said was intended. */
  acknowledged: z.string().max(40).optional(),
  /** The cron line by which the run was due. */
  schedule: text.optional(),
  run: z
    .object({
      url: text.optional(),
      attempt: text.optional(),
      event: text.optional(),
      actor: text.optional(),
      workflow: text.optional(),
      commit: text.optional()
    })
    .optional(),
  tool: text,
  /** The action as the workflow names it: `owner/name@ref`. */
  action: text.optional()
})
/** One line of the journal: what a run did, in numbers, times, ids and codes. Nothing in it comes from inside a project. */
export type RunRecord = z.infer<typeof runRecordSchema>

export type NewRunRecord = Omit<RunRecord, 'kind'>

/** The bytes of a record: one line of JSON and, when signed, a second one with the fingerprint of the key and the signature of the first, line end included. */
export function renderRunRecord(record: NewRunRecord, signingKey: SigningKey | undefined): Uint8Array {
  const line = Buffer.from(`${JSON.stringify({ kind, ...record })}\n`)
  if (signingKey === undefined) return line
  return Buffer.concat([line, Buffer.from(`${signingKey.fingerprint} ${signBytes(line, signingKey)}\n`)])
}

export type ParsedRunRecord =
  | { readonly kind: 'ok'; readonly record: RunRecord; readonly signature: SignatureState }
  | { readonly kind: 'broken'; readonly reason: string }

const signatureLine = /^(fp:[0-9a-f]{16}) ([A-Za-z0-9+/]{86}==)\n$/

/** Reads a record and compares its signature with the keys that are trusted. Never throws. */
export function parseRunRecord(content: Uint8Array, trusted: readonly VerifyKey[]): ParsedRunRecord {
  const bytes = Buffer.from(content)
  const end = bytes.indexOf('\n') + 1
  if (end === 0) return { kind: 'broken', reason: 'it has no line' }
  const line = bytes.subarray(0, end)
  const json = parseStrictJson(line)
  if (json.kind !== 'ok') return { kind: 'broken', reason: json.reason }
  const parsed = runRecordSchema.safeParse(json.value)
  if (!parsed.success) return { kind: 'broken', reason: firstIssue(parsed.error) }
  if (end === bytes.length) return { kind: 'ok', record: parsed.data, signature: { kind: 'unsigned' } }
  const [, key, value] = signatureLine.exec(bytes.subarray(end).toString('latin1')) ?? []
  if (key === undefined || value === undefined) return { kind: 'broken', reason: 'its second line is no signature' }
  return { kind: 'ok', record: parsed.data, signature: stateOfSignature(line, { key, value }, trusted) }
}
