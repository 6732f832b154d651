import type { AddFile, Files } from '../sources/source.ts'

/** A file of the backup as it lies in the staging folder, whole. */
export interface StagedFile {
  readonly name: string
  readonly path: string
  readonly bytes: number
  readonly sha256: string
}

/**
 * Packs the files of one backup into a staging folder: each content is compressed, encrypted and hashed in one pass, with
 * memory that does not grow with it. The key of each file stays in this process for as long as the packer lives, so that
 * what was just stored can be read back and proven without any identity.
 */
export interface Packer {
  readonly add: AddFile
  /** Stores bytes as they are, neither compressed nor encrypted (RESTORE.md). */
  addPlain(name: string, content: Uint8Array): Promise<void>
  /** What was staged so far. */
  readonly staged: readonly StagedFile[]
  /** Opens what was staged, from the stored bytes: decrypted with the keys at hand, checked, decompressed. */
  readonly files: Files
  /** Forgets the keys. The staged files stay. */
  close(): void
}
