import type { Connection } from '../../clients/postgres/connection.ts'

/** Secrets of Supabase Vault in clear, as `vault.json` holds them: for `vault.create_secret(value, name, description)` after a restore. */
export interface VaultFile {
  readonly secrets: readonly {
    readonly id: string
    readonly name: string | null
    readonly description: string | null
    readonly value: string | null
  }[]
}

/**
 * Reads the decrypted secrets where the session may. Null where there is no vault, it is empty, or reading is refused. Its result is secret: it goes
 * into an encrypted file and nowhere else.
 */
export async function readVault(connection: Connection): Promise<VaultFile | null> {
  const [state] = await connection.query<{
    readable: boolean | null
  }>(`select has_table_privilege(c.oid, 'SELECT') and has_schema_privilege(n.oid, 'USAGE') as readable
from pg_class c join pg_namespace n on n.oid = c.relnamespace
where n.nspname = 'vault' and c.relname = 'decrypted_secrets' and c.relkind = 'v'
  and (select count(*) from pg_attribute a where a.attrelid = c.oid and a.attname in ('id', 'name', 'description', 'decrypted_secret')) = 4`)
  if (state?.readable !== true) return null
  await connection.query('savepoint vault')
  try {
    const secrets = await connection.query<VaultFile['secrets'][number]>(
      'select id::text as id, name, description, decrypted_secret as value from vault.decrypted_secrets order by id'
    )
    return secrets.length === 0 ? null : { secrets }
  } finally {
    if (!connection.broken.aborted) await connection.query('rollback to savepoint vault; release savepoint vault')
  }
}
