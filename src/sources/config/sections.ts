import { z } from 'zod'
import type { ConfigSectionName } from '../../archive/contents-config.ts'
import { authFields } from './auth-fields.ts'

/** One group of settings of the Management API. */
export interface Section {
  /** The part of the address after the project. */
  readonly path: string
  /** The least that the answer must be. Everything else in it is kept as it is. */
  readonly shape: z.ZodType<unknown>
  /** Statuses that mean: the project has nothing of this kind. */
  readonly absentAt: readonly number[]
  /** Where a person finds it in the dashboard. */
  readonly inDashboard: string
  /** How single settings are set again; null: by hand, or in a way of its own. */
  readonly apply: Apply | null
}

export interface Apply {
  readonly method: 'PATCH' | 'PUT' | 'POST'
  readonly path: string
  /** Settings that are set, as dotted paths in the answer. Chosen by name: what is not here is listed to be done by hand. */
  readonly settings: readonly string[]
  /** Takes the object with the settings out of the answer. */
  readonly root?: (answer: unknown) => unknown
  /** Makes the body. `changed` has the settings that differ, nested; `wanted` all of the backup's that may be set; `current` those of the target. */
  readonly body?: (changed: unknown, wanted: unknown, current: unknown) => unknown
  /** Whether each setting may be sent alone when the whole is refused. */
  readonly divisible: boolean
}

const someSettings = z.record(z.string(), z.unknown()).refine((value) => Object.keys(value).length > 0, 'it is empty')

/**
 * Settings of PostgreSQL that neither need a restart nor depend on the size of the machine. `session_replication_role` is left out on
 * purpose: `replica` switches triggers and foreign keys off.
 */
const postgresSettings = [
  'logical_decoding_work_mem',
  'maintenance_work_mem',
  'max_standby_archive_delay',
  'max_standby_streaming_delay',
  'statement_timeout',
  'wal_sender_timeout',
  'work_mem',
  'hot_standby_feedback'
]

export const sections: Readonly<Record<ConfigSectionName, Section>> = {
  auth: {
    path: '/config/auth',
    shape: someSettings,
    absentAt: [],
    inDashboard: 'Authentication',
    apply: { method: 'PATCH', path: '/config/auth', settings: authFields, divisible: true }
  },
  api: {
    path: '/postgrest',
    shape: z.looseObject({ db_schema: z.string(), max_rows: z.number() }),
    absentAt: [],
    inDashboard: 'Project Settings, Data API',
    apply: {
      method: 'PATCH',
      path: '/postgrest',
      settings: ['db_schema', 'max_rows', 'db_extra_search_path', 'db_pool'],
      divisible: true
    }
  },
  pooler: {
    path: '/config/database/pooler',
    shape: z.array(z.looseObject({})),
    absentAt: [],
    inDashboard: 'Database, Settings, Connection pooling',
    apply: {
      method: 'PATCH',
      path: '/config/database/pooler',
      settings: ['default_pool_size'],
      root: (answer) =>
        Array.isArray(answer) ? (answer.find((each) => each?.database_type === 'PRIMARY') ?? answer[0]) : undefined,
      divisible: true
    }
  },
  storage: {
    path: '/config/storage',
    shape: z.looseObject({ fileSizeLimit: z.number() }),
    absentAt: [],
    inDashboard: 'Storage, Settings',
    apply: {
      method: 'PATCH',
      path: '/config/storage',
      settings: ['fileSizeLimit', 'features.imageTransformation.enabled', 'features.s3Protocol.enabled'],
      divisible: true
    }
  },
  realtime: {
    path: '/config/realtime',
    shape: someSettings,
    absentAt: [],
    inDashboard: 'Realtime, Settings',
    apply: {
      method: 'PATCH',
      path: '/config/realtime',
      settings: [
        'private_only',
        'connection_pool',
        'max_concurrent_users',
        'max_events_per_second',
        'max_bytes_per_second',
        'max_channels_per_client',
        'max_joins_per_second',
        'max_presence_events_per_second',
        'max_payload_size_in_kb',
        'presence_enabled'
      ],
      divisible: true
    }
  },
  thirdPartyAuth: {
    path: '/config/auth/third-party-auth',
    shape: z.array(z.looseObject({ id: z.string() })),
    absentAt: [],
    inDashboard: 'Authentication, Third-Party Auth',
    apply: null
  },
  ssoProviders: {
    path: '/config/auth/sso/providers',
    shape: z.looseObject({ items: z.array(z.looseObject({ id: z.string() })) }),
    // "SAML 2.0 support is not enabled for this project"
    absentAt: [404],
    inDashboard: 'Authentication, Sign In / Providers, SAML',
    apply: null
  },
  signingKeys: {
    path: '/config/auth/signing-keys',
    shape: z.looseObject({ keys: z.array(z.looseObject({ id: z.string() })) }),
    absentAt: [404],
    inDashboard: 'Project Settings, JWT Keys',
    apply: null
  },
  customHostname: {
    path: '/custom-hostname',
    shape: z.looseObject({ custom_hostname: z.string() }),
    // A project without the add-on.
    absentAt: [400, 402, 404],
    inDashboard: 'Project Settings, General, Custom Domains',
    apply: null
  },
  postgres: {
    path: '/config/database/postgres',
    shape: z.record(z.string(), z.unknown()),
    absentAt: [],
    inDashboard: 'Database, Settings',
    apply: {
      method: 'PUT',
      path: '/config/database/postgres',
      settings: postgresSettings,
      // What is not in the body of a PUT may be taken as unset: what the target has goes along.
      body: (changed, _wanted, current) => ({ ...asObject(current), ...asObject(changed) }),
      divisible: true
    }
  },
  sslEnforcement: {
    path: '/ssl-enforcement',
    shape: z.looseObject({ currentConfig: z.looseObject({ database: z.boolean() }) }),
    absentAt: [],
    inDashboard: 'Database, Settings, SSL Configuration',
    apply: {
      method: 'PUT',
      path: '/ssl-enforcement',
      settings: ['currentConfig.database'],
      body: (changed) => ({ requestedConfig: asObject(asObject(changed)['currentConfig']) }),
      divisible: false
    }
  },
  networkRestrictions: {
    path: '/network-restrictions',
    shape: z.looseObject({ config: z.looseObject({}) }),
    absentAt: [],
    inDashboard: 'Database, Settings, Network Restrictions',
    apply: {
      method: 'POST',
      path: '/network-restrictions/apply',
      settings: ['config.dbAllowedCidrs', 'config.dbAllowedCidrsV6'],
      body: (_changed, wanted) => asObject(wanted)['config'],
      divisible: false
    }
  }
}

export function asObject(value: unknown): Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
    ? Object.fromEntries(Object.entries(value))
    : {}
}
