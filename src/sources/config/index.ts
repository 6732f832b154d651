import { Buffer } from 'node:buffer'
import {
  type ConfigFacts,
  type ConfigFile,
  type ConfigSectionName,
  configSectionNames
} from '../../archive/contents-config.ts'
import type { Management } from '../../clients/supabase/management.ts'
import { ManagementError } from '../../clients/supabase/management-errors.ts'
import type { Context } from '../../context.ts'
import { reasonOf } from '../management-reason.ts'
import type { Captured, Source } from '../source.ts'
import { fingerprintOfJwtSecret } from './jwt-secret.ts'
import { isEmpty, withoutSecrets } from './secrets.ts'
import { type Section, sections } from './sections.ts'

export interface ConfigSourceOptions {
  readonly context: Context
  readonly management: Management
  /** Whether secret values are kept, as far as the API gives them. Only where the backup is encrypted. */
  readonly includeSecrets: boolean
  readonly encrypted: boolean
}

/** The project's settings: `config.json`. A group that cannot be read is named; the others are kept. */
export function openConfigSource(options: ConfigSourceOptions): Source<ConfigFacts> {
  const { context, management, includeSecrets, encrypted } = options
  return {
    name: 'config',
    // A refusal must not cost the rest of the backup: it is met in `capture`.
    preflight: () => Promise.resolve(),
    close: () => Promise.resolve(),
    async capture(add, signal) {
      const kept: Partial<Record<ConfigSectionName, unknown>> = {}
      const told: ConfigFacts['sections'] = []
      const omitted: string[] = []
      let jwtSecret: string | null = null
      for (const name of configSectionNames) {
        signal.throwIfAborted()
        context.log.progress(() => `Settings: ${name}`)
        const read = await readSection(management, sections[name])
        if (read.status !== 'captured') {
          told.push({
            name,
            status: read.status,
            ...(read.status === 'failed' ? { reason: read.reason } : {}),
            settings: 0
          })
          continue
        }
        if (name === 'api' && encrypted) jwtSecret = fingerprintOfJwtSecret(read.value)
        const cleaned = withoutSecrets(read.value, name, includeSecrets)
        kept[name] = cleaned.value
        omitted.push(...cleaned.omitted)
        told.push({ name, status: 'captured', settings: countSettings(cleaned.value) })
      }
      if (told.some(({ status }) => status === 'captured')) {
        const file: ConfigFile = { format: 1, project: management.ref, sections: kept, omitted }
        await add('config.json', { bytes: oneChunk(Buffer.from(`${JSON.stringify(file, null, 2)}\n`)) })
      }
      return captured({
        project: management.ref,
        sections: told,
        omitted,
        secretsIncluded: includeSecrets,
        ...(jwtSecret === null ? {} : { jwtSecret })
      })
    }
  }
}

export type ReadSection =
  | { readonly status: 'captured'; readonly value: unknown }
  | { readonly status: 'absent' }
  | { readonly status: 'failed'; readonly reason: string }

/** Reads one group of settings. What the API refuses is a result; a cancelled run is thrown. */
export async function readSection(management: Management, section: Section): Promise<ReadSection> {
  try {
    return { status: 'captured', value: await management.read(section.path, section.shape) }
  } catch (thrown) {
    const status = thrown instanceof ManagementError ? thrown.status : null
    if (status !== null && section.absentAt.includes(status)) return { status: 'absent' }
    return { status: 'failed', reason: reasonOf(thrown) }
  }
}

function captured(facts: ConfigFacts): Captured<ConfigFacts> {
  const failed = facts.sections.filter(({ status }) => status === 'failed')
  const kept = facts.sections.filter(({ status }) => status === 'captured')
  return {
    status: kept.length === 0 ? 'impossible' : failed.length > 0 ? 'partial' : 'captured',
    ...(failed.length === 0 ? {} : { reason: failedText(failed) }),
    facts,
    counts: {
      sections: kept.length,
      settings: kept.reduce((sum, { settings }) => sum + settings, 0),
      secretsLeftOut: facts.omitted.length
    },
    warnings: failed.length === 0 ? [] : [`Settings that could not be read: ${failedText(failed)}.`]
  }
}

/** Groups with the same reason together. */
function failedText(failed: ConfigFacts['sections']): string {
  const byReason = Map.groupBy(failed, ({ reason }) => reason ?? 'unknown')
  return [...byReason].map(([reason, group]) => `${group.map(({ name }) => name).join(', ')}: ${reason}`).join('; ')
}

/** Settings with a value; lists count by their entries. */
function countSettings(value: unknown): number {
  if (isEmpty(value)) return 0
  if (Array.isArray(value)) return value.length
  if (typeof value !== 'object' || value === null) return 1
  return Object.values(value).reduce((sum: number, member) => sum + countSettings(member), 0)
}

async function* oneChunk(bytes: Uint8Array): AsyncIterable<Uint8Array> {
  yield bytes
}
