import {
  type ConfigFacts,
  type ConfigFile,
  type ConfigSectionName,
  configFileSchema,
  configSectionNames
} from '../../archive/contents-config.ts'
import type { Files } from '../../archive/files.ts'
import type { Management } from '../../clients/supabase/management.ts'
import { ManagementError } from '../../clients/supabase/management-errors.ts'
import type { Context } from '../../context.ts'
import { UserError } from '../../errors.ts'
import { reasonOf } from '../management-reason.ts'
import type { Finding } from '../source.ts'
import {
  at,
  type DifferingSetting,
  differingSettings,
  groupOfSecret,
  nested,
  otherDifferences,
  sameValue,
  shown
} from './difference.ts'
import { readSection } from './index.ts'
import { fingerprintOfJwtSecret, lookAtJwtSecret } from './jwt-secret.ts'
import { addThirdPartyAuth, lookAtKeys, lookAtProviders } from './restore-lists.ts'
import type { ConfigChange, RestoredConfig } from './restored.ts'
import { isDigest, isEmpty, isSecretName } from './secrets.ts'
import { type Apply, type Section, sections } from './sections.ts'

export interface RestoreConfigOptions {
  readonly context: Context
  /** The project whose settings are changed. */
  readonly target: Management
  /** Has `config.json`. */
  readonly files: Files
  /** `config` of contents.json. */
  readonly facts: ConfigFacts
  /** Only say what would be done. */
  readonly dryRun: boolean
}

const largestConfigFile = 64 * 1024 * 1024

/**
 * Compares the settings of the backup with those of the target, sets those that differ and may be set (chosen by name), compares again, and
 * lists the rest to be done by hand. Run it last: network restrictions and SSL enforcement may end connections to the database.
 * Throws ManagementError when the token is refused, SB509 when `config.json` is not what it should be.
 */
export async function restoreConfig(options: RestoreConfigOptions): Promise<RestoredConfig> {
  const file = await readConfigFile(options.files)
  const changes: ConfigChange[] = []
  const findings: Finding[] = []
  for (const name of configSectionNames) {
    options.context.signal.throwIfAborted()
    const wanted = file.sections[name]
    if (wanted === undefined) continue
    const outcome = await restoreSection(name, wanted, file.omitted, options)
    changes.push(...outcome.changes)
    findings.push(...outcome.findings)
  }
  return { changes, findings }
}

async function readConfigFile(files: Files): Promise<ConfigFile> {
  const chunks: Buffer[] = []
  let size = 0
  for await (const chunk of files.open('config.json') as AsyncIterable<Buffer>) {
    size += chunk.byteLength
    if (size > largestConfigFile) throw new UserError('SB509', `config.json is larger than ${largestConfigFile} bytes.`)
    chunks.push(chunk)
  }
  let json: unknown
  try {
    json = JSON.parse(Buffer.concat(chunks).toString('utf8'))
  } catch {
    // The parser's message quotes the text, which may be secret.
    throw new UserError('SB509', 'config.json cannot be read: it is no JSON.')
  }
  const parsed = configFileSchema.safeParse(json)
  if (!parsed.success)
    throw new UserError(
      'SB509',
      `config.json cannot be read: ${parsed.error.issues[0]?.message ?? 'it has another shape'}.`
    )
  return parsed.data
}

async function restoreSection(
  name: ConfigSectionName,
  wanted: unknown,
  omitted: readonly string[],
  options: RestoreConfigOptions
): Promise<RestoredConfig> {
  const { target, dryRun } = options
  const section = sections[name]
  const read = await readSection(target, section)
  if (read.status === 'failed')
    // A group that cannot even be read did not come back, whatever the others did.
    return {
      changes: [],
      findings: [
        { ...todo(name, `could not be compared with the target (${read.reason})`, section), kind: 'difference' }
      ]
    }
  const current = read.status === 'captured' ? read.value : undefined
  switch (name) {
    case 'thirdPartyAuth':
      return addThirdPartyAuth(wanted, current, target, dryRun)
    case 'ssoProviders':
      return lookAtProviders(wanted, current)
    case 'signingKeys':
      return lookAtKeys(wanted, current)
    case 'customHostname': {
      const hostname = at(wanted, 'custom_hostname')
      const differs = !sameValue(hostname, at(current, 'custom_hostname'))
      return {
        changes: [],
        findings: differs ? [todo(name, `the source has the host name ${shown(hostname)}`, section)] : []
      }
    }
    default: {
      const { apply } = section
      if (apply === null) return { changes: [], findings: [] }
      const applied = await applySection({ name, section, apply, wanted, current, omitted }, options)
      if (name !== 'api') return applied
      const signing = lookAtJwtSecret(options.facts.jwtSecret, fingerprintOfJwtSecret(current))
      return { ...applied, findings: [...applied.findings, ...signing] }
    }
  }
}

interface SectionWork {
  readonly name: ConfigSectionName
  readonly section: Section
  readonly apply: Apply
  readonly wanted: unknown
  readonly current: unknown
  readonly omitted: readonly string[]
}

