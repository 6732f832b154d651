import { createHash } from 'node:crypto'
import { z } from 'zod'
import { canonicalJson } from './canonical-json.ts'
import { firstIssue } from './first-issue.ts'
import { partStatuses, sourceNames } from './parts.ts'
import { isStorableName } from './stored-names.ts'
import { parseStrictJson } from './strict-json.ts'

/** Version of the stored format that this program writes. */
export const formatVersion = 1
/** The oldest reader that may read what this program writes. */
export const minReader = 1

const count = z.number().int().nonnegative()
const sha256 = z.string().regex(/^[0-9a-f]{64}$/)
const fileName = z.string().refine(isStorableName, 'not a name of a stored file')

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

export const egressSchema = z.object({ database: count, storage: count, management: count })
/** Bytes that sockets received for a backup, by what sent them: what left the project, TLS and the words of protocols included. */
export type Egress = z.infer<typeof egressSchema>

export const backupStatuses = ['complete', 'partial', 'unproven', 'anomalous', 'failed', 'nothing'] as const
export type BackupStatus = (typeof backupStatuses)[number]

const shapeKind = /^[a-z][a-z -]{0,39}$/

/** Whether a word may stand as a kind of objects in `shape`. */
export function isShapeKind(text: string): boolean {
  return shapeKind.test(text)
}

export const shapeSchema = z.record(
  z.string().regex(shapeKind),
  z.object({ count, digest: z.string().regex(/^[0-9a-f]{16}$/) })
)
/**
 * What shapes and guards the database, by kind of objects in the plural: how many there are, and the first 16 hexadecimal digits of a SHA-256 over all of
 * their names and definitions together, so that the next backup can say what kinds have changed. No name can be read from it.
 */
export type Shape = z.infer<typeof shapeSchema>

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
  /** `unproven`: its bytes are whole, but what was restored of it differed from the source, or not all of it could be made. */
  status: z.enum(['complete', 'partial', 'unproven', 'anomalous']),
  encryption: z.object({
    /** `age-pq`: recipients `age1pq1...`. */
    scheme: z.enum(['age-x25519', 'age-pq', 'age-scrypt', 'none']),
    /** Fingerprints of the recipients: never the recipients themselves. Empty for a passphrase or none. */
    recipients: z.array(z.string())
  }),
  compression: z.enum(['zstd', 'gzip', 'none']).optional(),
  source: z.object({
    serverVersion: z.string().optional(),
    clientVersion: z.string().optional(),
    tls: z.string().optional()
  }),
  parts: z.array(partSchema),
  shape: shapeSchema.optional(),
  files: z.array(storedFileSchema),
  /** Files of the pool that this backup needs. */
  shared: z.array(storedFileSchema),
  verification: verificationSchema,
  egress: egressSchema.optional(),
  /** Backups before this one, newest first: second since 1970, bytes that left the project (null: not counted), whether it counted. */
  past: z.array(z.tuple([count, count.nullable(), z.boolean()])).optional(),
  signature: z.object({ algorithm: z.literal('ed25519'), key: z.string(), value: z.string() }).optional(),
  /** See `withDigest`. */
  digest: sha256.optional()
})
/** The plain record that makes a backup exist. Nothing in it comes from inside the project but numbers. */
export type Manifest = z.infer<typeof manifestSchema>

/** Largest manifest that is read, in bytes; one of a backup with a few files has about 2 KiB. */
export const largestManifest = 64 * 1024 * 1024

/** What reading a manifest came to. */
export type ParsedManifest =
  | {
      readonly kind: 'ok'
      readonly manifest: Manifest
      /** Written by a later version, in a format that this one may still read. */
      readonly newerFormat: boolean
      /** Its digest is missing or another one: it was changed after it was written. Listed, never opened. */
      readonly changed: boolean
    }
  /** `install`: the version that wrote it. */
  | { readonly kind: 'newer'; readonly install: string; readonly id: string | null }
  | { readonly kind: 'broken'; readonly reason: string }

/**
 * Reads a manifest. Every older format is read for ever; a newer one when `minReader` allows it and every key named in `critical` is
 * known. Keys that this version does not know stay on the result, at every level, and are written again by `renderManifest`. Never throws.
 */
