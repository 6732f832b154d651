import { z } from 'zod'

const claimsSchema = z.object({
  ref: z.string().optional(),
  role: z.string().optional(),
  exp: z.number().optional()
})

/**
 * Why the Storage API refuses a key, as far as the key itself tells: one that never fitted is told apart from one that fitted before a rotation. `ref`:
 * the project that is meant; `beginnings`: of the project's keys, where they could be asked. Quotes nothing of the key but the ref and role in it.
 */
export function whyRefused(key: string, ref: string | null, beginnings: readonly string[] | null, now: Date): string {
  if (key.startsWith('sb_publishable_'))
    return 'It is a publishable key, which sees only what everybody sees: give a secret key.'
  if (key.startsWith('sbp_')) return 'It is an access token of the Management API, not a key of the project.'
  if (key.startsWith('sb_secret_')) {
    if (beginnings === null)
      return 'It has the form of a secret key: it was deleted or rotated, or belongs to another project.'
    return beginnings.some((beginning) => key.startsWith(beginning))
      ? 'A key of the project begins like it: it was copied in part, or `supabase-url` is the address of another project.'
      : 'The project has no key that begins like it: it was deleted or rotated, or belongs to another project.'
  }
  const claims = claimsOf(key)
  if (claims === null) return 'It does not have the form of a key: it was copied in part.'
  if (claims.role !== undefined && claims.role !== 'service_role')
    return `It is the key of the role ${claims.role}, not that of service_role.`
  if (ref !== null && claims.ref !== undefined && claims.ref !== ref)
    return `It belongs to the project ${claims.ref}, not to ${ref}.`
  if (claims.exp !== undefined && claims.exp * 1000 < now.getTime())
    return `It expired at ${new Date(claims.exp * 1000).toISOString()}.`
  if (ref !== null && claims.ref === ref)
    return 'It was made for this project and has not expired: the JWT secret was rotated since, or legacy keys were switched off. Take the present key from the dashboard.'
  return 'It is a service-role key, signed with another JWT secret: the secret was rotated since, or the key belongs to another project.'
}

function claimsOf(key: string): z.infer<typeof claimsSchema> | null {
  const parts = key.split('.')
  if (parts.length !== 3) return null
  try {
    const parsed = claimsSchema.safeParse(JSON.parse(Buffer.from(parts[1] ?? '', 'base64url').toString('utf8')))
    return parsed.success ? parsed.data : null
  } catch {
    // Half a key is no JSON.
    return null
  }
}
