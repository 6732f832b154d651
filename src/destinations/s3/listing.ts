import { inParallel } from '../../base/in-parallel.ts'
import { type Bucket, S3Error } from '../../clients/s3/index.ts'
import type { BackupRef, ListedBackup, ListedFile, NotRead, RecordFile } from '../destination.ts'
import { isLabel, isRecordName, manifestName, tooLargeToRead } from '../names.ts'
import type { Finder, FoundObject } from './find-objects.ts'
import type { Keys } from './keys.ts'
import type { Remembered } from './remembered.ts'

/** The files of one id, committed or not. */
export interface FoundBackup {
  readonly ref: BackupRef
  readonly files: ReadonlyMap<string, FoundObject>
}

const readsAtOnce = 16

export interface Listing {
  /** Labels that the bucket holds. */
  labels(): Promise<readonly string[]>
  /** What lies under ids of a project. */
  found(project: string): AsyncIterable<FoundBackup>
  backups(project: string): AsyncIterable<ListedBackup>
}

interface Parts {
  readonly bucket: Bucket
  readonly finder: Finder
  readonly keys: Keys
  readonly remembered: Remembered
  versioned(): Promise<boolean>
}

export function listingOf({ bucket, finder, keys, remembered, versioned }: Parts): Listing {
  const isRecordKey = (key: string) => isRecordName(keys.parse(key)?.name ?? '')

  async function* found(project: string): AsyncGenerator<FoundBackup> {
    let ref: BackupRef | undefined
    let files = new Map<string, FoundObject>()
    for await (const object of finder.find(keys.ids(project), isRecordKey)) {
      const parsed = keys.parse(object.key)
      if (parsed === null) continue
      if (ref !== undefined && ref.id !== parsed.ref.id) {
        yield { ref, files }
        files = new Map()
      }
      ref = parsed.ref
      files.set(parsed.name, object)
    }
    if (ref !== undefined) yield { ref, files }
  }

  async function content(project: string, file: FoundObject): Promise<Uint8Array | NotRead> {
    const tooLarge = tooLargeToRead(file.bytes)
    if (tooLarge !== null) return tooLarge
    const copy = await remembered.copy(project, file)
    if (copy !== undefined) return copy
    try {
      const bytes = await bucket.read(file, file.bytes)
      remembered.learn(project, file.key, bytes)
      return bytes
    } catch (thrown) {
      if (thrown instanceof S3Error && thrown.code === 'SB403') return { notRead: 'the key may not read it' }
      throw thrown
    }
  }

  /** Null where it went away meanwhile. */
  async function read({ ref, files }: FoundBackup): Promise<ListedBackup | null> {
    const manifest = files.get(manifestName)
    if (manifest === undefined) return null
    try {
      const records: RecordFile[] = []
      for (const name of [...files.keys()].filter(isRecordName).sort()) {
        const file = files.get(name)
        const bytes = file === undefined ? undefined : await content(ref.project, file)
        if (bytes !== undefined) records.push({ name, content: 'notRead' in bytes ? new Uint8Array() : bytes })
      }
      const stored = new Map<string, ListedFile>()
      for (const [name, { bytes }] of files)
        if (name !== manifestName && !isRecordName(name)) stored.set(name, { bytes })
      return { ...ref, manifest: await content(ref.project, manifest), records, files: stored }
    } catch (thrown) {
      if (!(thrown instanceof S3Error && thrown.code === 'SB404')) throw thrown
      if ((await finder.one(manifest.key)) === null) return null
      throw thrown
    }
  }

  return {
    async labels() {
      const folders = await bucket.folders(keys.root, await versioned())
      return folders.map((folder) => folder.replace(/\/$/, '')).filter(isLabel)
    },
    found,
    async *backups(project) {
      const alive = new Set<string>()
      const all: FoundBackup[] = []
      for await (const one of found(project)) {
        all.push(one)
        for (const { key } of one.files.values()) alive.add(key)
      }
      for await (const listed of inParallel(all, readsAtOnce, read)) if (listed !== null) yield listed
      remembered.keepOnly(project, alive)
    }
  }
}
