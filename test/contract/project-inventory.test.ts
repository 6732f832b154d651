import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { PostgresServer } from '../kit/postgres/server.ts'
import { type Catalog, differences, readCatalog, readInventory, readRights } from '../kit/project/catalog.ts'
import { loadProject, startProjectServer } from '../kit/project/load.ts'

interface Accepted {
  /** Why the fixture is otherwise. */
  readonly because: string
  readonly lines: RegExp
  /** The only major version where it is so. */
  readonly on?: 15
}

const inCatalog: readonly Accepted[] = [
  {
    because: 'supautils runs CREATE EXTENSION as supabase_admin; here the functions after it run as their owner',
    lines: /^. functions: extensions\.grant_pg_(cron|net)_access\(\)/
  },
  {
    because: 'supautils lets postgres set it without a privilege',
    lines: /^\+ parameters: session_replication_role: postgres=s/
  },
  {
    because: 'the inventory leaves out what is more than a constant',
    lines: /^. columns: auth\.oauth_authorizations\.15 expires_at /
  }
]

// Each is a statement whose outcome the library supautils changes: no SQL can stand in for it.
const inRights: readonly Accepted[] = [
  { because: 'it lets postgres own event triggers', lines: /create event trigger mine/ },
  {
    because: 'it lets postgres make policies on tables of the platform',
    lines: /create policy mine on (auth|realtime|storage)/
  },
  { because: 'it lets postgres drop triggers on tables of the platform', lines: /drop trigger \w+ on (auth|storage)/ },
  { because: 'it lets postgres publish whole schemas', lines: /create publication mine for/ },
  { because: 'it lets postgres make wrappers', lines: /foreign data wrapper/ },
  { because: 'it lets postgres give BYPASSRLS and REPLICATION', lines: /create role mine.* bypassrls/, on: 15 },
  {
    because: 'it lets postgres set some settings of superusers',
    lines: /(set|alter role postgres set) (log_min_messages|track_io_timing)|set pgrst\./
  },
  { because: 'it treats postgres as the owner of extensions', lines: /(alter|drop|comment on) extension/ },
  {
    because: 'it reserves the roles of the platform',
    lines: /alter role (anon|service_role|supabase_auth_admin)|grant (authenticator|supabase_auth_admin) to mine/
  },
  { because: 'the test server has no pgvector', lines: /create extension vector/ }
]

/** Differences without a reason, and reasons without a difference. */
function unexplained(found: readonly string[], accepted: readonly Accepted[], major: 15 | 17): unknown[] {
  const here = accepted.filter(({ on }) => on === undefined || on === major)
  return [
    ...found.filter((line) => !here.some(({ lines }) => lines.test(line))),
    ...here.filter(({ lines }) => !found.some((line) => lines.test(line)))
  ]
}

describe.each([15, 17] as const)('the fixture of a new project on PostgreSQL %i', (major) => {
  let server: PostgresServer
  let inventory: Catalog
  beforeAll(async () => {
    server = await startProjectServer(major)
    await loadProject(server)
    inventory = await readInventory(major)
  })
  afterAll(() => server.stop())

  it('has the catalog of the inventory, but for what is named here', async () => {
    const { 'postgres may': _, ...expected } = inventory
    const found = differences(expected, await readCatalog(server))
    expect(unexplained(found, inCatalog, major)).toEqual([])
  })

  it('lets postgres do what the inventory says, but for what takes the library supautils', async () => {
    const expected = { 'postgres may': inventory['postgres may'] ?? [] }
    const found = differences(expected, await readRights(server, inventory))
    expect(unexplained(found, inRights, major)).toEqual([])
  })

  it('has extensions that a stock server of the same version lacks', async () => {
    const available = await server.run('psql', ['-XAtc', 'select name from pg_available_extensions'])
    for (const name of ['supabase_vault', 'pg_net', 'pgmq', 'pg_cron', 'pg_graphql'])
      expect(available.stdout.toString().split('\n')).toContain(name)
    const client = await server.connect('postgres')
    for (const name of ['pg_cron', 'pg_net', 'pgmq', 'hstore']) await client.query(`create extension ${name}`)
    const made = await client.query(
      `select extname, extowner::regrole::text as owner from pg_extension where extname in ('pg_cron', 'pg_net', 'pgmq', 'hstore') order by 1`
    )
    await client.query("select pgmq.create('jobs')")
    const queue = await client.query(
      `select deptype from pg_depend where objid = 'pgmq.q_jobs'::regclass and refclassid = 'pg_extension'::regclass`
    )
    await client.end()
    expect(made.rows).toEqual([
      { extname: 'hstore', owner: 'supabase_admin' },
      { extname: 'pg_cron', owner: 'supabase_admin' },
      { extname: 'pg_net', owner: 'supabase_admin' },
      { extname: 'pgmq', owner: 'postgres' }
    ])
    expect(queue.rows).toEqual([{ deptype: 'e' }])
  })
})
