import { z } from 'zod'
import { verificationSchema } from './manifest.ts'

/** A later verification, kept beside the backup as `verification-<UTC time>.json`: the manifest stays as it is. */
export const verificationRecordSchema = z.object({
  format: z.literal(1),
  id: z.string(),
  project: z.string(),
  tool: z.string(),
  outcome: z.enum(['passed', 'failed']),
  verification: verificationSchema,
  /** Fingerprints of the recipients whose identities opened it. Absent where nothing was opened, or not for recipients. */
  openedBy: z.array(z.string()).optional(),
  /** Somebody told the word of the backup's canary: a key of one of its recipients opened that, elsewhere. */
  canary: z.literal(true).optional(),
  /** Code of the error of a failed verification: no names from inside the project. */
  error: z.string().optional()
})
export type VerificationRecord = z.infer<typeof verificationRecordSchema>

/** Reads a record; null when the bytes are none, which never counts as a proof. */
export function parseVerificationRecord(bytes: Uint8Array): VerificationRecord | null {
  let value: unknown
  try {
    value = JSON.parse(Buffer.from(bytes).toString('utf8'))
  } catch {
    return null
  }
  const parsed = verificationRecordSchema.safeParse(value)
  return parsed.success ? parsed.data : null
}
