import { z } from 'zod'
import type { Connection } from '../../../../clients/postgres/connection.ts'
import { quoteIdentifier } from '../../catalog/quote.ts'
import { refusalOf } from './refusal.ts'

/** Default privileges of one role for one kind of objects, in one schema or everywhere. */
export interface DefaultPrivileges {
  readonly role: string
  readonly schema: string | null
  /** defaclobjtype. */
  readonly kind: string
  readonly grants: readonly {
    readonly grantee: string | null
    readonly privilege: string
    readonly grantable: boolean
  }[]
}

const words: Readonly<Record<string, string>> = {
  r: 'TABLES',
  S: 'SEQUENCES',
  f: 'FUNCTIONS',
  T: 'TYPES',
  n: 'SCHEMAS',
  L: 'LARGE OBJECTS'
}
const grantsSchema = z.array(
  z.object({ grantee: z.string().nullable(), privilege: z.string(), grantable: z.boolean() })
)

/** Those of roles that the session may alter. */
export async function readDefaultPrivileges(connection: Connection): Promise<DefaultPrivileges[]> {
  const rows = await connection.query<{ role: string; schema: string | null; kind: string; grants: string }>(`
select pg_get_userbyid(d.defaclrole)::text as role, n.nspname::text as schema, d.defaclobjtype::text as kind,
  (select json_agg(json_build_object('grantee', case when a.grantee <> 0 then pg_get_userbyid(a.grantee) end, 'privilege', a.privilege_type, 'grantable', a.is_grantable))
    from aclexplode(d.defaclacl) a)::text as grants
from pg_default_acl d left join pg_namespace n on n.oid = d.defaclnamespace
where pg_has_role(d.defaclrole, 'MEMBER') order by d.oid`)
  return rows.map((row) => ({
    role: row.role,
    schema: row.schema,
    kind: row.kind,
    grants: grantsSchema.parse(JSON.parse(row.grants ?? '[]'))
  }))
}

/**
 * Takes them away, so that what is made from here on has the rights that the backup gives it and no more. Returns those that could be: the server
 * lets no other member than one with SET alter them.
 */
export async function clearDefaultPrivileges(
  connection: Connection,
  all: readonly DefaultPrivileges[]
): Promise<DefaultPrivileges[]> {
  const cleared: DefaultPrivileges[] = []
  for (const one of all) if ((await refusalOf(connection, clearing(one))) === null) cleared.push(one)
  return cleared
}

/** Sets them as they were before `clearDefaultPrivileges`, whatever was made of them since. */
export async function resetDefaultPrivileges(connection: Connection, all: readonly DefaultPrivileges[]): Promise<void> {
  for (const now of await readDefaultPrivileges(connection)) await refusalOf(connection, clearing(now))
  for (const one of all) await refusalOf(connection, granting(one))
}

function head(one: DefaultPrivileges): string {
  return `ALTER DEFAULT PRIVILEGES FOR ROLE ${quoteIdentifier(one.role)}${one.schema === null ? '' : ` IN SCHEMA ${quoteIdentifier(one.schema)}`}`
}

const named = (grantee: string | null) => (grantee === null ? 'PUBLIC' : quoteIdentifier(grantee))

function clearing(one: DefaultPrivileges): string {
  const kind = words[one.kind] ?? 'TABLES'
  const grantees = [
    ...new Set([...one.grants.map((grant) => grant.grantee), ...(one.schema === null ? [one.role, null] : [])])
  ]
  const statements = grantees.map((grantee) => `${head(one)} REVOKE ALL ON ${kind} FROM ${named(grantee)}`)
  if (one.schema === null) {
    // Without a schema the list is the whole of what a new object gets: the server's own default is written out.
    statements.push(`${head(one)} GRANT ALL ON ${kind} TO ${quoteIdentifier(one.role)}`)
    if (one.kind === 'f') statements.push(`${head(one)} GRANT EXECUTE ON FUNCTIONS TO PUBLIC`)
    if (one.kind === 'T') statements.push(`${head(one)} GRANT USAGE ON TYPES TO PUBLIC`)
  }
  return statements.join(';\n')
}

function granting(one: DefaultPrivileges): string {
  const kind = words[one.kind] ?? 'TABLES'
  const first =
    one.schema === null ? [`${head(one)} REVOKE ALL ON ${kind} FROM PUBLIC, ${quoteIdentifier(one.role)}`] : []
  return [
    ...first,
    ...one.grants.map(
      (grant) =>
        `${head(one)} GRANT ${grant.privilege} ON ${kind} TO ${named(grant.grantee)}${grant.grantable ? ' WITH GRANT OPTION' : ''}`
    )
  ].join(';\n')
}
