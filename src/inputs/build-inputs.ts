import { supabaseRefOf } from '../base/supabase-host.ts'
import { assembleBackup } from './build-backup.ts'
import { assembleRestore } from './build-restore.ts'
import type {
  CheckInputs,
  CommonInputs,
  DeleteInputs,
  DownloadInputs,
  Inputs,
  ListInputs,
  Notify,
  PlanInputs,
  PruneInputs,
  ReportInputs,
  VerifyInputs
} from './commands.ts'
import { databaseAccess, type Remarks } from './database-access.ts'
import type { Fields, FieldsOf } from './fields.ts'
import { checkKeepRules, keepRulesOf } from './keep-rules.ts'
import type { Problems } from './problems.ts'
import { refOfAddress } from './project-access.ts'
import { projectLabel } from './project-label.ts'
import { checkProof } from './proof.ts'
import { s3Access } from './s3-access.ts'

/** Puts parsed fields together to the inputs of their command; undefined when that is not possible, with the problems added. */
export function assemble(fields: Fields, problems: Problems): Inputs | undefined {
  const remarks: Remarks = { notes: [], warnings: [] }
  const common = commonInputs(fields, problems, remarks)
  switch (fields.command) {
    case 'backup':
      return assembleBackup(fields, common, problems, remarks)
    case 'restore':
      return assembleRestore(fields, { ...common, project: labelToRead(fields) }, problems, remarks)
    case 'verify':
      return assembleVerify(fields, common, problems, remarks)
    case 'list':
      return assembleList(fields, common, problems)
    case 'download':
      return assembleDownload(fields, common)
    case 'prune':
      return assemblePrune(fields, common, problems)
    case 'delete':
      return assembleDelete(fields, common, problems)
    case 'check':
      return assembleCheck(fields, common)
    case 'report':
      return assembleReport(fields, common)
    case 'plan':
      return assemblePlan(fields, common, problems)
  }
}

function commonInputs(fields: Fields, problems: Problems, remarks: Remarks): CommonInputs {
  const places = fields.destinations
  for (const place of ['release', 'repository'] as const) {
    if (places.includes(place) && fields.token === undefined && fields.command !== 'plan') {
      problems.add('SB003', `Input \`token\` is missing: the destination ${place} needs it.`)
    }
  }
  if (places.includes('folder') && fields.folder === undefined && fields.command !== 'plan') {
    problems.add('SB003', 'Input `folder` is missing: the destination folder needs its path.')
  }
  if (!places.includes('folder') && fields.folder !== undefined) {
    remarks.warnings.push('`folder` has no effect: `destinations` does not name folder, so nothing is kept there.')
  }
  const dashboard = 'dashboard' in fields ? fields.dashboard?.kind : undefined
  if ((dashboard === 'repository' || dashboard === 'artifact') && fields.token === undefined) {
    problems.add('SB003', `Input \`token\` is missing: \`dashboard: ${dashboard}\` needs it.`)
  }
  if (!places.includes('artifact') && dashboard !== 'artifact' && fields['retention-days'] !== undefined) {
    remarks.warnings.push('`retention-days` has no effect: it holds for the destination artifact alone.')
  }
  return {
    destinations: places,
    repository: fields.repository,
    branch: fields.branch,
    token: fields.token,
    folder: fields.folder,
    s3: s3Access(fields, problems, remarks),
    retentionDays: fields['retention-days'],
    notify: notifyOf(fields, problems),
    jobs: fields.jobs,
    lockTimeoutMs: fields['lock-timeout'],
    timeoutMs: fields.timeout,
    retries: fields.retries,
    maxDownloadBytes: fields['max-download'],
    pgBin: fields['pg-bin'],
    rootCertificates: fields['ssl-root-cert'],
    notes: remarks.notes,
    warnings: remarks.warnings
  }
}

function notifyOf(fields: Fields, problems: Problems): Notify {
  const to = fields['notify-email']
  const server = fields['smtp-url']
  if (to.length > 0 && server === undefined) {
    problems.add('SB003', 'Input `smtp-url` is missing: `notify-email` needs a mail server.')
  }
  if (fields['notify-issue'] && fields.token === undefined) {
    problems.add('SB003', 'Input `token` is missing: `notify-issue` needs it.')
  }
  return {
    on: fields['notify-on'],
    webhook: fields['notify-webhook'],
    webhookPrivate: fields['notify-webhook-private'],
    email: to.length > 0 && server !== undefined ? { to, from: fields['notify-email-from'], server } : undefined,
    issue: fields['notify-issue'],
    ping: fields['ping-url']
  }
}

/** The label that a reading command works on; undefined when the inputs name no project: all labels. */
function labelToRead(fields: Fields): string | undefined {
  const database = fields['database-url']
  const ref = fields['project-ref'] ?? (database === undefined ? undefined : supabaseRefOf(database))
  return projectLabel({ project: fields.project, ref: ref ?? refOfAddress(fields['supabase-url']), database })
}

