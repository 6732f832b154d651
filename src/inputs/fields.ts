import { z } from 'zod'
import { compressionMethods } from '../archive/compression.ts'
import { sourceNames } from '../archive/parts.ts'
import { type ConnectionFields, parseConnectionString } from '../base/connection-string.ts'
import { isProjectRef } from '../base/supabase-host.ts'
import { lockModes } from '../clients/s3/objects.ts'
import { destinationNames } from '../destinations/destination.ts'
import { parseBackupId, parseChoice, parseChoiceOrAll, parseSince } from './backup-selector.ts'
import { type CheckSql, restoreErrors, restoreModes, verifyModes } from './commands.ts'
import { type DefaultedName, declaredInputs, defaultOf, type InputName } from './input-definitions.ts'
import {
  parseAcceptedRecipients,
  parseCanaryWords,
  parseIdentities,
  parseNewPassphrase,
  parsePassphrase,
  parseRecipients,
  parseRootCertificates,
  parseSigningKey,
  parseVerifyKey
} from './keys.ts'
import { accepted, type Parse, refused } from './parsed.ts'
import { parseBucketPattern, parseSchemaPatterns, parseTablePatterns } from './patterns.ts'
import {
  parseBranch,
  parseBucketName,
  parseDashboard,
  parseHook,
  parseMailAddress,
  parsePrefix,
  parseRegion,
  parseRepository,
  parseSmtp,
  parseWebAddress
} from './places.ts'
import { parseLabel } from './project-label.ts'
import {
  listOf,
  oneOf,
  parseBoolean,
  parseDuration,
  parseLine,
  parsePercentage,
  parseSize,
  someOf,
  wholeNumber
} from './values.ts'

const longestShown = 80

/** The sentence for an input that is refused. Values of secret and quiet inputs are not repeated. */
export function refusalSentence(name: InputName, text: string, reason: string): string {
  if (declaredInputs[name].value !== undefined) return `Input \`${name}\`: ${reason}.`
  const line = text.replaceAll('\n', ' ')
  return `Input \`${name}\` is \`${line.length > longestShown ? `${line.slice(0, longestShown)}...` : line}\`: ${reason}.`
}

/** An input that may be left out. */
function optional<T>(name: InputName, parse: Parse<T>) {
  return z
    .string()
    .optional()
    .transform((text, context): T | undefined => {
      if (text === undefined) return undefined
      const parsed = parse(text)
      if (parsed.ok) return parsed.value
      context.addIssue({
        code: 'custom',
        message: refusalSentence(name, text, parsed.reason),
        params: { code: parsed.code }
      })
      return z.NEVER
    })
}

/** An input with a default: the text in `declaredInputs` goes through the same parser. */
function defaulted<T>(name: DefaultedName, parse: Parse<T>) {
  return z
    .string()
    .default(defaultOf(name))
    .transform((text, context): T => {
      const parsed = parse(text)
      if (parsed.ok) return parsed.value
      context.addIssue({
        code: 'custom',
        message: refusalSentence(name, text, parsed.reason),
        params: { code: parsed.code }
      })
      return z.NEVER
    })
}

/** A list that is empty when it is not given. */
function list<T>(name: InputName, parse: Parse<readonly T[]>) {
  return optional(name, parse).transform((values): readonly T[] => values ?? [])
}

const parseDatabase: Parse<ConnectionFields> = (text) => {
  const parsed = parseConnectionString(text)
  return parsed.ok ? accepted(parsed.fields) : refused(parsed.reason, parsed.code)
}

const parseRef: Parse<string> = (text) =>
  isProjectRef(text)
    ? accepted(text)
    : refused('allowed is a project ref of 20 lower-case letters, as in the address of the dashboard')

/** A key or token: one line without spaces. */
const parseToken: Parse<string> = (text) =>
  /^[\x21-\x7e]{1,8192}$/.test(text)
    ? accepted(text)
    : refused('it holds spaces, line breaks or characters that no key has')

const parseServiceKey: Parse<string> = (text) => {
  const claims = claimsOfJwt(text)
  if (text.startsWith('sb_publishable_') || claims?.role === 'anon') {
    return refused('it is the public (anon) key: give the service_role or secret key (sb_secret_...)', 'SB006')
  }
  // With any other the API lists what policies show, without saying that there is more.
  if (claims !== undefined && claims.role !== 'service_role') {
    return refused(
      'it is a token of another role than service_role, and sees only what policies show: give the service_role or secret key (sb_secret_...)',
      'SB006'
    )
  }
  return parseToken(text)
}

function claimsOfJwt(text: string): { readonly role?: unknown } | undefined {
  const payload = /^[A-Za-z0-9_-]+\.([A-Za-z0-9_-]+)\.[A-Za-z0-9_-]*$/.exec(text)?.[1]
  if (payload === undefined) return undefined
  try {
    const claims: unknown = JSON.parse(Buffer.from(payload, 'base64url').toString('utf8'))
    return typeof claims === 'object' && claims !== null ? claims : undefined
  } catch {
    return undefined
  }
}

