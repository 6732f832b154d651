import type { Connection } from '../../../clients/postgres/connection.ts'
import { sqlStateOf } from '../../../clients/postgres/server-error.ts'

/** Secrets of Supabase Vault in clear, as `vault.json` holds them: for `vault.create_secret(value, name, description)` after a restore. */
export interface VaultFile {
  readonly secrets: readonly {
    readonly id: string
    readonly name: string | null
    readonly description: string | null
    /** Null: the database itself cannot decrypt it, as after a move without the key of the project that it came from. */
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
  const secrets = await attempt(connection, () =>
    connection.query<Secret>(
      'select id::text as id, name, description, decrypted_secret as value from vault.decrypted_secrets order by id'
    )
  )
  if (secrets !== null) return secrets.length === 0 ? null : { secrets }
  return { secrets: await readOneByOne(connection) }
}

type Secret = VaultFile['secrets'][number]

/** One that cannot be decrypted must not hide the others. */
async function readOneByOne(connection: Connection): Promise<Secret[]> {
  const list = (from: string) =>
    connection.query<Omit<Secret, 'value'>>(`select id::text as id, name, description from ${from} order by id`)
  // The view may decrypt each of its rows even where nobody asks for that.
  const listed = (await attempt(connection, () => list('vault.secrets'))) ?? (await list('vault.decrypted_secrets'))
  const secrets: Secret[] = []
  for (const each of listed) {
    const rows = await attempt(connection, () =>
      connection.query<Pick<Secret, 'value'>>(
        'select decrypted_secret as value from vault.decrypted_secrets where id::text = $1',
        [each.id]
      )
    )
    secrets.push({ ...each, value: rows?.[0]?.value ?? null })
  }
  return secrets
}

/** Null where the server refused it for what it read; the transaction goes on. */
async function attempt<T>(connection: Connection, work: () => Promise<T>): Promise<T | null> {
  await connection.query('savepoint vault')
  try {
    return await work()
  } catch (error) {
    // Without a state the connection broke; the classes are those of a server that ends, is full or is in the way.
    if (connection.broken.aborted || /^(?:08|53|55|57|$)/.test(sqlStateOf(error) ?? '')) throw error
    return null
  } finally {
    if (!connection.broken.aborted) await connection.query('rollback to savepoint vault; release savepoint vault')
  }
}
