import { rm } from 'node:fs/promises'
import { join } from 'node:path'
import type { Readable, Writable } from 'node:stream'
import { asError, cancelled, UserError } from '../errors.ts'
import type { Compression } from './compression.ts'
import type { Contents } from './contents.ts'
import { objectsIn, type ReadContents, readContents } from './contents-reading.ts'
import type { StoredObject } from './contents-storage.ts'
import { type Keys, keysDoNotFit } from './encryption.ts'
import type { Files } from './files.ts'
import { type Manifest, type StoredFile, storedNamesIn } from './manifest.ts'
import { headerError, lendStoredFile, openStoredFile, pourStoredFile } from './stored-bytes.ts'
import { splitStoredName } from './stored-names.ts'
import { createStoredFileWriter } from './stored-writer.ts'

export interface OpenBackupOptions {
  readonly manifest: Manifest
  /**
   * The whole stored file, joined from its volumes (`joinVolumes` of destinations/volumes.ts); files of `manifest.shared` come from the pool.
   * What it throws comes through, SB404 of a place as SB506.
   */
  readonly fetch: (file: StoredFile) => Readable
  /** Other copies of the backup that hold this very file: asked one after the other where the first is damaged or missing. */
  readonly spare?: (file: StoredFile) => readonly SpareFile[]
  /** Folder for the fetched files; made (mode 0700) where it is not there. */
  readonly dir: string
  /** Null: only `checkStored` works on encrypted files. */
  readonly keys: Keys | null
  readonly compression: Compression
  readonly signal: AbortSignal
  readonly onProgress?: (storedBytes: number) => void
}

/** The same stored file in another copy of the backup. */
export interface SpareFile {
  open(): Readable
  /** Told when it is about to stand in. */
  using(instead: UserError): void
}

/**
 * A backup that lies somewhere else, read file by file. A file is fetched once, its length and SHA-256 compared with the manifest while it is
 * written to disk, and opened only after that: nothing is decrypted or decompressed that is not what the manifest says.
 */
export interface OpenedBackup {
  /** The packed files by plain name. `open` throws for one that was not fetched: call `fetch` first. */
  readonly files: Files
  /** Fetches files (all that the manifest names, shared ones too, when left out) by plain name; those that are here already are not fetched again. */
  fetch(names?: readonly string[]): Promise<void>
  /** Fetches everything and compares it with the manifest: the level `checksum`. Needs no key. */
  checkStored(): Promise<void>
  /**
   * Fetches and reads contents.json and compares it with the manifest. Throws UserError SB507 when it belongs to another backup or lists other
   * files, SB509 when it is not what its format demands.
   */
  contents(): Promise<Contents>
  /** The Storage objects that contents.json lists, in its order, read anew each time; after `contents`. */
  objects(): AsyncIterable<StoredObject>
  /** Where a fetched file lies, as stored. */
  pathOf(name: string): string
  /** Removes a fetched file, to keep room on the disk. */
  drop(name: string): Promise<void>
}

/**
 * Opens a backup. Errors of opening files: SB501 damaged, SB502 other keys (with the fingerprints of both sides), SB503 no key, SB506 missing,
 * SB310/SB311 the disk here.
 */
