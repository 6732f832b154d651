import type { ReadingInputs, RestoreInputs } from './commands.ts'
import { databaseAccess, type Remarks } from './database-access.ts'
import { noKey, sealingOf } from './encryption-inputs.ts'
import type { FieldsOf } from './fields.ts'
import type { Problems } from './problems.ts'
import { projectAccess, targetAccessNames } from './project-access.ts'
import { selectionOf } from './selection.ts'

/** Puts the fields of `restore` together. */
export function assembleRestore(
  fields: FieldsOf<'restore'>,
  common: ReadingInputs,
  problems: Problems,
  remarks: Remarks
): RestoreInputs {
  const typed = fields['target-database-url']
  const database = databaseAccess('target-database-url', typed, fields['ssl-root-cert'], problems, remarks)
  const access = projectAccess(
    {
      include: fields.include,
      database,
      databaseGiven: typed !== undefined,
      ref: fields['target-project-ref'],
      supabaseUrl: fields['target-supabase-url'],
      serviceRoleKey: fields['target-service-role-key'],
      accessToken: fields['target-access-token'],
      managementUrl: fields['management-url'],
      bucketsGiven: fields.buckets.length > 0,
      mayLack: false
    },
    targetAccessNames,
    problems
  )
  if (access.include.sources.length === 0) {
    problems.add(
      'SB002',
      'The command is restore, but no target is given: `target-database-url`, `target-service-role-key` or `target-access-token`.'
    )
  }
  const confirmTarget = fields['confirm-target']
  if (confirmTarget === undefined && !fields['dry-run']) {
    problems.add(
      'SB003',
      'Input `confirm-target` is missing: it must name the target, by its project ref, as host/database, or by the host of its API.'
    )
  }
  const { type, 'restore-mode': mode } = fields
  if (type === 'schema' && (mode === 'missing-rows' || mode === 'side-schema'))
    problems.add(
      'SB002',
      `Inputs \`type: schema\` and \`restore-mode: ${mode}\` contradict each other: that mode brings back rows.`
    )
  if (type === 'data' && mode === 'empty')
    problems.add(
      'SB002',
      'Inputs `type: data` and `restore-mode: empty` contradict each other: rows alone need tables that are there. Choose `replace` or `missing-rows`.'
    )
  const sealing = sealingOf(fields, problems)
  if (
    fields['safety-backup'] &&
    !fields['dry-run'] &&
    sealing.plaintext === 'never' &&
    sealing.recipients.length === 0 &&
    sealing.passphrase === undefined &&
    fields.identity.length === 0
  ) {
    problems.add(
      'SB003',
      `${noKey} The safety backup of the target needs it, where no \`identity\` is given either. If the target may be kept unencrypted, type \`plaintext: private\`; to make no safety backup, \`safety-backup: false\`.`
    )
  }
  return {
    command: 'restore',
    ...common,
    ...sealing,
    identities: fields.identity,
    passphrase: fields.passphrase,
    verifyKey: fields['verify-key'],
    backup: fields.backup,
    include: access.include,
    target: { database, storage: access.storage, management: access.management, ref: access.ref },
    type,
    selection: selectionOf(fields, problems),
    buckets: fields.buckets,
    confirmTarget,
    mode,
    restoreErrors: fields['restore-errors'] ?? (mode === 'empty' || mode === 'side-schema' ? 'list' : 'stop'),
    safetyBackup: fields['safety-backup'],
    dryRun: fields['dry-run']
  }
}
