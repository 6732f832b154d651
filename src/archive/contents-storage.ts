import { z } from 'zod'

const text = z.string().nullable()

export const storageBucketSchema = z.object({
  id: z.string(),
  name: z.string(),
  public: z.boolean(),
  /** `STANDARD`; files of `ANALYTICS` and `VECTOR` buckets cannot be had by the object API. */
  type: z.string(),
  /** Bytes. */
  fileSizeLimit: z.number().nullable(),
  allowedMimeTypes: z.array(z.string()).nullable(),
  ownerId: text,
  createdAt: text,
  updatedAt: text
})
export type StorageBucketFacts = z.infer<typeof storageBucketSchema>

export const storedObjectSchema = z.object({
  bucket: z.string(),
  key: z.string(),
  /**
   * Name of its file inside the pack: a hash of bucket, key and version. Versions are random, so that it tells nothing. Every pack ends with
   * `index.jsonl`, which says size, SHA-256 and settings of each file in it.
   */
  entry: z.string().regex(/^[0-9a-f]{32}$/),
  /** Positions in `packs` of those that hold it; which of them lie in a place its manifest says. */
  in: z.array(z.number().int().nonnegative()).min(1),
  /** Bytes; null where the project does not say it and the file was not fetched this time. */
  size: z.number().int().nonnegative().nullable(),
  /** SHA-256 of the file in lower-case hex, where it was fetched for this backup; else it stands in the pack's `index.jsonl`. */
  sha256: z
    .string()
    .regex(/^[0-9a-f]{64}$/)
    .optional(),
  version: text,
  contentType: text,
  cacheControl: text,
  /** The user's own metadata. */
  userMetadata: z.record(z.string(), z.unknown()).nullable(),
  id: text,
  ownerId: text,
  createdAt: text,
  updatedAt: text,
  lastAccessedAt: text,
  /** It changed between listing and download: what was fetched is here. */
  changed: z.literal(true).optional()
})
export type StoredObject = z.infer<typeof storedObjectSchema>

/** What contents.json tells of the Storage part. */
export const storageFactsSchema = z.object({
  /** Address of the project's API. */
  url: z.string(),
  ref: z.string().nullable(),
  /** `database`: from storage.objects in the snapshot of the dump. */
  listedFrom: z.enum(['database', 'api']),
  buckets: z.array(storageBucketSchema),
  /** Stored files that hold objects, by name and SHA-256 of the stored bytes. */
  packs: z.array(z.object({ name: z.string(), sha256: z.string() })),
  /** What the backup does not hold, by name, with the reason. */
  notCaptured: z.array(z.object({ what: z.string(), reason: z.string() })),
  objects: z.array(storedObjectSchema)
})
export type StorageFacts = z.infer<typeof storageFactsSchema>
/** The facts without the list of objects, which may be too long for memory. */
export type HeldStorageFacts = Omit<StorageFacts, 'objects'> & { readonly objectCount: number }

/** One line of a pack's `index.jsonl`. */
export const packRecordSchema = z.object({
  entry: z.string(),
  size: z.number().int().nonnegative(),
  sha256: z.string(),
  contentType: text,
  cacheControl: text,
  userMetadata: z.record(z.string(), z.unknown()).nullable()
})
export type PackRecord = z.infer<typeof packRecordSchema>

/** Name of the last file of each pack. */
export const packIndexEntry = 'index.jsonl'
