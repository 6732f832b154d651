import type { DatabaseFacts } from '../../archive/contents-database.ts'
import type { Connection } from '../../clients/postgres/connection.ts'
import { userSchemas } from './catalog.ts'

type NotCaptured = DatabaseFacts['notCaptured'][number]

/** What a dump of this database does not hold, from the catalog, in one round trip. */
export async function readNotCaptured(
  connection: Connection,
  options: { readonly vault: boolean; readonly standby: boolean }
): Promise<NotCaptured[]> {
  const unlogged = options.standby
    ? `union all select 'rows of the unlogged table ' || c.oid::regclass::text, 'a replica cannot read them'
from pg_class c join pg_namespace n on n.oid = c.relnamespace where c.relkind = 'r' and c.relpersistence = 'u' and ${userSchemas}`
    : ''
  const rows = await connection.query<{ what: string; reason: string }>(`
select 'subscription ' || quote_ident(s.subname) as what, 'its connection string is a secret of the server; make it again by hand' as reason
from pg_subscription s join pg_database d on d.oid = s.subdbid and d.datname = current_database()
union all select 'tablespace of ' || c.oid::regclass::text, 'tablespaces are folders of the server; the object itself is kept'
from pg_class c join pg_namespace n on n.oid = c.relnamespace where c.reltablespace <> 0 and c.relkind in ('r', 'i', 'm', 'p', 'I') and ${userSchemas}
union all select 'index ' || x.indexrelid::regclass::text, 'it is not valid: building it was never finished'
from pg_index x join pg_class c on c.oid = x.indrelid join pg_namespace n on n.oid = c.relnamespace
where not (x.indisvalid and x.indisready) and c.relkind <> 'p' and ${userSchemas}
union all select distinct 'switched-off state of the foreign key ' || quote_ident(k.conname) || ' on ' || k.conrelid::regclass::text, 'a restored copy checks it again'
from pg_trigger t join pg_constraint k on k.oid = t.tgconstraint join pg_namespace n on n.oid = k.connamespace
where t.tgisinternal and t.tgenabled <> 'O' and ${userSchemas}
union all select 'password of user mapping ' || usename || ' on ' || quote_ident(srvname), 'the role may not read its options'
from pg_user_mappings where umoptions is null and umuser <> 0 and not (select rolsuper from pg_roles where rolname = current_user)
${unlogged}
order by 1`)
  const roles = await connection.query<{ login: string }>(
    `select count(*)::text as login from pg_roles where rolcanlogin and rolname !~ '^pg_'`
  )
  const vault = await connection.query<{ there: boolean }>(`select to_regclass('vault.secrets') is not null as there`)
  return [
    ...rows,
    ...(roles[0]?.login === '0'
      ? []
      : [{ what: 'passwords of roles', reason: 'they are never read; set them again after a restore' }]),
    ...(vault[0]?.there === true && !options.vault
      ? [
          {
            what: 'values of Vault secrets',
            reason: 'they are encrypted by a key outside the database; only an encrypted backup keeps them in clear'
          }
        ]
      : [])
  ]
}
