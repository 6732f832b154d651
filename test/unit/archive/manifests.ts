import type { Manifest } from '../../../src/archive/manifest.ts'

/** A manifest as a small backup has it. */
export function exampleManifest(): Manifest {
  return {
    format: 1,
    minReader: 1,
    critical: [],
    id: '20261122T161908Z-k2m7q5xa',
    project: 'shop',
    createdAt: '2026-11-22T16:19:08.000Z',
    durationMs: 4200,
    tool: 'supabase-backup 1.0.0',
    kind: 'scheduled',
    type: 'full',
    status: 'complete',
    encryption: { scheme: 'age-x25519', recipients: ['fp:0123456789abcdef'] },
    compression: 'zstd',
    source: { serverVersion: '17.6', clientVersion: '17.11', tls: 'verify-full' },
    parts: [{ source: 'database', status: 'captured', counts: { tables: 12, rows: 345 } }],
    files: [
      { name: 'contents.json.zst.age', bytes: 700, sha256: 'a'.repeat(64) },
      {
        name: 'database.dump.zst.age',
        bytes: 1000,
        sha256: 'b'.repeat(64),
        volumes: [
          { name: 'database.dump.zst.age.000', bytes: 600, sha256: 'c'.repeat(64) },
          { name: 'database.dump.zst.age.001', bytes: 400, sha256: 'd'.repeat(64) }
        ]
      },
      { name: 'RESTORE.md', bytes: 30, sha256: 'e'.repeat(64) }
    ],
    shared: [],
    verification: { level: 'none', at: null, tables: { restore: 0, read: 0, differing: 0 }, notProven: [] }
  }
}
