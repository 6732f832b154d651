/** Schemas that the platform makes for itself in every project. Source: supabase/cli, dump scripts; supabase/postgres, migrations. */
export const platformSchemas: ReadonlySet<string> = new Set([
  '_analytics',
  '_realtime',
  '_supavisor',
  'auth',
  'extensions',
  'graphql',
  'graphql_public',
  'pgbouncer',
  'pgsodium',
  'pgsodium_masks',
  'realtime',
  'storage',
  'supabase_functions',
  'supabase_migrations',
  'vault'
])

/** Names that the platform and its extensions use, too, and users as well: whose it is tells the owner. */
export const sharedSchemas: ReadonlySet<string> = new Set([
  'cron',
  'dbdev',
  'etl',
  'net',
  'pgmq',
  'pgtle',
  'repack',
  'tiger',
  'tiger_data',
  'topology'
])