export function openBackup(options: OpenBackupOptions): OpenedBackup {
  const { manifest, dir, keys, compression, signal } = options
  const all: readonly StoredFile[] = [...manifest.files, ...manifest.shared]
  const byPlainName = new Map(all.map((file) => [splitStoredName(file.name).plainName, file]))
  const here = new Map<string, Promise<void>>()

  const fileOf = (name: string): StoredFile => {
    const file = byPlainName.get(name)
    if (file === undefined) throw new UserError('SB506', `The backup ${manifest.id} has no file ${name}.`)
    return file
  }
  const fetchOne = async (file: StoredFile): Promise<void> => {
    const path = join(dir, file.name)
    let failure: Error
    try {
      signal.throwIfAborted()
      return await store(file, options.fetch(file), path, options)
    } catch (error) {
      failure = signal.aborted ? cancelled(signal) : missing(manifest, file, error)
    }
    for (const spare of options.spare?.(file) ?? []) {
      if (signal.aborted || !(failure instanceof UserError)) break
      spare.using(failure)
      try {
        return await store(file, spare.open(), path, options)
      } catch (error) {
        // The first failure is the one that is told: it is of the copy that was chosen.
        if (!(error instanceof UserError)) throw signal.aborted ? cancelled(signal) : error
      }
    }
    throw failure
  }
  const fetchOnce = (file: StoredFile): Promise<void> => {
    const known = here.get(file.name)
    if (known !== undefined) return known
    const fetching = fetchOne(file).catch((error: unknown) => {
      here.delete(file.name)
      throw error
    })
    here.set(file.name, fetching)
    return fetching
  }
  const fetchFiles = async (files: readonly StoredFile[]): Promise<void> => {
    for (const file of files) await fetchOnce(file)
  }
  const keyFor = async (file: StoredFile, header: Uint8Array): Promise<Uint8Array> => {
    if (keys === null) throw keyNeeded(manifest)
    const opened = await keys.openHeader(header)
    if (opened.kind === 'opened') return opened.fileKey
    throw headerError(file.name, opened, () => keysDoNotFit(file.name, keys, manifest.encryption))
  }
  const localOf = (name: string) => {
    const file = fileOf(name)
    if (!here.has(file.name)) throw new Error(`not fetched: ${name}`)
    const local = { name: file.name, path: join(dir, file.name), bytes: file.bytes, sha256: file.sha256 }
    return { local, fileKeyOf: (header: Uint8Array) => keyFor(file, header) }
  }
  const open = (name: string): Readable => {
    const { local, fileKeyOf } = localOf(name)
    return openStoredFile(local, fileKeyOf, compression, signal)
  }
  const lend = (name: string): AsyncGenerator<Uint8Array> => {
    const { local, fileKeyOf } = localOf(name)
    return lendStoredFile(local, fileKeyOf, compression, signal)
  }
  const pour = (name: string, into: Writable): Promise<boolean> | null => {
    const { local, fileKeyOf } = localOf(name)
    return pourStoredFile(local, fileKeyOf, compression, into, signal)
  }

  return {
    files: { names: [...byPlainName.keys()], open, lend, pour },
    fetch: (names) => fetchFiles(names === undefined ? all : names.map(fileOf)),
    checkStored: () => fetchFiles(all),
    async contents() {
      const file = fileOf('contents.json')
      if (keys === null && splitStoredName(file.name).encrypted) throw keyNeeded(manifest)
      await fetchOnce(file)
      const read = await readContents(open('contents.json'))
      compareWithManifest(read, manifest)
      return read.contents
    },
    async *objects() {
      await fetchOnce(fileOf('contents.json'))
      yield* objectsIn(open('contents.json'))
    },
    pathOf: (name) => join(dir, fileOf(name).name),
    async drop(name) {
      const file = fileOf(name)
      here.delete(file.name)
      await rm(join(dir, file.name), { force: true })
    }
  }
}

/** Names that lie with a backup and belong to it neither as file nor as record. */
export function foreignNames(manifest: Manifest, found: readonly string[]): readonly string[] {
  const own = new Set(['manifest.json', 'keep', ...storedNamesIn(manifest)])
  return found.filter((name) => !own.has(name) && !/^verification-[0-9TZ]+\.json$/.test(name))
}

/**
 * Throws UserError SB507 unless contents and manifest tell of the same backup: id, time, and the files with their SHA-256. Contents are
 * encrypted and authenticated, the manifest is not: whoever replaces files in the place cannot make the two agree without the recipients' help.
 */
