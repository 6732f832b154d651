import type { Connection } from '../../../../clients/postgres/connection.ts'
import { quoteIdentifier } from '../../catalog/quote.ts'
import { objectOf } from '../../pg-archive/entry-sql.ts'
import type { TocEntry } from '../../pg-archive/toc.ts'
import { refusalOf } from './refusal.ts'

interface Kind {
  /** Entries of this kind. */
  readonly matches: RegExp
  /** How a grant calls it. */
  readonly word: string
  /** Where it is found, as `schema` and `tag` of its entry. */
  readonly from: string
  readonly schema: string
  readonly tag: string
  readonly columns: { readonly acl: string; readonly owner: string }
  /** What everybody may where nothing else is said. Source: PostgreSQL, acl.c, acldefault. */
  readonly everybody: string | null
}

const kinds: readonly Kind[] = [
  {
    matches: /^SCHEMA$/,
    word: 'SCHEMA',
    from: 'pg_catalog.pg_namespace c',
    schema: "''",
    tag: 'c.nspname',
    columns: { acl: 'nspacl', owner: 'nspowner' },
    everybody: null
  },
  {
    matches: /^(?:FUNCTION|PROCEDURE)$/,
    word: 'ROUTINE',
    from: 'pg_catalog.pg_proc c join pg_catalog.pg_namespace n on n.oid = c.pronamespace',
    schema: 'n.nspname',
    tag: `c.proname || '(' || pg_catalog.oidvectortypes(c.proargtypes) || ')'`,
    columns: { acl: 'proacl', owner: 'proowner' },
    everybody: 'EXECUTE'
  },
  {
    matches: /^(?:TYPE|DOMAIN)$/,
    word: 'TYPE',
    from: 'pg_catalog.pg_type c join pg_catalog.pg_namespace n on n.oid = c.typnamespace',
    schema: 'n.nspname',
    tag: 'c.typname',
    columns: { acl: 'typacl', owner: 'typowner' },
    everybody: 'USAGE'
  }
]

interface Granted extends Record<string, unknown> {
  name: string
  owner: string
  /** Null: everybody. */
  grantees: (string | null)[]
}

/**
 * Sets the grants of objects that stay to what a new object of their kind has, in the open transaction: the backup's grants, which say what is different from
 * that, then make them what they were. Objects of owners that the role may not act for are left alone.
 */
export async function resetGrants(connection: Connection, entries: readonly TocEntry[]): Promise<void> {
  for (const kind of kinds) {
    const names = entries.flatMap((entry) => {
      const object = kind.matches.test(entry.kind) ? objectOf(entry) : null
      // A schema says of itself that it lies in none.
      const schema = entry.kind === 'SCHEMA' ? '' : entry.schema
      return object === null ? [] : [{ schema, tag: entry.tag, name: object.slice(entry.kind.length + 1) }]
    })
    if (names.length === 0) continue
    const { acl, owner } = kind.columns
    const rows = await connection.query<Granted>(
      `select o.name, pg_catalog.pg_get_userbyid(c.${owner})::text as owner,
  array(select distinct case when a.grantee <> 0 then pg_catalog.pg_get_userbyid(a.grantee)::text end from pg_catalog.aclexplode(c.${acl}) a) as grantees
from ${kind.from} join pg_catalog.json_to_recordset($1::json) as o(schema text, tag text, name text) on ${kind.schema} = o.schema and ${kind.tag} = o.tag
where c.${acl} is not null and pg_catalog.pg_has_role(c.${owner}, 'USAGE')`,
      [JSON.stringify(names)]
    )
    for (const row of rows) await refusalOf(connection, resetting(kind, row))
  }
}

function resetting({ word, everybody }: Kind, { name, owner, grantees }: Granted): string {
  const object = `${word} ${name}`
  const all = [...new Set([owner, null, ...grantees])].map((one) => (one === null ? 'PUBLIC' : quoteIdentifier(one)))
  // The schema public is made with one grant more. Source: PostgreSQL 15, bin/pg_dump/pg_dump.c, getNamespaces.
  const open = everybody ?? (name === '"public"' ? 'USAGE' : null)
  return [
    `REVOKE ALL ON ${object} FROM ${all.join(', ')} CASCADE`,
    `GRANT ALL ON ${object} TO ${quoteIdentifier(owner)}`,
    ...(open === null ? [] : [`GRANT ${open} ON ${object} TO PUBLIC`])
  ].join(';\n')
}