function assembleVerify(
  fields: FieldsOf<'verify'>,
  common: CommonInputs,
  problems: Problems,
  remarks: Remarks
): VerifyInputs | undefined {
  const { verify } = fields
  if (verify === 'none') {
    problems.add(
      'SB002',
      'Input `verify` is `none`, but the command is to verify: allowed are auto, restore, read, checksum.'
    )
    return undefined
  }
  checkProof(fields, problems)
  return {
    command: 'verify',
    ...common,
    project: labelToRead(fields),
    identities: fields.identity,
    canaryWords: fields.canary,
    passphrase: fields.passphrase,
    verifyKey: fields['verify-key'],
    signingKey: fields['signing-key'],
    backup: fields.backup,
    verify,
    verifyDatabase: databaseAccess(
      'verify-database-url',
      fields['verify-database-url'],
      fields['ssl-root-cert'],
      problems,
      remarks
    ),
    verifyTimeoutMs: fields['verify-timeout'],
    checkSql: fields['check-sql']
  }
}

function assembleList(fields: FieldsOf<'list'>, common: CommonInputs, problems: Problems): ListInputs {
  if (fields.pin !== undefined && fields.pin === fields.unpin) {
    problems.add('SB002', 'Inputs `pin` and `unpin` name the same backup.')
  }
  return {
    command: 'list',
    ...common,
    project: labelToRead(fields),
    verifyKey: fields['verify-key'],
    pin: fields.pin,
    unpin: fields.unpin,
    filter: { types: fields.type, since: fields.since },
    projects: fields.projects,
    dashboard: fields.dashboard
  }
}

function assembleDownload(fields: FieldsOf<'download'>, common: CommonInputs): DownloadInputs {
  return {
    command: 'download',
    ...common,
    project: labelToRead(fields),
    identities: fields.identity,
    passphrase: fields.passphrase,
    verifyKey: fields['verify-key'],
    backup: fields.backup
  }
}

function assemblePrune(fields: FieldsOf<'prune'>, common: CommonInputs, problems: Problems): PruneInputs | undefined {
  const keep = keepRulesOf(fields)
  checkKeepRules(fields, problems)
  if (keep === undefined) {
    problems.add('SB008', 'The command is prune, but no `keep-*` rule is given: nothing says what is to be kept.')
    return undefined
  }
  return {
    command: 'prune',
    ...common,
    project: labelToRead(fields),
    verifyKey: fields['verify-key'],
    signingKey: fields['signing-key'],
    keep,
    dryRun: fields['dry-run'],
    acknowledge: fields.acknowledge
  }
}

function assembleDelete(fields: FieldsOf<'delete'>, common: CommonInputs, problems: Problems): DeleteInputs {
  const confirmTarget = fields['confirm-target']
  if (confirmTarget === undefined && !fields['dry-run']) {
    problems.add(
      'SB003',
      'Input `confirm-target` is missing: to delete a backup, give its id there. `dry-run: true` shows which one is meant.'
    )
  }
  if (fields.backup.kind === 'id' && confirmTarget !== undefined && fields.backup.id !== confirmTarget) {
    problems.add(
      'SB002',
      `Input \`backup\` is \`${fields.backup.id}\`, but \`confirm-target\` is \`${confirmTarget}\`: both must name the same backup.`
    )
  }
  return {
    command: 'delete',
    ...common,
    project: labelToRead(fields),
    backup: fields.backup,
    confirmTarget,
    dryRun: fields['dry-run']
  }
}

function assembleCheck(fields: FieldsOf<'check'>, common: CommonInputs): CheckInputs {
  return {
    command: 'check',
    ...common,
    project: labelToRead(fields),
    verifyKey: fields['verify-key'],
    signingKey: fields['signing-key'],
    maxAgeMs: fields['max-age'],
    projects: fields.projects,
    recipients: fields.recipients
  }
}

function assembleReport(fields: FieldsOf<'report'>, common: CommonInputs): ReportInputs {
  return {
    command: 'report',
    ...common,
    project: labelToRead(fields),
    verifyKey: fields['verify-key'],
    signingKey: fields['signing-key'],
    since: fields.since,
    maxAgeMs: fields['max-age'],
    projects: fields.projects
  }
}

function assemblePlan(fields: FieldsOf<'plan'>, common: CommonInputs, problems: Problems): PlanInputs | undefined {
  if (fields.projects === undefined) {
    problems.add('SB003', 'Input `projects` is missing: the command plan needs the path of the YAML file.')
    return undefined
  }
  return { command: 'plan', ...common, project: fields.project, projects: fields.projects }
}