const backupTypes = ['full', 'schema', 'data'] as const

const includeList = someOf(sourceNames, 'auto, or ')

const parseInclude: Parse<'auto' | readonly (typeof sourceNames)[number][]> = (text) =>
  text === 'auto' ? accepted('auto') : includeList(text)

/** A number of backups to keep. */
const parseKeep: Parse<number> = (text) =>
  /^0+$/.test(text)
    ? refused('0 would keep nothing; leave the rule out instead', 'SB008')
    : wholeNumber(1, 100_000)(text)

const parseCheckSql: Parse<CheckSql> = (text) => {
  if (/^[^\s;]{1,4096}\.sql$/i.test(text)) return accepted({ kind: 'file', path: text })
  const statements = text
    .split('\n')
    .map((line) =>
      line
        .trim()
        .replace(/;{1,100}$/, '')
        .trim()
    )
    .filter((line) => line !== '' && !line.startsWith('--'))
  return statements.length === 0 ? refused('it holds no statement') : accepted({ kind: 'statements', statements })
}

const common = {
  project: optional('project', parseLabel),
  'database-url': optional('database-url', parseDatabase),
  'project-ref': optional('project-ref', parseRef),
  'supabase-url': optional('supabase-url', parseWebAddress),
  destinations: defaulted('destinations', someOf(destinationNames)),
  repository: optional('repository', parseRepository),
  branch: defaulted('branch', parseBranch),
  token: optional('token', parseToken),
  folder: optional('folder', parseLine),
  's3-bucket': optional('s3-bucket', parseBucketName),
  's3-endpoint': optional('s3-endpoint', parseWebAddress),
  's3-region': optional('s3-region', parseRegion),
  's3-prefix': optional('s3-prefix', parsePrefix),
  's3-access-key-id': optional('s3-access-key-id', parseToken),
  's3-secret-access-key': optional('s3-secret-access-key', parseToken),
  's3-session-token': optional('s3-session-token', parseToken),
  's3-lock': optional('s3-lock', oneOf(lockModes)),
  's3-lock-days': optional('s3-lock-days', wholeNumber(1, 36_500)),
  'retention-days': optional('retention-days', wholeNumber(1, 400)),
  'notify-webhook': optional('notify-webhook', parseHook),
  'notify-webhook-private': defaulted('notify-webhook-private', parseBoolean),
  'notify-email': list('notify-email', listOf(parseMailAddress)),
  'notify-email-from': optional('notify-email-from', parseMailAddress),
  'smtp-url': optional('smtp-url', parseSmtp),
  'notify-issue': defaulted('notify-issue', parseBoolean),
  'ping-url': optional('ping-url', parseHook),
  'notify-on': defaulted('notify-on', oneOf(['failure', 'always'])),
  jobs: optional('jobs', wholeNumber(1, 64)),
  'lock-timeout': defaulted('lock-timeout', parseDuration),
  'verify-timeout': defaulted('verify-timeout', parseDuration),
  timeout: optional('timeout', parseDuration),
  retries: defaulted('retries', wholeNumber(0, 100)),
  'max-download': optional('max-download', parseSize),
  'ssl-root-cert': optional('ssl-root-cert', parseRootCertificates),
  'pg-bin': optional('pg-bin', parseLine)
}

const selection = {
  include: defaulted('include', parseInclude),
  schemas: list('schemas', parseSchemaPatterns),
  'exclude-schemas': list('exclude-schemas', parseSchemaPatterns),
  tables: list('tables', parseTablePatterns),
  'exclude-tables': list('exclude-tables', parseTablePatterns),
  'exclude-table-data': list('exclude-table-data', parseTablePatterns),
  buckets: list('buckets', listOf(parseBucketPattern)),
  'management-url': defaulted('management-url', parseWebAddress)
}

/** What records of runs, manifests and reports are signed with. */
const signing = { 'signing-key': optional('signing-key', parseSigningKey) }

const sealing = {
  recipients: list('recipients', parseRecipients),
  plaintext: defaulted('plaintext', oneOf(['private', 'never', 'public'])),
  compression: defaulted('compression', oneOf(compressionMethods)),
  'compression-level': optional('compression-level', wholeNumber(1, 19)),
  ...signing
}

/** Whose signature a stored backup must have to be relied on. */
const trust = { 'verify-key': optional('verify-key', parseVerifyKey) }

const opening = {
  identity: list('identity', parseIdentities),
  passphrase: optional('passphrase', parsePassphrase),
  ...trust
}

const canary = { canary: list('canary', parseCanaryWords) }

