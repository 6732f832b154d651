import type { BackupRow, Result } from '../../../src/result.ts'
import type { SummaryPlace } from '../../../src/ui/summary/index.ts'

// Results as the commands give them, one for each kind of run: what the golden summaries and the screenshots are made from.

export const place: SummaryPlace = {
  serverUrl: 'https://github.com',
  repository: 'acme/shop',
  action: { repository: 'acme/supabase-backup', ref: 'v1' },
  now: new Date('2026-11-22T03:21:40Z')
}

const random = ['k2m7q5xa', 'p4rt6wzb', 'c3hn5vyd', 'f7jq2mse', 'x6bk4tga', 'n5wd3rzc', 'q2ys7hvf']
const newest = Date.UTC(2026, 10, 22, 3, 17, 28)
const day = 24 * 60 * 60 * 1000

function idAt(time: number, n: number): string {
  return `${new Date(time).toISOString().replace(/[-:]|\.\d+/g, '')}-${random[n % random.length]}`
}

function row(n: number, rest: Partial<BackupRow> = {}): BackupRow {
  const time = newest - n * day
  const id = idAt(time, n)
  return {
    id,
    project: 'shop',
    createdAt: new Date(time).toISOString(),
    type: 'full',
    kind: 'scheduled',
    status: 'complete',
    verified: 'restore',
    verifiedAt: new Date(time).toISOString(),
    sizeBytes: 412_000_000 - n * 17_900_000 + (n % 3) * 6_000_000,
    rows: 1_284_301 - n * 39_417 - (n % 4) * 5_000,
    durationMs: 250_000,
    destination: 'release',
    url: `https://github.com/acme/shop/releases/tag/backup-shop-${id}`,
    pinned: false,
    expiresAt: null,
    ...rest
  }
}

const artifact = (n: number): BackupRow =>
  row(n, {
    destination: 'artifact',
    url: `https://github.com/acme/shop/actions/runs/${9000 - n}`,
    expiresAt: new Date(newest + (30 - n) * day).toISOString()
  })

const history: BackupRow[] = Array.from({ length: 12 }, (_, n) => [
  row(n, {
    ...(n === 4 ? { pinned: true } : {}),
    ...(n === 6 ? { verified: 'read' as const } : {}),
    ...(n === 8 ? { status: 'partial' as const } : {})
  }),
  ...(n < 3 ? [artifact(n)] : [])
]).flat()
const earlier = history.filter((one) => one.createdAt < new Date(newest).toISOString())

const backup: NonNullable<Result['backup']> = {
  id: idAt(newest, 0),
  createdAt: new Date(newest).toISOString(),
  type: 'full',
  kind: 'scheduled',
  sizeBytes: 412_000_000,
  parts: [
    {
      source: 'database',
      status: 'captured',
      counts: {
        tables: 71,
        rows: 1_284_301,
        bytes: 2_410_000_000,
        roles: 17,
        largeObjects: 0,
        notCaptured: 1,
        userTables: 47,
        authUsers: 18_402
      }
    },
    {
      source: 'storage',
      status: 'captured',
      counts: {
        buckets: 4,
        objects: 3_212,
        bytes: 5_230_000_000,
        unchanged: 3_180,
        downloaded: 32,
        downloadedBytes: 48_100_000
      }
    },
    {
      source: 'functions',
      status: 'captured',
      counts: { functions: 9, files: 41, secretNames: 6, sourceBytes: 182_000 }
    },
    { source: 'config', status: 'captured', counts: { sections: 9, settings: 214, secretsLeftOut: 3 } }
  ],
  encryption: { scheme: 'age-x25519', recipients: ['a1b2c3d4e5f60718', '99aabbccddeeff00'] },
  source: { serverVersion: '17.6', clientVersion: '17.6', tls: 'verify-full' },
  databaseBytes: 2_410_000_000
}

const egress: NonNullable<Result['egress']> = {
  run: { database: 1_180_000_000, storage: 48_100_000, management: 91_000 },
  runBytes: 1_228_191_000,
  monthBytes: 25_300_000_000,
  uncounted: 2,
  forecastBytes: 36_400_000_000,
  budgetBytes: null
}

