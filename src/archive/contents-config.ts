import { z } from 'zod'

/** The groups of settings, in the order in which they are restored: what may end connections comes last. */
export const configSectionNames = [
  'auth',
  'api',
  'pooler',
  'storage',
  'realtime',
  'thirdPartyAuth',
  'ssoProviders',
  'signingKeys',
  'customHostname',
  'postgres',
  'sslEnforcement',
  'networkRestrictions'
] as const
export type ConfigSectionName = (typeof configSectionNames)[number]

/** What contents.json tells of the settings. */
export const configFactsSchema = z.object({
  /** Ref of the project. */
  project: z.string(),
  sections: z.array(
    z.object({
      name: z.enum(configSectionNames),
      /** `absent`: the project has nothing of this kind. */
      status: z.enum(['captured', 'absent', 'failed']),
      reason: z.string().optional(),
      settings: z.number()
    })
  ),
  /** Settings whose values are secret and were left out: `auth.smtp_pass`. */
  omitted: z.array(z.string()),
  /** Whether secret values are in `config.json`. */
  secretsIncluded: z.boolean(),
  /**
   * The first 32 hexadecimal digits of the SHA-256 of `supabase-backup/jwt-secret`, a zero byte and the project's JWT secret: whether a target signs
   * with the same one. In encrypted backups alone.
   */
  jwtSecret: z
    .string()
    .regex(/^[0-9a-f]{32}$/)
    .optional()
})
export type ConfigFacts = z.infer<typeof configFactsSchema>

/** What `config.json` holds: for each group of settings what the Management API said. */
export const configFileSchema = z.object({
  format: z.literal(1),
  project: z.string(),
  sections: z.partialRecord(z.enum(configSectionNames), z.unknown()),
  omitted: z.array(z.string())
})
export type ConfigFile = z.infer<typeof configFileSchema>