const proof = {
  verify: defaulted('verify', oneOf(verifyModes)),
  'verify-database-url': optional('verify-database-url', parseDatabase),
  'check-sql': optional('check-sql', parseCheckSql)
}

const keep = {
  'keep-last': optional('keep-last', parseKeep),
  'keep-hourly': optional('keep-hourly', parseKeep),
  'keep-daily': optional('keep-daily', parseKeep),
  'keep-weekly': optional('keep-weekly', parseKeep),
  'keep-monthly': optional('keep-monthly', parseKeep),
  'keep-yearly': optional('keep-yearly', parseKeep),
  'keep-within': optional('keep-within', (text) =>
    /^0+[a-z]?$/.test(text) ? refused('0 would keep nothing; leave the rule out instead', 'SB008') : parseDuration(text)
  ),
  'keep-max-bytes': optional('keep-max-bytes', (text) =>
    /^0+ ?[a-z]*$/i.test(text) ? refused('0 would keep nothing; leave the rule out instead', 'SB008') : parseSize(text)
  ),
  acknowledge: optional('acknowledge', parseBackupId)
}

const projects = { projects: optional('projects', parseLine) }
const dryRun = { 'dry-run': defaulted('dry-run', parseBoolean) }
const choice = { backup: defaulted('backup', parseChoice) }
const dashboard = { dashboard: optional('dashboard', parseDashboard) }

const backup = z.object({
  command: z.literal('backup'),
  ...common,
  ...selection,
  ...sealing,
  ...proof,
  ...keep,
  ...trust,
  ...canary,
  ...dashboard,
  passphrase: optional('passphrase', parseNewPassphrase),
  type: optional('type', oneOf(backupTypes)).transform((type) => type ?? 'full'),
  'service-role-key': optional('service-role-key', parseServiceKey),
  'access-token': optional('access-token', parseToken),
  'config-secrets': defaulted('config-secrets', oneOf(['omit', 'include'])),
  'accept-recipients': list('accept-recipients', parseAcceptedRecipients),
  'egress-budget': optional('egress-budget', parseSize),
  'shrink-limit': defaulted('shrink-limit', parsePercentage)
})

const verify = z.object({
  command: z.literal('verify'),
  ...common,
  ...opening,
  ...canary,
  ...proof,
  ...signing,
  backup: defaulted('backup', parseChoiceOrAll)
})

const restore = z.object({
  command: z.literal('restore'),
  ...common,
  ...selection,
  ...sealing,
  ...opening,
  ...choice,
  ...dryRun,
  type: optional('type', oneOf(backupTypes)).transform((type) => type ?? 'full'),
  'target-database-url': optional('target-database-url', parseDatabase),
  'target-supabase-url': optional('target-supabase-url', parseWebAddress),
  'target-service-role-key': optional('target-service-role-key', parseServiceKey),
  'target-project-ref': optional('target-project-ref', parseRef),
  'target-access-token': optional('target-access-token', parseToken),
  'confirm-target': optional('confirm-target', parseLine),
  'restore-mode': defaulted('restore-mode', oneOf(restoreModes)),
  'restore-errors': optional('restore-errors', oneOf(restoreErrors)),
  'safety-backup': defaulted('safety-backup', parseBoolean)
})

const listing = z.object({
  command: z.literal('list'),
  ...common,
  ...trust,
  ...dashboard,
  pin: optional('pin', parseBackupId),
  unpin: optional('unpin', parseBackupId),
  type: list('type', someOf(backupTypes)),
  since: optional('since', parseSince),
  ...projects
})

const download = z.object({ command: z.literal('download'), ...common, ...opening, ...choice })

const prune = z.object({ command: z.literal('prune'), ...common, ...keep, ...trust, ...signing, ...dryRun })

const deletion = z.object({
  command: z.literal('delete'),
  ...common,
  ...choice,
  ...dryRun,
  'confirm-target': optional('confirm-target', parseBackupId)
})

const check = z.object({
  command: z.literal('check'),
  ...common,
  ...trust,
  ...signing,
  'max-age': defaulted('max-age', parseDuration),
  recipients: list('recipients', parseRecipients),
  ...projects
})

const report = z.object({
  command: z.literal('report'),
  ...common,
  ...trust,
  ...signing,
  since: optional('since', parseSince),
  'max-age': defaulted('max-age', parseDuration),
  ...projects
})

const plan = z.object({ command: z.literal('plan'), ...common, ...projects })

/** The inputs of action.yml by their names, each parsed by itself; what they mean together is looked at afterwards. */
export const fieldsSchema = z.discriminatedUnion('command', [
  backup,
  verify,
  restore,
  listing,
  download,
  prune,
  deletion,
  check,
  report,
  plan
])

export type Fields = z.output<typeof fieldsSchema>
export type FieldsOf<C extends Fields['command']> = Extract<Fields, { readonly command: C }>