const base: Result = {
  command: 'backup',
  status: 'complete',
  startedAt: backup.createdAt,
  durationMs: 252_400,
  tool: 'supabase-backup 1.0.0',
  project: 'shop',
  verified: 'none',
  destinations: [],
  backups: [],
  url: null,
  path: null,
  warnings: []
}

const release = {
  name: 'release' as const,
  place: 'releases of acme/shop',
  stored: true,
  url: history[0]?.url ?? null
}
const artifacts = {
  name: 'artifact' as const,
  place: 'artifacts of acme/shop',
  stored: true,
  url: 'https://github.com/acme/shop/actions/runs/9000'
}

const complete: Result = {
  ...base,
  backup,
  egress,
  verified: 'restore',
  verification: {
    level: 'restore',
    at: backup.createdAt,
    tables: { restore: 69, read: 2, differing: 0 },
    notProven: ['2 tables of the extension pg_net: PostgreSQL on the runner has no package of it'],
    durationMs: 96_300
  },
  findings: [
    { kind: 'notProven', subject: 'net.http_request_queue', detail: 'needs the extension pg_net' },
    { kind: 'notProven', subject: 'net._http_response', detail: 'needs the extension pg_net' },
    {
      kind: 'note',
      subject: 'passwords of roles',
      detail: 'not in the backup: PostgreSQL shows them to superusers alone'
    }
  ],
  destinations: [release, artifacts],
  backups: history,
  url: release.url,
  changes: ['functions: 1 more (63, were 62)', 'policies: changed (118, as before)', 'tables: 1 more (47, were 46)'],
  keyShown: false,
  canary: 'canary-0123456789abcdef.txt.age',
  retention: [
    ...history
      .filter((one) => one.destination === 'release')
      .slice(0, 11)
      .map((one) => ({
        id: one.id,
        project: 'shop',
        destination: 'release',
        keep: true,
        reasons: ['keep-daily 1 of 14']
      })),
    {
      id: idAt(newest - 40 * day, 5),
      project: 'shop',
      destination: 'release',
      keep: false,
      reasons: ['no rule keeps it'],
      removed: true
    }
  ]
}

const project = (name: string, ages: readonly number[], rest: Partial<BackupRow> = {}): BackupRow[] =>
  ages.map((n) => ({
    ...row(n),
    project: name,
    url: `https://github.com/acme/shop/releases/tag/backup-${name}-${idAt(newest - n * day, n)}`,
    ...rest
  }))
const three = [
  ...project('shop', [0, 1, 2, 3, 4]),
  ...project('blog', [0, 1, 2], { sizeBytes: 3_400_000, rows: 2_114, verified: 'read' }),
  ...project('wiki', [2, 3], { sizeBytes: 51_000_000, rows: 88_000 })
].toSorted((a, b) => b.createdAt.localeCompare(a.createdAt))

const todo = [
  {
    kind: 'todo' as const,
    subject: 'cron job "nightly-report"',
    detail: 'scheduled, but paused: it would act on the copy',
    remedy: 'select cron.alter_job(3, active := true);'
  },
  {
    kind: 'todo' as const,
    subject: 'secret STRIPE_KEY of Edge Functions',
    detail: 'values of secrets are in no backup',
    remedy: 'Edge Functions, Secrets'
  }
]

const evil =
  '</td></table></details><img src=x onerror=alert(1)>```mermaid\n[a](javascript:x) @org/team #1 $$x$$ | ::error::y ##[add-mask]z `b` <!-- www.evil.example https://evil.example'

