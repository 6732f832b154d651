import { z } from 'zod'
import { configFactsSchema } from './contents-config.ts'
import { databaseFactsSchema } from './contents-database.ts'
import { functionsFactsSchema } from './contents-functions.ts'
import { type HeldStorageFacts, storageFactsSchema } from './contents-storage.ts'

/** The (encrypted) list of everything inside by name. */
export const contentsSchema = z.object({
  format: z.number().int(),
  /** Repeated from the manifest, so that files of two backups cannot be mixed unseen. */
  id: z.string(),
  project: z.string(),
  createdAt: z.iso.datetime(),
  /** Every stored file but the manifest and this one: SHA-256 of the whole stored file. */
  files: z.record(z.string(), z.string()),
  database: databaseFactsSchema.optional(),
  storage: storageFactsSchema.optional(),
  functions: functionsFactsSchema.optional(),
  config: configFactsSchema.optional(),
  /** What changed since the earlier backup, in words. */
  changes: z.array(z.string()).optional()
})

/** contents.json as it is held in memory: the Storage objects, of which there may be any number, are read one after the other. */
export type Contents = Omit<z.infer<typeof contentsSchema>, 'storage'> & { storage?: HeldStorageFacts | undefined }
