/** The tasks that inputs belong to, in the order of action.yml and of docs/inputs.md. */
export const inputGroups = {
  what: 'What to back up',
  keys: 'Keys',
  places: 'Where backups are kept',
  proof: 'Proof',
  keep: 'What to keep',
  watch: 'Watching',
  restore: 'Restoring, downloading, deleting',
  advanced: 'Advanced'
} as const
export type InputGroup = keyof typeof inputGroups

/** What is said of one input besides its parser. action.yml, docs/inputs.md and the table of README.md are made from it. */
export interface DeclaredInput {
  readonly group: InputGroup
  /** Stands in the README's short table. */
  readonly core?: true
  /** The text that stands for an input that is not given. */
  readonly default?: string
  /** `secret`: kept out of every text. `quiet`: not repeated in messages, since a secret is easily put there by mistake. */
  readonly value?: 'secret' | 'quiet'
  /** What it is for, in whole sentences, as Markdown. */
  readonly doc: string
}

const declared = {
  command: {
    group: 'what',
    core: true,
    default: 'backup',
    doc: 'What to do: `backup`, `verify`, `restore`, `list`, `download`, `prune`, `delete`, `check`, `report` or `plan`.'
  },
  'database-url': {
    group: 'what',
    core: true,
    value: 'secret',
    doc: 'PostgreSQL connection string of the source, from a secret. On Supabase the Session pooler string (port 5432). For `backup`; the other commands take the project from it when `project` is not given.'
  },
  project: {
    group: 'what',
    core: true,
    doc: 'Label under which backups are kept: letters, digits and hyphens, at most 40. Without it the project ref in the connection string, else `<host>-<database>`. Without a project, commands that read work on all of them.'
  },
  include: {
    group: 'what',
    default: 'auto',
    doc: 'Sources to back up or restore, by comma or line: `database`, `storage`, `functions`, `config`; or `auto`: the database and each other source whose credentials are given.'
  },
  type: {
    group: 'what',
    doc: 'What of the database to back up or to restore: `full` (the default), `schema` (no rows) or `data` (rows alone). For `list`: shows those types alone, one or more.'
  },
  schemas: {
    group: 'what',
    doc: 'Patterns of schemas to take, by comma or line; `*` stands for any characters. Put names with a dot, comma or star into double quotes. Default: everything. Not together with `tables`.'
  },
  'exclude-schemas': {
    group: 'what',
    doc: 'Patterns of schemas to leave out.'
  },
  tables: {
    group: 'what',
    doc: 'Patterns `schema.table` to take, by comma or line (a whole schema: `schema.*`). Default: everything.'
  },
  'exclude-tables': {
    group: 'what',
    doc: 'Patterns `schema.table` to leave out.'
  },
  'exclude-table-data': {
    group: 'what',
    doc: 'Patterns `schema.table` whose definition is taken and whose rows are left out.'
  },
  'supabase-url': {
    group: 'what',
    doc: 'Address of the project for Storage, `https://<ref>.supabase.co`. Known where the connection string names the project.'
  },
  'service-role-key': {
    group: 'what',
    core: true,
    value: 'secret',
    doc: 'Key that may read all of Storage, from a secret: the service_role JWT or a secret key (`sb_secret_...`). Without it, `access-token` looks it up where `include` names `storage`, or `supabase-url` or `buckets` is given.'
  },
  buckets: {
    group: 'what',
    doc: 'Patterns of buckets to take, by comma or line; `*` stands for any characters, and `!` before a pattern leaves its buckets out (in quotes, where YAML reads it). Default: everything.'
  },
  'access-token': {
    group: 'what',
    core: true,
    value: 'secret',
    doc: 'Token of the Management API, from a secret (`sbp_...`), for Edge Functions and settings.'
  },
  'project-ref': {
    group: 'what',
    doc: 'Ref of the project for the Management API, 20 letters. Known where the connection string names the project.'
  },
  'config-secrets': {
    group: 'what',
    default: 'omit',
    doc: 'Secret values in project settings: `omit` them (their names are listed), or `include` them in the encrypted contents.'
  },
  recipients: {
    group: 'keys',
    core: true,
    value: 'quiet',
    doc: 'age recipients (public keys, `age1...`) that new backups are encrypted for, one a line. Not together with `passphrase` in a backup.'
  },
  passphrase: {
    group: 'keys',
    value: 'secret',
    doc: 'Passphrase to encrypt with, from a secret, at least 14 characters; and to open what was encrypted with it. The job can then open its own backups: `recipients` are better.'
  },
  identity: {
    group: 'keys',
    core: true,
    value: 'secret',
    doc: 'age identity (secret key, `AGE-SECRET-KEY-1...`), from a secret, one a line, to open backups in `verify`, `restore` and `download`. Never needed to back up.'
  },
  canary: {
    group: 'keys',
    value: 'quiet',
    doc: 'The word (`canary-...`) that the canary of a backup gave when your key opened it elsewhere, for `backup` and `verify`: it is noted that somebody holds a key that opens these backups. A field of the form by which a run is started by hand.'
  },
  plaintext: {
    group: 'keys',
    default: 'never',
    doc: 'May a backup be unencrypted: `never` (without a key the run is refused), `private` (only where GitHub says that the place is private), or `public` (anywhere: the whole database for everybody).'
  },
  'signing-key': {
    group: 'keys',
    value: 'secret',
    doc: 'Ed25519 private key in PEM, from a secret, that signs the manifest of new backups, the records of runs in the journal, and what `report` writes.'
  },
  'verify-key': {
    group: 'keys',
    value: 'quiet',
    doc: 'Ed25519 public key in PEM: a backup that it did not sign is not relied on, by no command.'
  },
  'accept-recipients': {
    group: 'keys',
    value: 'quiet',
    doc: 'Recipients of the last backup that new ones need not have any more, as such or as fingerprints (`fp:...`), one a line; or all that are left. Without it a run whose recipients shrank is refused.'
  },
  destinations: {
    group: 'places',
    core: true,
    default: 'artifact',
    doc: 'Where backups are kept, one or more by comma or line: `artifact`, `release`, `repository`, `folder`, `s3`.'
  },
  repository: {
    group: 'places',
    doc: '`owner/name` of the repository for the destinations `release` and `repository`. Without it the repository of the run.'
  },
  branch: {
    group: 'places',
    default: 'backups',
    doc: 'Branch for the destination `repository`; files of others on it stay untouched.'
  },
  token: {
    group: 'places',
    value: 'secret',
    doc: 'Token for GitHub, with the permissions that the destination needs (docs/places.md). A repository besides that of the run needs a token of its own, from a secret.'
  },
  folder: {
    group: 'places',
    doc: 'Path for the destination `folder`.'
  },
  's3-bucket': {
    group: 'places',
    doc: 'Name of the bucket of the destination `s3`. It is never made by a backup.'
  },
  's3-endpoint': {
    group: 'places',
    doc: 'Address of the store, such as `https://<account>.r2.cloudflarestorage.com` or `https://s3.eu-central-003.backblazeb2.com`. Without it Amazon S3.'
  },
  's3-region': {
    group: 'places',
    doc: 'Region that requests are signed for. Without it `AWS_REGION`, else what the address says, else `us-east-1`.'
  },
  's3-prefix': {
    group: 'places',
    doc: 'Folder inside the bucket that all backups lie in.'
  },
  's3-access-key-id': {
    group: 'places',
    value: 'quiet',
    doc: 'Id of the key of the bucket. Without it the variables `AWS_*` that a login (OIDC) leaves. The key needs no right to delete.'
  },
  's3-secret-access-key': {
    group: 'places',
    value: 'secret',
    doc: 'Secret of the key of the bucket, from a secret.'
  },
  's3-session-token': {
    group: 'places',
    value: 'secret',
    doc: 'Session token, where the key of the bucket is a temporary one.'
  },
  's3-lock': {
    group: 'places',
    doc: 'Lock everything that is written to the bucket, so that nobody can delete or change it for `s3-lock-days`: `governance`, or `compliance`, which not even the owner of the account can undo. Needs a bucket with Object Lock.'
  },
  's3-lock-days': {
    group: 'places',
    doc: 'Days that each backup in the bucket, and all that it shares with others, stays locked.'
  },
  'retention-days': {
    group: 'places',
    doc: 'Days that an artifact is kept, 1 to 400; the repository may allow fewer. Without it the setting of the repository.'
  },
  verify: {
    group: 'proof',
    default: 'auto',
    doc: 'How far to prove a backup: `restore` (into a throw-away PostgreSQL, compared table by table), `read` (every archive to its last byte), `checksum`, `none`; or `auto`: `restore` where a server can be had, else `read`.'
  },
  'verify-database-url': {
    group: 'proof',
    value: 'secret',
    doc: 'Connection string of an empty server to restore into for the proof, from a secret, instead of one that is started on the runner.'
  },
  'verify-timeout': {
    group: 'proof',
    value: 'quiet',
    default: '60m',
    doc: 'Most time for the proof. When it is spent the backup is published as `read`, and says so; the proof never holds a backup up for longer.'
  },
  'check-sql': {
    group: 'proof',
    value: 'quiet',
    doc: 'Your own checks of the restored copy: SQL, one statement a line, or the path of one `.sql` file. Each statement must return true.'
  },
  'keep-last': {
    group: 'keep',
    doc: 'Keep the newest n backups. With any keep rule `backup` prunes after it succeeded.'
  },
  'keep-hourly': {
    group: 'keep',
    doc: 'Keep the newest backup of each of the last n hours that have one.'
  },
  'keep-daily': {
    group: 'keep',
    core: true,
    doc: 'Keep the newest backup of each of the last n days that have one.'
  },
  'keep-weekly': {
    group: 'keep',
    core: true,
    doc: 'Keep the newest backup of each of the last n weeks that have one.'
  },
  'keep-monthly': {
    group: 'keep',
    core: true,
    doc: 'Keep the newest backup of each of the last n months that have one.'
  },
  'keep-yearly': {
    group: 'keep',
    doc: 'Keep the newest backup of each of the last n years that have one.'
  },
  'keep-within': {
    group: 'keep',
    doc: 'Keep all backups younger than this, as in `30d` or `12w`.'
  },
  'keep-max-bytes': {
    group: 'keep',
    doc: 'Largest total of all backups, as in `50GB`: the oldest beyond it go, but never one that is always kept.'
  },
  acknowledge: {
    group: 'keep',
    doc: 'Id of an anomalous backup whose change was intended; it counts as good from then on, and pruning goes on.'
  },
  pin: {
    group: 'keep',
    doc: 'Id of a backup to keep whatever the rules say, for `list`.'
  },
  unpin: {
    group: 'keep',
    doc: 'Id of a backup to keep no longer against the rules, for `list`.'
  },
  'max-age': {
    group: 'watch',
    default: '26h',
    doc: 'Age of the newest verified backup above which `check` fails, as in `26h`; for `report`, the longest time that may lie between two backups.'
  },
  'egress-budget': {
    group: 'watch',
    doc: 'Bytes a month that may leave the project for its backups, as in `5GB` (what the plan includes, less what its users take). `backup` fails, its backup kept, before they are spent.'
  },
  'shrink-limit': {
    group: 'watch',
    default: '50%',
    doc: 'A drop in rows or bytes beyond this, against the recent backups, marks the backup anomalous, as in `50%`.'
  },
  'notify-issue': {
    group: 'watch',
    core: true,
    default: 'false',
    doc: 'Keep one issue per project in this repository: opened on failure, closed on success. `true` or `false`; needs `issues: write`.'
  },
  'notify-webhook': {
    group: 'watch',
    value: 'secret',
    doc: 'Address that results are posted to as JSON, from a secret; https, or http to this machine.'
  },
  'notify-email': {
    group: 'watch',
    doc: 'Mail addresses that results are sent to, by comma or line. Needs `smtp-url`.'
  },
  'notify-email-from': {
    group: 'watch',
    doc: 'Mail address of the sender, one that the mail server knows as yours. Default: the user of `smtp-url` where that is an address, else the first of `notify-email`.'
  },
  'smtp-url': {
    group: 'watch',
    value: 'secret',
    doc: 'Mail server, from a secret: `smtp://user:password@host:587` or `smtps://user:password@host:465`.'
  },
  'ping-url': {
    group: 'watch',
    value: 'secret',
    doc: "Address that is called at start, success and failure, as dead man's switches take it; from a secret."
  },
  'notify-on': {
    group: 'watch',
    default: 'failure',
    doc: 'When to tell: `failure` or `always`.'
  },
  dashboard: {
    group: 'watch',
    doc: 'Where to write the HTML dashboard of all projects in the destinations: the path of a file or folder, `artifact`, or `repository` (dashboard.html at the root of `branch`). Without it none is written.'
  },
  projects: {
    group: 'watch',
    doc: 'Path of the YAML file with many projects, for `plan`. For `check`, `list` and `report`: each enabled project in it is looked at, also where it has no backup.'
  },
  since: {
    group: 'watch',
    doc: 'For `list`: shows backups made at this time or later alone. For `report`: where its period begins (the last 90 days). A time with zone, a date (its beginning, UTC), or a duration back from now, as in `30d`.'
  },
  backup: {
    group: 'restore',
    default: 'latest',
    doc: 'Which backup to verify, restore, download or delete: `latest`, an id, or a time (ISO 8601 with zone, or a date: the end of that day in UTC): the newest at or before it. For `verify` also `all`.'
  },
  'target-database-url': {
    group: 'restore',
    value: 'secret',
    doc: 'Connection string of the database to restore into, from a secret.'
  },
  'target-supabase-url': {
    group: 'restore',
    doc: 'Address of the project whose Storage to restore into. Known where the target is named otherwise.'
  },
  'target-service-role-key': {
    group: 'restore',
    value: 'secret',
    doc: 'Key for the Storage to restore into, from a secret.'
  },
  'target-project-ref': {
    group: 'restore',
    doc: 'Ref of the project to restore into. Known where the connection string names it.'
  },
  'target-access-token': {
    group: 'restore',
    value: 'secret',
    doc: 'Token of the Management API for the project to restore into, from a secret.'
  },
  'confirm-target': {
    group: 'restore',
    doc: 'Must be typed to restore: the ref of the target, or `host/database` (not of a shared pooler), or the host of its API where it has no ref; `same:` before it to restore over the source itself. To delete: the id of the backup. Not needed with `dry-run: true`.'
  },
  'restore-mode': {
    group: 'restore',
    default: 'empty',
    doc: 'What a restore may do to the target: `empty` (the target must hold nothing of yours), `replace`, `missing-rows` (adds rows that are not there), `side-schema` (restores beside, into a schema of its own).'
  },
  'restore-errors': {
    group: 'restore',
    doc: 'What a restore does about what the target refuses: `stop` (all or nothing; so with `restore-mode: replace` and `missing-rows` where it is left out) or `list` (it is left out with what hangs on it and named with its SQL, the rest comes back, the run is partial; so with `empty` and `side-schema`).'
  },
  'safety-backup': {
    group: 'restore',
    default: 'true',
    doc: "Back the target's database up before a restore changes it: `true` or `false`. It is not put back by itself; the summary says how to go back to it."
  },
  'dry-run': {
    group: 'restore',
    default: 'false',
    doc: 'Show what `restore`, `prune` or `delete` would do and change nothing: `true` or `false`.'
  },
  jobs: {
    group: 'advanced',
    doc: 'Parallelism, 1 to 64. Default: as much as the machine allows.'
  },
  'lock-timeout': {
    group: 'advanced',
    default: '60s',
    doc: 'How long a dump waits for the lock on a table, as in `60s`.'
  },
  timeout: {
    group: 'advanced',
    doc: 'How long the whole run may take, as in `2h`. Default: as long as the job may.'
  },
  retries: {
    group: 'advanced',
    default: '3',
    doc: 'How often a step that may pass is repeated after its first try, 0 to 100. A wrong password never is.'
  },
  'max-download': {
    group: 'advanced',
    doc: 'Most bytes to download from Storage or a destination in one run, as in `5GB`.'
  },
  compression: {
    group: 'advanced',
    default: 'zstd',
    doc: 'Compression of new backups: `zstd`, `gzip` or `none`.'
  },
  'compression-level': {
    group: 'advanced',
    doc: 'Level of the compression, 1 to 19 for zstd (without it 3), 1 to 9 for gzip (without it 6).'
  },
  'ssl-root-cert': {
    group: 'advanced',
    value: 'quiet',
    doc: 'CA certificates in PEM for source and target. Those of Supabase are built in.'
  },
  'pg-bin': {
    group: 'advanced',
    doc: 'Folder with the `pg_dump`, `pg_restore` and `psql` to use. Without it they are found or installed.'
  },
  'management-url': {
    group: 'advanced',
    default: 'https://api.supabase.com',
    doc: 'Address of the Management API.'
  },
  'notify-webhook-private': {
    group: 'advanced',
    default: 'false',
    doc: 'Whether the webhook may lie in a private network: `true` or `false`.'
  }
} as const satisfies Record<string, DeclaredInput>

/** The name of an input. */
export type InputName = keyof typeof declared

/** Every input, in the order of action.yml. */
export const declaredInputs: Readonly<Record<InputName, DeclaredInput>> = declared

/** The name of an input that has a default. */
export type DefaultedName = {
  [N in InputName]: (typeof declared)[N] extends { readonly default: string } ? N : never
}[InputName]

/** The text that stands for an input that is not given. */
export function defaultOf(name: DefaultedName): string {
  return declared[name].default
}

/** The names, in the order of action.yml. */
export const inputNames = Object.keys(declared).filter((name): name is InputName => Object.hasOwn(declared, name))

/** The commands, the default first. */
export const commandNames = [
  'backup',
  'verify',
  'restore',
  'list',
  'download',
  'prune',
  'delete',
  'check',
  'report',
  'plan'
] as const
export type CommandName = (typeof commandNames)[number]