/** By the name of the golden file. */
export const samples: Readonly<Record<string, Result>> = {
  backup: complete,
  'backup-first': {
    ...complete,
    backup: {
      ...backup,
      sizeBytes: 1_240_000,
      databaseBytes: 11_300_000,
      parts: [
        {
          source: 'database',
          status: 'captured',
          counts: {
            tables: 38,
            rows: 4_120,
            bytes: 11_300_000,
            roles: 15,
            largeObjects: 0,
            notCaptured: 0,
            userTables: 9,
            authUsers: 12
          }
        },
        { source: 'storage', status: 'skipped', reason: 'left out: `service-role-key` is not given', counts: {} },
        { source: 'functions', status: 'skipped', reason: 'left out: `access-token` is not given', counts: {} },
        { source: 'config', status: 'skipped', reason: 'left out: `access-token` is not given', counts: {} }
      ]
    },
    verified: 'read',
    verification: {
      level: 'read',
      at: backup.createdAt,
      tables: { restore: 0, read: 38, differing: 0 },
      notProven: ['no restore: PostgreSQL 17 could not be installed on this runner'],
      durationMs: 1_900
    },
    findings: [],
    destinations: [release],
    backups: [row(0, { sizeBytes: 1_240_000, rows: 4_120, verified: 'read' })],
    retention: [],
    changes: []
  },
  'backup-partial': {
    ...complete,
    status: 'partial',
    backup: {
      ...backup,
      parts: backup.parts.map((part) =>
        part.source === 'functions'
          ? { source: 'functions', status: 'impossible', reason: 'SB821: The access token is refused', counts: {} }
          : part.source === 'config'
            ? { source: 'config', status: 'impossible', reason: 'SB821: The access token is refused', counts: {} }
            : part
      )
    },
    error: {
      code: 'SB215',
      message:
        'The backup does not hold everything: functions is missing (SB821: The access token is refused); config is missing (SB821: The access token is refused).',
      remedy:
        'Read the reasons in the message and in the warnings: most often a credential is missing, was revoked, or lacks a scope.'
    },
    warnings: [
      'functions: The Management API answered 401. Make a new access token, store it whole in the secret that `access-token` reads, and run again.'
    ],
    backups: [row(0, { status: 'partial' }), ...earlier],
    retention: [],
    keyShown: true
  },
  'backup-over-budget': {
    ...complete,
    status: 'anomalous',
    egress: { ...egress, budgetBytes: 30_000_000_000 },
    alarms: [
      {
        kind: 'egress',
        detail:
          'The backup is kept, but 25.3 GB of 30.0 GB left the project for backups this month: at this pace it will be 36.4 GB, and the budget is spent about 2026-11-26.'
      }
    ],
    error: {
      code: 'SB910',
      message:
        'The backup is kept, but 25.3 GB of 30.0 GB left the project for backups this month: at this pace it will be 36.4 GB, and the budget is spent about 2026-11-26.',
      remedy: 'Back up less often.'
    }
  },
  'backup-anomalous': {
    ...complete,
    status: 'anomalous',
    alarms: [
      { kind: 'rows', detail: '203\u202f114 rows instead of 1\u202f274\u202f884' },
      { kind: 'tables', detail: '46 tables instead of 47' }
    ],
    error: {
      code: 'SB907',
      message: `Backup ${backup.id} differs too much from the ones before it: 203 114 rows instead of 1 274 884; 46 tables instead of 47.`,
      remedy: `Look at the source. If the change was intended, run once with \`acknowledge: ${backup.id}\`.`
    },
    backups: [row(0, { status: 'anomalous', rows: 203_114, sizeBytes: 198_000_000 }), ...earlier],
    retention: [],
    keyShown: true
  },
  'backup-failed': {
    ...base,
    status: 'failed',
    durationMs: 4_300,
    error: {
      code: 'SB104',
      message: 'The server refused the password of user postgres.abcdefghijklmnopqrst.',
      remedy:
        'Check the database password in the secret that `database-url` reads (special characters must be percent-encoded). After a reset the pooler may need some minutes.'
    },
    backups: earlier
  },
  'backup-refused': {
    ...base,
    status: 'failed',
    durationMs: 40,
    project: null,
    error: {
      code: 'SB003',
      message:
        'Input `database-url` is missing: `include` names database, which needs it. Input `folder` is missing: the destination folder needs its path.',
      remedy:
        'Give the input that the message names; if it comes from a secret, check that the secret exists and is spelt the same.'
    }
  },
  verify: {
    ...complete,
    command: 'verify',
    destinations: [{ ...release, stored: false }],
    durationMs: 141_000,
    retention: [],
    changes: [],
    keyShown: true
  },
  'verify-failed': {
    ...base,
    command: 'verify',
    status: 'failed',
    backup,
    durationMs: 12_000,
    error: {
      code: 'SB506',
      message: `The file database.dump.zst.age of backup ${backup.id} in releases of acme/shop has another digest than its manifest says.`,
      remedy: 'Verify the copies in other places, and take one of those or an earlier backup.'
    },
    verification: {
      level: 'none',
      at: backup.createdAt,
      tables: { restore: 0, read: 0, differing: 0 },
      notProven: []
    },
    destinations: [{ ...release, stored: false, error: 'SB506: another digest' }],
    backups: [row(0, { status: 'damaged', verified: 'none' }), ...earlier]
  },
  restore: {
    ...base,
    command: 'restore',
    backup,
    durationMs: 318_000,
    backups: history,
    findings: todo,
    restore: {
      mode: 'empty',
      dryRun: false,
      target: ['zyxwvutsrqponmlkjihg', 'aws-0-eu-central-1.pooler.supabase.com/postgres'],
      ageMs: 7 * 60 * 60 * 1000,
      plan: { objects: 812, tables: 71, rows: 1_284_301, dropped: [], givenBack: [] },
      rows: 1_284_301,
      tables: Array.from({ length: 71 }, (_, n) => ({ table: `public.t${n}`, rows: 1 })),
      databaseMs: 151_000,
      sideSchema: null,
      safetyBackupId: idAt(newest, 3),
      safetyProject: 'zyxwvutsrqponmlkjihg'
    }
  },
  'restore-plan': {
    ...base,
    command: 'restore',
    backup,
    durationMs: 21_000,
    backups: history,
    findings: [
      todo[0] ?? { kind: 'note', subject: '', detail: '' },
      {
        kind: 'note',
        subject: 'target',
        detail: 'it is the source of the backup: to restore into it, write confirm-target: same:abcdefghijklmnopqrst'
      }
    ],
    restore: {
      mode: 'replace',
      dryRun: true,
      target: ['abcdefghijklmnopqrst'],
      ageMs: 31 * 60 * 60 * 1000,
      plan: {
        objects: 4,
        tables: 2,
        rows: 41_220,
        dropped: ['table public.orders', 'table public.order_lines'],
        givenBack: ['view public.open_orders', 'policy "own orders" on public.orders']
      },
      comparison: [
        { table: 'public.customers', rowsInBackup: 900, rowsInTarget: 900, missing: 0, extra: 0, differing: 0 },
        {
          table: 'public.order_lines',
          rowsInBackup: 31_000,
          rowsInTarget: 30_112,
          missing: 888,
          extra: 0,
          differing: 0
        },
        { table: 'public.orders', rowsInBackup: 10_220, rowsInTarget: 9_870, missing: 352, extra: 2, differing: 17 },
        {
          table: 'public.audit',
          rowsInBackup: 77,
          rowsInTarget: null,
          missing: null,
          extra: null,
          differing: null,
          note: 'not there'
        }
      ]
    }
  },
  'restore-failed': {
    ...base,
    command: 'restore',
    status: 'failed',
    backup,
    durationMs: 61_000,
    backups: history,
    error: {
      code: 'SB704',
      message: 'The target is not empty: it holds 12 tables of yours, 3 Auth users.',
      remedy: 'Choose another target, or `restore-mode: replace`, `missing-rows` or `side-schema`.'
    },
    restore: { mode: 'empty', dryRun: false, target: ['zyxwvutsrqponmlkjihg'], ageMs: 7 * 60 * 60 * 1000 }
  },
  list: {
    ...base,
    command: 'list',
    project: null,
    durationMs: 2_100,
    backups: three,
    health: [
      { project: 'blog', state: 'good', reasons: [] },
      { project: 'shop', state: 'attention', reasons: ['Backup 20261121T031728Z-p4rt6wzb of shop is anomalous.'] },
      { project: 'wiki', state: 'bad', reasons: ['A backup is overdue: the newest is 2 days old.'] }
    ]
  },
  'list-filtered': {
    ...base,
    command: 'list',
    durationMs: 1_700,
    backups: history.slice(0, 2),
    filter: { conditions: ['verified restore', 'since 2026-11-20'], of: 15 }
  },
  check: {
    ...base,
    command: 'check',
    project: null,
    verified: 'read',
    durationMs: 3_000,
    backups: three.filter((one) => one.project !== 'wiki'),
    gaps: [
      {
        project: 'shop',
        backups: 29,
        since: '2026-10-23T03:17:28.000Z',
        p95Ms: 93_600_000,
        largestMs: 176_400_000,
        largestAfter: '2026-11-03T03:17:28.000Z'
      }
    ],
    alarms: []
  },
  'check-alarms': {
    ...base,
    command: 'check',
    project: null,
    status: 'failed',
    durationMs: 3_000,
    backups: three,
    alarms: [
      {
        kind: 'age',
        project: 'wiki',
        detail: 'The newest verified backup of wiki is 2 days old (2026-11-20 03:17 UTC); allowed are 26 hours.'
      }
    ],
    error: {
      code: 'SB920',
      message: 'The newest verified backup of wiki is 2 days old (2026-11-20 03:17 UTC); allowed are 26 hours.',
      remedy:
        'Look at the newest runs of the backup workflow, mend what stopped them, run it once by hand, then run the check again.'
    },
    warnings: ['The newest verified backup of blog, in artifacts of acme/shop, expires at 2026-11-27 03:17 UTC.']
  },
  'check-nothing': {
    ...base,
    command: 'check',
    status: 'nothing',
    durationMs: 900,
    error: {
      code: 'SB921',
      message: 'There is no backup of shop at all.',
      remedy: 'Check `destinations`, `repository` and `project`, and run the backup workflow once by hand.'
    }
  },
  prune: { ...base, command: 'prune', durationMs: 5_200, backups: history, retention: complete.retention },
  'prune-plan': {
    ...base,
    command: 'prune',
    durationMs: 2_200,
    backups: history,
    retention: (complete.retention ?? []).map((one) => (one.keep ? one : { ...one, removed: false }))
  },
  delete: {
    ...base,
    command: 'delete',
    durationMs: 1_400,
    backups: earlier,
    retention: [
      {
        id: backup.id,
        project: 'shop',
        destination: 'release',
        keep: false,
        reasons: ['deleted by hand'],
        removed: true
      }
    ]
  },
  download: {
    ...base,
    command: 'download',
    backup,
    durationMs: 18_200,
    backups: history,
    path: `/home/runner/work/_temp/supabase-backup/download-shop-${backup.id}`
  },
  plan: {
    ...base,
    command: 'plan',
    project: null,
    durationMs: 60,
    matrix: {
      include: [
        { project: 'shop', priority: 1, secrets: { 'database-url': 'SHOP_DB_URL' }, 'keep-daily': '14' },
        { project: 'blog', secrets: { 'database-url': 'BLOG_DB_URL' }, 'keep-daily': '7' }
      ]
    }
  },
  hostile: {
    ...complete,
    status: 'failed',
    project: evil,
    tool: evil,
    backup: {
      ...backup,
      parts: [{ source: 'database', status: 'partial', reason: evil, counts: { [evil]: 3, rows: 1 } }],
      encryption: { scheme: 'age-x25519', recipients: [evil] },
      source: { serverVersion: evil, clientVersion: evil, tls: evil }
    },
    error: { code: 'SB201', message: evil, remedy: evil },
    warnings: [evil],
    alarms: [{ kind: evil, detail: evil }],
    changes: [evil],
    findings: [
      { kind: 'difference', subject: evil, detail: evil },
      { kind: 'todo', subject: evil, detail: evil, remedy: evil },
      { kind: 'note', subject: evil, detail: evil }
    ],
    verification: { level: 'read', at: null, tables: { restore: 0, read: 1, differing: 1 }, notProven: [evil] },
    destinations: [{ name: 'folder', place: evil, stored: false, url: `https://github.com/${evil}`, error: evil }],
    backups: [{ ...row(1), project: evil, id: evil, note: evil, url: 'https://evil.example/' }, row(0)],
    filter: { conditions: [evil], of: 3 },
    retention: [{ id: evil, project: evil, destination: evil, keep: false, reasons: [evil] }],
    path: evil,
    matrix: { include: [{ project: evil, [evil]: evil, secrets: { [evil]: evil } }] },
    restore: {
      mode: evil,
      dryRun: true,
      target: [evil],
      sideSchema: evil,
      safetyBackupId: evil,
      plan: { objects: 1, tables: 1, rows: 1, dropped: [evil], givenBack: [evil] },
      comparison: [
        { table: evil, rowsInBackup: 1, rowsInTarget: null, missing: null, extra: 1, differing: 0, note: evil }
      ]
    }
  }
}
