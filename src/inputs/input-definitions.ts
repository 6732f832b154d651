/** What is said of one input besides its parser. action.yml repeats name and default; a test compares them. */
export interface DeclaredInput {
  /** The text that stands for an input that is not given. */
  readonly default?: string
  /** `secret`: kept out of every text. `quiet`: not repeated in messages, since a secret is easily put there by mistake. */
  readonly value?: 'secret' | 'quiet'
}

const declared = {
  command: { default: 'backup' },
  'database-url': { value: 'secret' },
  project: {},
  include: { default: 'auto' },
  type: {},
  schemas: {},
  'exclude-schemas': {},
  tables: {},
  'exclude-tables': {},
  'exclude-table-data': {},
  'supabase-url': {},
  'service-role-key': { value: 'secret' },
  buckets: {},
  'access-token': { value: 'secret' },
  'project-ref': {},
  'management-url': { default: 'https://api.supabase.com' },
  destinations: { default: 'artifact' },
  repository: {},
  branch: { default: 'backups' },
  token: { value: 'secret' },
  folder: {},
  'retention-days': {},
  recipients: { value: 'quiet' },
  passphrase: { value: 'secret' },
  identity: { value: 'secret' },
  plaintext: { default: 'private' },
  compression: { default: 'zstd' },
  'compression-level': {},
  verify: { default: 'auto' },
  'verify-database-url': { value: 'secret' },
  'check-sql': { value: 'quiet' },
  'keep-last': {},
  'keep-daily': {},
  'keep-weekly': {},
  'keep-monthly': {},
  'keep-yearly': {},
  'keep-within': {},
  'keep-max-bytes': {},
  backup: { default: 'latest' },
  'target-database-url': { value: 'secret' },
  'target-supabase-url': {},
  'target-service-role-key': { value: 'secret' },
  'target-project-ref': {},
  'target-access-token': { value: 'secret' },
  'confirm-target': {},
  'restore-mode': { default: 'empty' },
  'safety-backup': { default: 'true' },
  'dry-run': { default: 'false' },
  'max-age': { default: '26h' },
  'shrink-limit': { default: '50%' },
  'notify-webhook': { value: 'secret' },
  'notify-webhook-private': { default: 'false' },
  'notify-email': {},
  'smtp-url': { value: 'secret' },
  'notify-issue': { default: 'false' },
  'ping-url': { value: 'secret' },
  'notify-on': { default: 'failure' },
  projects: {},
  jobs: {},
  'lock-timeout': { default: '60s' },
  timeout: {},
  retries: { default: '3' },
  'max-download': {},
  'ssl-root-cert': { value: 'quiet' },
  'pg-bin': {},
  'config-secrets': { default: 'omit' },
  'signing-key': { value: 'secret' },
  'verify-key': { value: 'quiet' },
  'accept-recipients': { value: 'quiet' },
  acknowledge: {},
  pin: {},
  unpin: {},
  status: {},
  verified: {},
  since: {},
  until: {},
  text: {},
  sort: { default: 'newest' },
  dashboard: {}
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
  'plan'
] as const
export type CommandName = (typeof commandNames)[number]
