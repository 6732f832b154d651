import { createHash } from 'node:crypto'
import { compactTime } from '../../src/archive/backup-id.ts'
import { type Manifest, renderManifest, withDigest } from '../../src/archive/manifest.ts'
import type { VerificationRecord } from '../../src/archive/verification-record.ts'
import type { DestinationName } from '../../src/destinations/destination.ts'
import { acknowledgedMarker, entryOf, type HistoryEntry, keepMarker } from '../../src/history/entries.ts'
import type { ScheduledWorkflow } from '../../src/history/freshness.ts'
import type { ListedPlace } from '../../src/ui/dashboard/collect.ts'

const hour = 60 * 60 * 1000
const day = 24 * hour

export interface SampleBackup {
  readonly project: string
  readonly at: Date
  /** For numbers that differ from backup to backup, always in the same way. */
  readonly seed: number
  readonly facts?: Partial<Manifest>
  readonly counts?: Readonly<Record<string, number>>
  readonly records?: readonly Omit<VerificationRecord, 'format' | 'id' | 'project' | 'tool'>[]
  readonly destination?: DestinationName
  readonly pinned?: boolean
  readonly acknowledged?: boolean
}

/** A backup as a place lists it: through the manifest's bytes, as every real one goes. */
export function sampleEntry(sample: SampleBackup): HistoryEntry {
  const { project, at, seed, destination = 'repository' } = sample
  const id = `${compactTime(at)}-${idLetters(`${project} ${seed}`)}`
  const rows = sample.counts?.['rows'] ?? 40_000 + seed * 37
  const sha256 = digest(`${project} ${seed}`)
  const manifest = renderManifest(
    withDigest({
      format: 1,
      minReader: 1,
      critical: [],
      id,
      project,
      createdAt: at.toISOString(),
      durationMs: 38_000 + (seed % 7) * 2300 + seed * 40,
      tool: 'supabase-backup 1.0.0',
      kind: 'scheduled',
      type: 'full',
      status: 'complete',
      encryption: { scheme: 'age-x25519', recipients: ['age1:3f9c21d07b5e'] },
      compression: 'zstd',
      source: { serverVersion: '17.6', clientVersion: '17.6', tls: 'verify-full' },
      parts: [
        {
          source: 'database',
          status: 'captured',
          counts: { tables: 61, rows, bytes: 21_000_000 + rows * 640, roles: 3, userTables: 24, authUsers: 1200 + seed }
        },
        {
          source: 'storage',
          status: 'captured',
          counts: { buckets: 3, objects: 900 + seed * 3, bytes: (900 + seed * 3) * 210_000 }
        },
        { source: 'functions', status: 'captured', counts: { functions: 7 } },
        { source: 'config', status: 'skipped', reason: 'no access-token is given', counts: {} }
      ],
      shape: {
        policies: {
          count: 31 + Math.floor(seed / 19),
          digest: digest(`policies ${Math.floor(seed / 19)}`).slice(0, 16)
        },
        functions: { count: 12, digest: digest(`functions ${Math.floor(seed / 31)}`).slice(0, 16) }
      },
      files: [
        { name: 'database.dump.zst.age', bytes: 4_200_000 + rows * 96, sha256 },
        { name: 'contents.json.zst.age', bytes: 48_000, sha256 },
        { name: 'RESTORE.md', bytes: 5400, sha256 }
      ],
      shared: [{ name: `objects-${digest(project).slice(0, 8)}.tar.zst.age`, bytes: 188_000_000, sha256 }],
      verification: {
        level: 'restore',
        at: new Date(at.getTime() + 50_000).toISOString(),
        tables: { restore: 61, read: 0, differing: 0 },
        notProven: [],
        durationMs: 21_000 + (seed % 5) * 1700 + seed * 25
      },
      ...sample.facts
    })
  )
  const records = (sample.records ?? []).map((record, index) => ({
    name: `verification-${compactTime(new Date(at.getTime() + (index + 1) * day))}.json`,
    content: Buffer.from(JSON.stringify({ format: 1, id, project, tool: 'supabase-backup 1.0.0', ...record }))
  }))
  const entry = entryOf(
    {
      project,
      id,
      manifest,
      files: new Map(),
      records: [
        ...records,
        ...(sample.pinned === true ? [{ name: keepMarker, content: Buffer.from('') }] : []),
        ...(sample.acknowledged === true ? [{ name: acknowledgedMarker, content: Buffer.from('') }] : [])
      ],
      ...(destination === 'folder' ? {} : { url: `https://github.com/acme/backups/tree/backups/${project}/${id}` })
    },
    destination,
    new Date(at.getTime() + 1000 * day)
  )
  if (entry === null) throw new Error(`no entry for ${id}`)
  return entry
}