async function applySection(work: SectionWork, { target, dryRun }: RestoreConfigOptions): Promise<RestoredConfig> {
  const { name, section, apply, omitted } = work
  const root = apply.root ?? ((answer: unknown) => answer)
  const wanted = root(work.wanted)
  const current = root(work.current)
  const findings: Finding[] = []

  const secretless = secretsToSet(name, omitted, current)
  for (const secret of secretless) findings.push(secretTodo(name, secret, section, target.ref))
  const groups = secretless.map(groupOfSecret)

  const differing = differingSettings(wanted, current, apply.settings)
  const byHand: DifferingSetting[] = [...otherDifferences(wanted, current, apply.settings, readOnlySettings)]
  const toSend: DifferingSetting[] = []
  for (const setting of differing) {
    const incomplete = groups.some((group) => setting.path.startsWith(group))
    // The API takes no null for most settings; a digest is not the value.
    const unusable = setting.inBackup === null || (isSecretName(setting.path) && isDigest(setting.inBackup))
    if (incomplete || unusable) byHand.push(setting)
    else toSend.push(setting)
  }
  for (const setting of byHand)
    findings.push(
      todo(
        `${name}.${setting.path}`,
        `is ${value(setting, 'inBackup')} in the backup and ${value(setting, 'inTarget')} in the target`,
        section
      )
    )

  const changes = byHand.map((setting) => change(name, setting, 'by hand'))
  if (dryRun || toSend.length === 0)
    return { changes: [...changes, ...toSend.map((setting) => change(name, setting, 'would be applied'))], findings }

  const refused = await send(toSend, apply, { wanted, current }, target)
  for (const { setting, reason, kind } of refused)
    findings.push({
      ...todo(
        `${name}.${setting.path}`,
        `was refused (${reason}); the backup has ${value(setting, 'inBackup')}`,
        section
      ),
      kind
    })
  const isRefused = new Set(refused.map(({ setting }) => setting.path))
  const after = await readSection(target, section)
  const now = after.status === 'captured' ? root(after.value) : undefined
  for (const setting of toSend) {
    changes.push(change(name, setting, isRefused.has(setting.path) ? 'refused' : 'applied'))
    if (isRefused.has(setting.path) || isSecretName(setting.path)) continue
    const left = differingSettings(wanted, now, [setting.path])[0]
    if (left !== undefined)
      findings.push({
        kind: 'difference',
        subject: `${name}.${setting.path}`,
        detail: `was set, but the target still says ${value(left, 'inTarget')} instead of ${value(left, 'inBackup')}`
      })
  }
  return { changes, findings }
}

/** What the platform says of itself: a difference there is nothing to restore. */
const readOnlySettings = [
  'migrationVersion',
  'capabilities',
  'databasePoolMode',
  'external',
  'identifier',
  'db_host',
  'db_user',
  'db_name',
  'db_port',
  'connectionString',
  'connection_string',
  'updated_at',
  'applied_at',
  'status',
  'appliedSuccessfully',
  'entitlement',
  'old_config'
]

interface Refused {
  readonly setting: DifferingSetting
  readonly reason: string
  /** `todo`: the API takes no such value. `difference`: it took nothing at all, for want of a right or of an answer. */
  readonly kind: 'todo' | 'difference'
}

/** Sends settings together; when the API refuses them, by halves, so that one that it does not take costs only itself. */
async function send(
  settings: readonly DifferingSetting[],
  apply: Apply,
  states: { readonly wanted: unknown; readonly current: unknown },
  target: Management
): Promise<readonly Refused[]> {
  const changed = nested(settings.map(({ path, inBackup }) => ({ path, value: inBackup })))
  try {
    const body = apply.body === undefined ? changed : apply.body(changed, states.wanted, states.current)
    await target.change(apply.method, apply.path, { body: { json: body }, repeatable: true })
    return []
  } catch (thrown) {
    if (!(thrown instanceof ManagementError) || thrown.code === 'SB821') throw thrown
    if (thrown.code === 'SB829' && apply.divisible && settings.length > 1) {
      const half = Math.ceil(settings.length / 2)
      return [
        ...(await send(settings.slice(0, half), apply, states, target)),
        ...(await send(settings.slice(half), apply, states, target))
      ]
    }
    const isValue = thrown.code === 'SB829'
    const reason = isValue ? thrown.message : reasonOf(thrown)
    return settings.map((setting) => ({ setting, reason, kind: isValue ? 'todo' : 'difference' }))
  }
}

/** Names of secrets that the source has, the backup has not, and the target has not either. */
function secretsToSet(name: ConfigSectionName, omitted: readonly string[], current: unknown): readonly string[] {
  const start = `${name}.`
  return omitted.flatMap((path) => {
    const setting = path.startsWith(start) ? path.slice(start.length) : ''
    return /^[a-z0-9_]+$/i.test(setting) && !neverSet.has(setting) && isEmpty(at(current, setting)) ? [setting] : []
  })
}

/** Each project has its own. */
const neverSet = new Set(['jwt_secret', 'connectionString', 'connection_string'])

function secretTodo(name: ConfigSectionName, setting: string, section: Section, ref: string): Finding {
  return {
    kind: 'todo',
    subject: `${name}.${setting}`,
    detail: `the value is secret and not in the backup; what belongs to it (${groupOfSecret(setting)}*) was left as it is (dashboard: ${section.inDashboard})`,
    remedy: `curl -X PATCH "https://api.supabase.com/v1/projects/${ref}${section.path}" -H "Authorization: Bearer $SUPABASE_ACCESS_TOKEN" -H "Content-Type: application/json" -d '{"${setting}": "<value>"}'`
  }
}

function todo(subject: string, detail: string, section: Section): Finding {
  return { kind: 'todo', subject, detail: `${detail} (dashboard: ${section.inDashboard})` }
}

function change(name: ConfigSectionName, setting: DifferingSetting, action: ConfigChange['action']): ConfigChange {
  return {
    setting: `${name}.${setting.path}`,
    inBackup: value(setting, 'inBackup'),
    inTarget: value(setting, 'inTarget'),
    action
  }
}

function value(setting: DifferingSetting, side: 'inBackup' | 'inTarget'): string {
  return isSecretName(setting.path) ? '(secret)' : shown(setting[side])
}