export function compareWithManifest({ contents, placements }: ReadContents, manifest: Manifest): void {
  if (contents.id !== manifest.id || contents.project !== manifest.project) {
    throw mixed(
      `contents.json belongs to the backup ${contents.id} of ${contents.project}, the manifest to ${manifest.id} of ${manifest.project}`
    )
  }
  if (Date.parse(contents.createdAt) !== Date.parse(manifest.createdAt)) {
    throw mixed(`contents.json was made at ${contents.createdAt}, the manifest says ${manifest.createdAt}`)
  }
  // Which packs of Storage files belong to the backup differs with the place: all are known, and none has to be there but those that are needed.
  const packs = new Map((contents.storage?.packs ?? []).map((pack) => [pack.name, pack.sha256]))
  const listed = new Map(Object.entries(contents.files).filter(([name]) => !packs.has(name)))
  comparePacks(contents, placements, manifest)
  for (const file of manifest.files) {
    if (splitStoredName(file.name).plainName === 'contents.json' || packs.has(file.name)) continue
    const sha256 = listed.get(file.name)
    if (sha256 === undefined) throw mixed(`the manifest names ${file.name}, which contents.json does not know`)
    if (sha256 !== file.sha256) throw mixed(`${file.name} is not the file that contents.json was written with`)
    listed.delete(file.name)
  }
  for (const name of listed.keys()) throw mixed(`contents.json knows ${name}, which the manifest leaves out`)
}

/** Every pack that the manifest names is the one that the contents mean, and no object is without one. */
function comparePacks(contents: Contents, placements: ReadContents['placements'], manifest: Manifest): void {
  const packs = contents.storage?.packs ?? []
  const known = new Map(packs.map((pack) => [pack.name, pack.sha256]))
  for (const { name } of manifest.shared) {
    if (!known.has(name)) throw mixed(`the manifest names the shared file ${name}, which contents.json does not know`)
  }
  const here = new Set<string>()
  for (const { name, sha256 } of [...manifest.files, ...manifest.shared]) {
    const meant = known.get(name)
    if (meant === undefined) continue
    if (meant !== sha256) throw mixed(`${name} is not the file that contents.json was written with`)
    here.add(name)
  }
  for (const [numbers, entry] of placements) {
    if (numbers.split(',').some((number) => here.has(packs[Number(number)]?.name ?? ''))) continue
    throw mixed(`a Storage file that contents.json lists lies in no pack that the manifest names (${entry})`)
  }
}

async function store(
  file: StoredFile,
  source: Readable,
  path: string,
  { signal, onProgress }: OpenBackupOptions
): Promise<void> {
  const abort = () => source.destroy(cancelled(signal))
  signal.addEventListener('abort', abort, { once: true })
  try {
    const writer = await createStoredFileWriter(path, { onProgress, passing: true })
    try {
      let bytes = 0
      for await (const chunk of source) {
        const part: Uint8Array = chunk
        bytes += part.byteLength
        if (bytes > file.bytes) throw damaged(file, `has more than its ${file.bytes} bytes`)
        await writer.write([part])
      }
      const { sha256 } = await writer.commit()
      if (bytes !== file.bytes) throw damaged(file, `has ${bytes} bytes instead of ${file.bytes}`)
      if (sha256 !== file.sha256) throw damaged(file, 'has another SHA-256 than the manifest says')
    } catch (error) {
      await writer.discard()
      throw error
    }
  } finally {
    signal.removeEventListener('abort', abort)
    source.destroy()
  }
}

function missing(manifest: Manifest, file: StoredFile, error: unknown): Error {
  if (!(error instanceof UserError) || error.code !== 'SB404') return asError(error)
  return new UserError('SB506', `${file.name} of the backup ${manifest.id} is missing: ${error.message}`, {
    cause: error
  })
}

function keyNeeded(manifest: Manifest): UserError {
  const wanted =
    manifest.encryption.scheme === 'age-scrypt'
      ? 'It was sealed with a passphrase.'
      : `It was sealed for the recipients ${manifest.encryption.recipients.join(', ')}.`
  return new UserError('SB503', `The backup ${manifest.id} is encrypted and no key was given. ${wanted}`)
}

function mixed(how: string): UserError {
  return new UserError('SB507', `The files lying here are not of one backup: ${how}.`)
}

function damaged(file: StoredFile, how: string): UserError {
  return new UserError('SB501', `The stored file ${file.name} ${how}.`)
}
