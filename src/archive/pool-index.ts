import { z } from 'zod'
import { type Manifest, storedFileSchema } from './manifest.ts'
import { isStorableName } from './stored-names.ts'
import { parseStrictJson } from './strict-json.ts'

/**
 * What lies in one shared pack, in plain, so that the next backup knows without any key which objects it need not fetch again. The entries are
 * hashes over random versions: they tell nothing to who does not hold the project's own list.
 */
export const poolIndexSchema = z.object({
  format: z.literal(1),
  pack: storedFileSchema,
  /** Who can open it: a backup for other recipients must not rely on it. */
  encryption: z.object({ scheme: z.string(), recipients: z.array(z.string()) }),
  entries: z.array(z.string().regex(/^[0-9a-f]{32}$/))
})
export type PoolIndex = z.infer<typeof poolIndexSchema>

const ending = '.index.json'
/** Largest list that is read, in bytes: ten times what the most files of a pack take. */
export const largestPoolIndex = 16 * 1024 * 1024

/** Bytes of an entry, which is written with two hexadecimal digits a byte. */
export const entryBytes = 16

/** The entries of a list as bytes, one after the other: what is held of many lists. */
export function bytesOfEntries(entries: readonly string[]): Uint8Array {
  const bytes = Buffer.alloc(entries.length * entryBytes)
  for (const [at, entry] of entries.entries()) bytes.write(entry, at * entryBytes, 'hex')
  return bytes
}

export function entriesOfBytes(bytes: Uint8Array): string[] {
  const hex = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('hex')
  return Array.from({ length: bytes.byteLength / entryBytes }, (_, at) =>
    hex.slice(at * 2 * entryBytes, (at + 1) * 2 * entryBytes)
  )
}

export function poolIndexName(packName: string): string {
  return `${packName}${ending}`
}

/** The pack that a file of the pool is the list of; null for any other file. */
export function packOfPoolIndex(name: string): string | null {
  const pack = name.endsWith(ending) ? name.slice(0, -ending.length) : ''
  return isStorableName(pack) ? pack : null
}

export function renderPoolIndex(index: PoolIndex): Uint8Array {
  return Buffer.from(`${JSON.stringify(index)}\n`)
}

/** Null for what is damaged or of a later format: then its pack is not relied on. */
export function parsePoolIndex(bytes: Uint8Array, packName: string): PoolIndex | null {
  if (bytes.byteLength > largestPoolIndex) return null
  const json = parseStrictJson(bytes)
  if (json.kind === 'refused') return null
  const parsed = poolIndexSchema.safeParse(json.value)
  return parsed.success && parsed.data.pack.name === packName ? parsed.data : null
}

/**
 * Whether a pack sealed like `then` can be opened by exactly those who can open what is sealed like `now`. Never said of a passphrase: nothing here
 * tells whether it is the same.
 */
export function sealedForTheSame(
  now: Readonly<{ scheme: Manifest['encryption']['scheme']; recipients: readonly string[] }>,
  then: PoolIndex['encryption']
): boolean {
  if (now.scheme !== then.scheme || now.scheme === 'age-scrypt') return false
  return now.recipients.toSorted().join() === then.recipients.toSorted().join()
}
