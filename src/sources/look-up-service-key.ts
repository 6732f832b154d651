import { z } from 'zod'
import type { Management } from '../clients/supabase/management.ts'
import { ManagementError, neededManagementScope } from '../clients/supabase/management-errors.ts'

const path = '/api-keys?reveal=true'
const keysSchema = z.array(
  z.looseObject({
    name: z.string(),
    type: z.string().nullish(),
    api_key: z.string().nullish(),
    prefix: z.string().nullish(),
    secret_jwt_template: z.looseObject({ role: z.string().optional() }).nullish()
  })
)

/**
 * Asks for a key that reads all of Storage: a secret one of the role `service_role`, else the legacy key of that name. The result is secret. Throws
 * ManagementError: SB821, SB822 also where the keys are listed without their values.
 */
export async function lookUpServiceKey(management: Management): Promise<string> {
  const keys = await management.read(path, keysSchema)
  const secret = keys.find(
    ({ type, secret_jwt_template: template }) => type === 'secret' && template?.role === 'service_role'
  )
  const found = [secret, keys.find(({ name }) => name === 'service_role')]
    .map((key) => key?.api_key ?? '')
    .find((value) => /^(?:sb_secret_|eyJ)[\w.-]+$/.test(value))
  if (found !== undefined) return found
  const scope = neededManagementScope('GET', path)
  throw new ManagementError(
    'SB822',
    `The Management API gives no value of a service-role key (GET /api-keys): the access token lacks the scope ${scope}, or the project has no such key.`,
    200,
    scope,
    { remedy: `Give the key itself as \`service-role-key\`, or give the token the scope ${scope}.` }
  )
}

/** Beginnings of the values of the project's keys; null where they could not be asked. */
export async function keyBeginnings(management: Management): Promise<readonly string[] | null> {
  try {
    const keys = await management.read('/api-keys', keysSchema)
    return keys.flatMap(({ prefix }) => (prefix === null || prefix === undefined || prefix === '' ? [] : [prefix]))
  } catch (thrown) {
    if (thrown instanceof ManagementError) return null
    throw thrown
  }
}
