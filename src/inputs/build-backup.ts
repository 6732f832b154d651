import type { BackupInputs, CommonInputs } from './commands.ts'
import { databaseAccess, type Remarks } from './database-access.ts'
import { noKey, sealingOf } from './encryption-inputs.ts'
import type { FieldsOf } from './fields.ts'
import { checkKeepRules, keepRulesOf } from './keep-rules.ts'
import type { Problems } from './problems.ts'
import { projectAccess, sourceAccessNames } from './project-access.ts'
import { projectLabel } from './project-label.ts'
import { checkProof } from './proof.ts'
import { selectionOf } from './selection.ts'

/** Puts the fields of `backup` together. */
export function assembleBackup(
  fields: FieldsOf<'backup'>,
  common: CommonInputs,
  problems: Problems,
  remarks: Remarks
): BackupInputs | undefined {
  const typed = fields['database-url']
  const source = databaseAccess('database-url', typed, fields['ssl-root-cert'], problems, remarks)
  const access = projectAccess(
    {
      include: fields.include,
      database: source,
      databaseGiven: typed !== undefined,
      ref: fields['project-ref'],
      supabaseUrl: fields['supabase-url'],
      serviceRoleKey: fields['service-role-key'],
      accessToken: fields['access-token'],
      managementUrl: fields['management-url'],
      bucketsGiven: fields.buckets.length > 0,
      mayLack: true
    },
    sourceAccessNames,
    problems
  )
  // A secret that is misspelt arrives as an empty text: `auto` must not turn it into a backup without the database.
  if (fields.include === 'auto' && typed === undefined) {
    problems.add(
      'SB003',
      'Input `database-url` is missing: `include: auto` takes the database. To leave it out, name the sources in `include`.'
    )
  }
  const verifyTyped = fields['verify-database-url']
  const verifyDatabase = databaseAccess('verify-database-url', verifyTyped, fields['ssl-root-cert'], problems, remarks)
  if (
    typed !== undefined &&
    verifyTyped !== undefined &&
    typed.host === verifyTyped.host &&
    typed.port === verifyTyped.port &&
    typed.database === verifyTyped.database
  ) {
    problems.add(
      'SB002',
      'Inputs `database-url` and `verify-database-url` name the same database: the proof would restore into the source.'
    )
  }
  const sealing = sealingOf(fields, problems)
  const sealed = sealing.recipients.length > 0 || sealing.passphrase !== undefined
  if (sealing.recipients.length > 0 && sealing.passphrase !== undefined) {
    problems.add(
      'SB002',
      'Inputs `recipients` and `passphrase` are both given: a backup is sealed for one or the other.'
    )
  }
  if (sealing.plaintext === 'never' && !sealed) {
    problems.add(
      'SB003',
      `${noKey} To keep backups that anybody who reaches the place can read, type \`plaintext: private\`.`
    )
  }
  if (fields['config-secrets'] === 'include' && !sealed) {
    problems.add(
      'SB003',
      'Input `recipients` (or `passphrase`) is missing: `config-secrets: include` keeps secret values in encrypted contents only.'
    )
  }
  const { sources, lacking } = access.include
  if (fields.buckets.length > 0 && !sources.includes('storage') && !lacking.includes('storage')) {
    problems.add(
      'SB002',
      `Input \`buckets\` is given, but Storage is not backed up (${access.include.reasons.storage}).`
    )
  }
  checkProof(fields, problems)
  checkKeepRules(fields, problems)
  const project = projectLabel({
    project: fields.project,
    ref: access.ref,
    database: typed ?? placeOfApi(fields['supabase-url'])
  })
  if (project === undefined) {
    problems.add('SB003', 'Input `project` is missing: nothing else says which project this is.')
    return undefined
  }
  return {
    command: 'backup',
    ...common,
    ...sealing,
    project,
    include: access.include,
    source: access.include.sources.includes('database') ? source : undefined,
    storage: access.include.sources.includes('storage') ? access.storage : undefined,
    buckets: fields.buckets,
    management: access.management,
    ref: access.ref,
    type: fields.type,
    selection: { type: fields.type, ...selectionOf(fields, problems) },
    configSecrets: fields['config-secrets'],
    verify: fields.verify,
    verifyDatabase,
    verifyTimeoutMs: fields['verify-timeout'],
    checkSql: fields['check-sql'],
    verifyKey: fields['verify-key'],
    keep: keepRulesOf(fields),
    shrinkLimit: fields['shrink-limit'],
    egressBudget: fields['egress-budget'],
    acceptRecipients: fields['accept-recipients'],
    canaryWords: fields.canary,
    acknowledge: fields.acknowledge,
    dashboard: fields.dashboard
  }
}

/** What a label is made of where there is no database: the host of the project's API. */
function placeOfApi(address: string | undefined): { host: string; port: number; database: string } | undefined {
  if (address === undefined) return undefined
  const url = new URL(address)
  return { host: url.hostname, port: url.port === '' ? 5432 : Number(url.port), database: 'storage' }
}