function digest(text: string): string {
  return createHash('sha256').update(text).digest('hex')
}

function idLetters(text: string): string {
  const alphabet = 'abcdefghijklmnopqrstuvwxyz234567'
  return [...createHash('sha256').update(text).digest().subarray(0, 8)].map((byte) => alphabet[byte & 31]).join('')
}

/** Two places with the histories of four projects: all is well but for what a page should show. */
export function samplePlaces(now: Date): ListedPlace[] {
  const provenAgain = (at: Date): NonNullable<SampleBackup['records']>[number] => ({
    outcome: 'passed',
    openedBy: ['age1:3f9c21d07b5e'],
    verification: {
      level: 'restore',
      at: at.toISOString(),
      tables: { restore: 61, read: 0, differing: 0 },
      notProven: [],
      durationMs: 24_100
    }
  })
  const nightly = (project: string, nights: number, more: (night: number) => Partial<SampleBackup> = () => ({})) =>
    Array.from({ length: nights }, (_, night) =>
      sampleEntry({
        project,
        at: new Date(now.getTime() - night * day - 9 * hour + (night % 5) * 60_000),
        seed: nights - night,
        ...(night === 4 ? { records: [provenAgain(new Date(now.getTime() - 2 * day - hour))] } : {}),
        ...more(night)
      })
    )
  const storageRefused: Manifest['parts'][number] = {
    source: 'storage',
    status: 'impossible',
    reason: 'SB805: The key of the Storage API is refused',
    counts: {}
  }
  const proofByReading = (at: Date): Manifest['verification'] => ({
    level: 'read',
    at: at.toISOString(),
    tables: { restore: 0, read: 61, differing: 0 },
    notProven: ['vector: the throw-away server lacks the extension'],
    durationMs: 9000
  })
  const openedOnly = (at: Date): NonNullable<SampleBackup['records']>[number] => ({
    outcome: 'passed',
    openedBy: ['age1:3f9c21d07b5e'],
    verification: proofByReading(at)
  })
  const shop = nightly('shop', 76, (night) => ({
    counts: { rows: 610_000 + (76 - night) * 5200 + (night % 3) * 900 - (night === 20 ? 400_000 : 0) },
    ...(night === 20 ? { facts: { status: 'anomalous' }, acknowledged: true } : {}),
    ...(night === 41 ? { facts: { kind: 'manual' }, pinned: true } : {})
  }))
  const shopCopies = shop.slice(0, 14).map((entry) => ({ ...entry, destination: 'folder' as const }))
  const blog = nightly('blog', 60, (night) =>
    night < 2
      ? {
          counts: { rows: 96_000 },
          facts: {
            status: 'partial',
            parts: [
              { source: 'database', status: 'captured', counts: { tables: 18, rows: 96_000, bytes: 84_000_000 } },
              storageRefused
            ]
          }
        }
      : { counts: { rows: 88_000 + (60 - night) * 130 } }
  )
  const docs = nightly('docs-search', 45, (night) => ({
    counts: { rows: 240_000 + (45 - night) * 2100 },
    records: night === 4 ? [openedOnly(new Date(now.getTime() - 2 * day))] : [],
    facts: { verification: proofByReading(new Date(now.getTime() - night * day - 9 * hour)) }
  }))
  const crm = nightly('crm', 30, (night) => ({ counts: { rows: 15_000 + (30 - night) * 220 } })).slice(3)
  return [
    {
      name: 'repository',
      place: 'acme/backups, branch backups',
      inputs: { repository: 'acme/backups' },
      entries: [...shop, ...blog, ...docs, ...crm]
    },
    { name: 'folder', place: '/mnt/backups', inputs: { folder: '/mnt/backups' }, entries: shopCopies }
  ]
}

export const sampleWorkflows: readonly ScheduledWorkflow[] = [
  {
    file: 'backup.yml',
    state: 'active',
    schedules: [{ cron: '47 2 * * *', timezone: 'UTC' }],
    use: 'backup',
    projects: null
  }
]