export function parseManifest(bytes: Uint8Array): ParsedManifest {
  if (bytes.byteLength > largestManifest) return broken(`it is larger than ${largestManifest} bytes`)
  const json = parseStrictJson(bytes)
  if (json.kind === 'refused') return broken(json.reason)
  const head = headSchema.safeParse(json.value)
  if (!head.success) return broken('it does not say which format it has')
  const unknown = head.data.critical.filter((key) => !knownKeys.has(key))
  if (head.data.minReader > formatVersion || unknown.length > 0) {
    return { kind: 'newer', install: versionIn(head.data.tool), id: head.data.id ?? null }
  }
  const shape = manifestSchema.safeParse(json.value)
  if (!shape.success) return broken(firstIssue(shape.error))
  // Not what the schema made of it: that leaves out the keys that this version does not know.
  const manifest = json.value as Manifest
  const reason = contradiction(manifest)
  if (reason !== null) return broken(reason)
  return {
    kind: 'ok',
    manifest,
    newerFormat: manifest.format > formatVersion,
    changed: manifest.digest !== digestOf(manifest)
  }
}

/** A manifest's bytes: indented JSON with keys in a fixed order. Throws (a bug) for one that could not be read again. */
export function renderManifest(manifest: Manifest): Uint8Array {
  const bytes = Buffer.from(`${JSON.stringify(manifest, inOrder, 2)}\n`)
  const again = parseManifest(bytes)
  if (again.kind !== 'ok')
    throw new Error(`manifest that cannot be read again: ${again.kind === 'broken' ? again.reason : again.kind}`)
  return bytes
}

/**
 * The manifest with the SHA-256 of everything in it (canonical JSON, itself left out), so that damage is seen without any key. One without a digest
 * counts as changed, too. It is no protection against people; the signature is.
 */
export function withDigest(manifest: Manifest): Manifest {
  return { ...manifest, digest: digestOf(manifest) }
}

function digestOf(manifest: Manifest): string {
  const { digest: _digest, ...rest } = manifest
  return createHash('sha256').update(canonicalJson(rest)).digest('hex')
}

/** Every name under which something of the backup lies in the place, its manifest left out. */
export function storedNamesIn(manifest: Manifest): readonly string[] {
  return manifest.files.flatMap((file) =>
    file.volumes === undefined ? [file.name] : file.volumes.map(({ name }) => name)
  )
}

const headSchema = z.object({
  format: count,
  minReader: count,
  critical: z.array(z.string()),
  id: manifestSchema.shape.id.optional().catch(undefined),
  tool: z.string().optional().catch(undefined)
})

const knownKeys: ReadonlySet<string> = new Set(Object.keys(manifestSchema.shape))

function broken(reason: string): ParsedManifest {
  return { kind: 'broken', reason }
}

/** What zod cannot see: the same name twice, volumes that are not the file, files called like the manifest. */
function contradiction(manifest: Manifest): string | null {
  const names = new Set<string>(['manifest.json'])
  const files: readonly StoredFile[] = [...manifest.files, ...manifest.shared]
  for (const file of files) {
    const all = file.volumes === undefined ? [file.name] : [file.name, ...file.volumes.map(({ name }) => name)]
    for (const name of all) {
      // Folders of some systems do not tell capital letters from small ones.
      const folded = name.toLowerCase()
      if (names.has(folded)) return `it names the file ${name} twice`
      names.add(folded)
    }
    const sum = (file.volumes ?? [file]).reduce((total, volume) => total + volume.bytes, 0)
    if (sum !== file.bytes) return `the volumes of ${file.name} have ${sum} bytes and the file ${file.bytes}`
  }
  return null
}

/** The version inside `supabase-backup 1.4.0`. */
function versionIn(tool: string | undefined): string {
  return /\d+\.\d+\.\d+(?:-[0-9A-Za-z.]{1,30})?/.exec(tool ?? '')?.[0] ?? 'the newest version'
}

const orderOfKeys: readonly string[] = [...Object.keys(manifestSchema.shape), 'name', 'bytes', 'sha256', 'volumes']

/** A JSON.stringify replacer: known keys in the order of the schema, others after them by name. */
function inOrder(_key: string, value: unknown): unknown {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return value
  const rank = (key: string) => {
    const index = orderOfKeys.indexOf(key)
    return index < 0 ? orderOfKeys.length : index
  }
  return Object.fromEntries(Object.entries(value).sort(([a], [b]) => rank(a) - rank(b) || (a < b ? -1 : 1)))
}
