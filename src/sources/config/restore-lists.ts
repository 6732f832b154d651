import type { Management } from '../../clients/supabase/management.ts'
import { ManagementError } from '../../clients/supabase/management-errors.ts'
import { reasonOf } from '../management-reason.ts'
import type { Finding } from '../source.ts'
import { at, sameValue, shown } from './difference.ts'
import type { ConfigChange, RestoredConfig } from './restored.ts'
import { asObject, sections } from './sections.ts'

const thirdPartySettings = ['oidc_issuer_url', 'jwks_url', 'custom_jwks'] as const

/** Adds the third-party issuers that the target lacks. Ids are the platform's; an issuer is known by what it was set up with. */
export async function addThirdPartyAuth(
  wanted: unknown,
  current: unknown,
  target: Management,
  dryRun: boolean
): Promise<RestoredConfig> {
  const there = list(current).map(setUpOf)
  const changes: ConfigChange[] = []
  const findings: Finding[] = []
  for (const issuer of list(wanted)) {
    const setUp = setUpOf(issuer)
    if (there.some((each) => sameValue(each, setUp))) continue
    const change = { setting: 'thirdPartyAuth', inBackup: shown(setUp), inTarget: 'not set' }
    if (dryRun) {
      changes.push({ ...change, action: 'would be applied' })
      continue
    }
    try {
      await target.change('POST', sections.thirdPartyAuth.path, { body: { json: setUp } })
      changes.push({ ...change, action: 'applied' })
    } catch (thrown) {
      if (!(thrown instanceof ManagementError) || thrown.code === 'SB821') throw thrown
      changes.push({ ...change, action: 'refused' })
      findings.push(
        todo('thirdPartyAuth', `${shown(setUp)} was refused (${reasonOf(thrown)})`, sections.thirdPartyAuth.inDashboard)
      )
    }
  }
  return { changes, findings }
}

function setUpOf(issuer: unknown): Readonly<Record<string, unknown>> {
  return Object.fromEntries(
    thirdPartySettings.flatMap((name) => {
      const value = asObject(issuer)[name]
      return value === undefined || value === null || value === '' ? [] : [[name, value]]
    })
  )
}

/**
 * Single sign-on providers lie in the database (`auth.sso_providers`) and come back with it, ids included, which users are tied to. Made anew through
 * the API they would get other ids: what is missing is told.
 */
export function lookAtProviders(wanted: unknown, current: unknown): RestoredConfig {
  const entity = (provider: unknown) => at(provider, 'saml.entity_id') ?? at(provider, 'id')
  const there = list(at(current, 'items')).map(entity)
  const missing = list(at(wanted, 'items')).filter((provider) => !there.includes(entity(provider)))
  return {
    changes: [],
    findings: missing.map((provider) =>
      todo(
        `ssoProviders ${shown(entity(provider))}`,
        'is not in the target. Restore the database with its auth schema: providers made anew get other ids, and users tied to them cannot sign in',
        sections.ssoProviders.inDashboard
      )
    )
  }
}

/** Private signing keys can be read by nobody: tokens made with them end their life with the old project. */
export function lookAtKeys(wanted: unknown, current: unknown): RestoredConfig {
  const there = list(at(current, 'keys')).map((key) => at(key, 'id'))
  const other = list(at(wanted, 'keys')).filter((key) => !there.includes(at(key, 'id')))
  if (other.length === 0) return { changes: [], findings: [] }
  return {
    changes: [],
    findings: [
      {
        kind: 'note',
        subject: 'signingKeys',
        detail:
          'the target signs with other keys: sessions and API keys of the source are not valid there, users sign in anew with their old passwords'
      }
    ]
  }
}

function list(value: unknown): readonly unknown[] {
  return Array.isArray(value) ? value : []
}

function todo(subject: string, detail: string, inDashboard: string): Finding {
  return { kind: 'todo', subject, detail: `${detail} (dashboard: ${inDashboard})` }
}
