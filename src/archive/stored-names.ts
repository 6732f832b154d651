import { type CompressionMethod, compressionEnding, compressionMethods } from './compression.ts'

const storable = /^[A-Za-z0-9_][A-Za-z0-9._-]{0,199}$/

/** Whether a name may be that of a stored file: it is safe as a file name everywhere and can be no path and no option. */
export function isStorableName(name: string): boolean {
  return storable.test(name) && !name.endsWith('.')
}

/** The name under which a packed file is stored: `database.dump` becomes `database.dump.zst.age`. */
export function storedNameOf(plainName: string, compression: CompressionMethod, encrypted: boolean): string {
  return `${plainName}${compressionEnding(compression)}${encrypted ? '.age' : ''}`
}

/** What the endings of a stored name say. */
export interface StoredName {
  readonly plainName: string
  readonly compression: CompressionMethod
  readonly encrypted: boolean
}

/** Takes a stored name apart: `database.dump.zst.age` is `database.dump`, packed with zstd, encrypted. */
export function splitStoredName(storedName: string): StoredName {
  const encrypted = storedName.endsWith('.age')
  const inner = encrypted ? storedName.slice(0, -'.age'.length) : storedName
  const compression =
    compressionMethods.find((each) => each !== 'none' && inner.endsWith(compressionEnding(each))) ?? 'none'
  return { plainName: inner.slice(0, inner.length - compressionEnding(compression).length), compression, encrypted }
}

/** The name without the endings of compression and encryption. */
export function plainNameOf(storedName: string): string {
  return splitStoredName(storedName).plainName
}
