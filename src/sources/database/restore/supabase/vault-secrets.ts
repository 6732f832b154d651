import { z } from 'zod'
import type { Connection } from '../../../../clients/postgres/connection.ts'
import { sqlStateOf } from '../../../../clients/postgres/server-error.ts'
import type { Finding } from '../../../source.ts'
import { tellSecretsBeyond } from '../replace/report-extra-objects.ts'

/** What `vault.json` of a backup must be. */
const vaultSchema = z.object({
  secrets: z.array(
    z.object({
      id: z.string(),
      name: z.string().nullable(),
      description: z.string().nullable(),
      value: z.string().nullable()
    })
  )
})
type Secret = z.infer<typeof vaultSchema>['secrets'][number]

/** A secret whose id in the target is another than in the source. */
export interface ChangedId {
  readonly name: string | null
  readonly from: string
  readonly to: string
}

export interface BroughtSecrets {
  readonly changed: readonly ChangedId[]
  readonly findings: readonly Finding[]
}

export function parseVault(json: string): readonly Secret[] {
  return vaultSchema.parse(JSON.parse(json)).secrets
}

/**
 * Makes the secrets of Vault again that the target does not have, under their ids where the role may write the table. No value gets into a finding. With
 * `beyond` those are listed, too, that the target alone has.
 */
export async function bringSecrets(
  connection: Connection,
  secrets: readonly Secret[],
  beyond: boolean
): Promise<BroughtSecrets> {
  const findings: Finding[] = beyond ? await tellSecretsBeyond(connection, secrets) : []
  const changed: ChangedId[] = []
  const insert = await insertStatement(connection)
  const taken = new Set<string>()
  for (const secret of secrets) {
    const subject = `Vault secret ${secret.name ?? secret.id}`
    const known = await idOf(connection, secret)
    // An earlier restore may have made it already, under an id that the Vault gave it.
    const there = known ?? (secret.name === null ? await idOfEqual(connection, secret, taken) : null)
    if (there !== null) {
      taken.add(there)
      const which =
        secret.name === null ? (known === null ? 'an equal secret' : 'this very secret') : 'a secret of this name'
      findings.push({ kind: 'note', subject, detail: `the target has ${which}: it was left as it is` })
      if (there !== secret.id) changed.push({ name: secret.name, from: secret.id, to: there })
      continue
    }
    if (secret.value === null) {
      findings.push({ kind: 'todo', subject, detail: 'the backup could not read it: set it again' })
      continue
    }
    const made = await make(connection, secret, secret.value, insert)
    // The server's message may quote a value.
    if ('refused' in made)
      findings.push({ kind: 'todo', subject, detail: `the target refused it [${made.refused}]: set it again` })
    else {
      taken.add(made.id)
      if (made.id !== secret.id) changed.push({ name: secret.name, from: secret.id, to: made.id })
    }
  }
  return { changed, findings }
}

/** The id of a secret that the target has already. */
async function idOf(connection: Connection, { id, name }: Secret): Promise<string | null> {
  const [there] = await connection.query<{ id: string }>(
    `select id::text as id from vault.secrets where ${name === null ? 'id::text' : 'name'} = $1`,
    [name ?? id]
  )
  return there?.id ?? null
}

/** The id of a secret without a name that is equal, and that none of those before was found to be. */
async function idOfEqual(
  connection: Connection,
  { value, description }: Secret,
  taken: ReadonlySet<string>
): Promise<string | null> {
  if (value === null) return null
  const found = await attempt(connection, async () => {
    const rows = await connection.query<{ id: string }>(
      `select id::text as id from vault.decrypted_secrets where name is null and coalesce(description, '') = $2 and decrypted_secret = $1 order by created_at, id`,
      [value, description ?? '']
    )
    return rows.find(({ id }) => !taken.has(id))?.id ?? null
  })
  return found.made
}

async function make(
  connection: Connection,
  secret: Secret,
  value: string,
  insert: string | null
): Promise<{ readonly id: string } | { readonly refused: string }> {
  const { id, name, description } = secret
  if (insert !== null) {
    const kept = await attempt(connection, async () => {
      await connection.query(insert, [id, name, description ?? '', value])
      // Who may write the table may write into it what the Vault cannot read.
      const [row] = await connection.query<{ same: boolean }>(
        'select decrypted_secret = $2 as same from vault.decrypted_secrets where id = $1::uuid',
        [id, value]
      )
      return row?.same === true ? id : null
    })
    if (kept.made !== null) return { id: kept.made }
  }
  const made = await attempt(connection, async () => {
    const [row] = await connection.query<{ id: string }>('select vault.create_secret($1, $2, $3)::text as id', [
      value,
      name,
      description ?? ''
    ])
    return row?.id ?? null
  })
  return made.made === null ? { refused: made.state } : { id: made.made }
}

/** A statement that makes a secret under its id, where the role may: as the Vault's own function does it, which makes a new id each time. */
async function insertStatement(connection: Connection): Promise<string | null> {
  const [may] = await connection.query<{ insert: boolean; encrypt: boolean }>(`select
  has_table_privilege('vault.secrets', 'INSERT') as insert,
  coalesce((select bool_and(has_function_privilege(p.oid, 'EXECUTE')) and count(distinct p.proname) = 2 from pg_proc p join pg_namespace n on n.oid = p.pronamespace
    where n.nspname = 'vault' and p.proname in ('_crypto_aead_det_encrypt', '_crypto_aead_det_noncegen')), false) as encrypt`)
  if (may?.insert !== true) return null
  if (!may.encrypt) return 'insert into vault.secrets (id, name, description, secret) values ($1::uuid, $2, $3, $4)'
  return `insert into vault.secrets (id, name, description, secret, nonce)
select $1::uuid, $2, $3, encode(vault._crypto_aead_det_encrypt(message := convert_to($4, 'utf8'), additional := convert_to($1::uuid::text, 'utf8'),
  key_id := 0::bigint, context := 'pgsodium'::bytea, nonce := n.nonce), 'base64'), n.nonce
from (select vault._crypto_aead_det_noncegen() as nonce) n`
}

/** What `work` gives; null, and nothing of it happened, where it gave null or the server refused it. */
async function attempt(
  connection: Connection,
  work: () => Promise<string | null>
): Promise<{ readonly made: string | null; readonly state: string }> {
  await connection.query('savepoint secret')
  let state = ''
  try {
    const made = await work()
    if (made !== null) {
      await connection.query('release savepoint secret')
      return { made, state }
    }
  } catch (error) {
    state = sqlStateOf(error) ?? ''
    if (connection.broken.aborted || state === '') throw error
  }
  await connection.query('rollback to savepoint secret; release savepoint secret')
  return { made: null, state }
}

/** Whether the target has a Vault of the platform that secrets can be given to. */
export async function hasVault(connection: Connection): Promise<boolean> {
  const [row] = await connection.query<{
    there: boolean
  }>(`select exists (select from pg_proc p join pg_namespace n on n.oid = p.pronamespace
where n.nspname = 'vault' and p.proname = 'create_secret' and has_function_privilege(p.oid, 'EXECUTE')) as there`)
  return row?.there === true
}
