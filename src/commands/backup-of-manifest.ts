import type { Manifest } from '../archive/manifest.ts'
import type { Result } from '../result.ts'

/** What a result tells of a stored backup. */
export function backupOfManifest(manifest: Manifest): NonNullable<Result['backup']> {
  return {
    id: manifest.id,
    createdAt: manifest.createdAt,
    type: manifest.type,
    kind: manifest.kind,
    sizeBytes: manifest.files.reduce((sum, file) => sum + file.bytes, 0),
    parts: manifest.parts,
    encryption: manifest.encryption,
    source: manifest.source
  }
}
