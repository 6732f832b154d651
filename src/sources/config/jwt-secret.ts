import { createHash } from 'node:crypto'
import type { Finding } from '../source.ts'
import { at } from './difference.ts'

/** What tells whether two projects sign with the same JWT secret, without the secret. `api`: the answer of `/postgrest`; null where it has none. */
export function fingerprintOfJwtSecret(api: unknown): string | null {
  const secret = at(api, 'jwt_secret')
  if (typeof secret !== 'string' || secret === '') return null
  return createHash('sha256').update(`supabase-backup/jwt-secret\0${secret}`).digest('hex').slice(0, 32)
}

/** What another JWT secret means for the people who use the project. */
export function lookAtJwtSecret(inBackup: string | undefined, inTarget: string | null): readonly Finding[] {
  if (inBackup === undefined || inTarget === null || inBackup === inTarget) return []
  return [
    {
      kind: 'note',
      subject: 'JWT secret',
      detail:
        'the target has another one: sessions of the source end, and its anon and service_role keys are not valid there; passwords and second factors stay'
    }
  ]
}
