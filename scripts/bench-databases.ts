import type { PostgresServer } from '../test/kit/postgres/server.ts'

export const databaseNames = ['empty', 'medium', 'mixed', 'large', 'tables'] as const
export type DatabaseName = (typeof databaseNames)[number]

export const descriptions: Readonly<Record<DatabaseName, string>> = {
  empty: 'an empty database',
  medium: 'about 100 MB as text, 30 tables',
  mixed: 'about 300 MB as text, half of it in one table, the rest in 30',
  large: 'about 1 GB as text, one large table and pgbench',
  tables: '2,000 small tables'
}

// About a third of a row's bytes are random and do not compress; the rest is words, JSON and numbers as applications
// have them.
const columns = `
  id bigint generated always as identity primary key,
  account uuid not null,
  created_at timestamptz not null,
  kind text not null,
  amount numeric(12, 2) not null,
  payload jsonb not null,
  note text,
  fingerprint bytea not null`

function rows(table: string, count: number): string {
  return `
    insert into ${table} (account, created_at, kind, amount, payload, note, fingerprint)
    select
      gen_random_uuid(),
      timestamptz '2026-01-01' + n * interval '7 seconds',
      (array['signup', 'login', 'purchase', 'refund', 'message', 'upload'])[1 + (n * 7) % 6],
      round((random() * 900)::numeric, 2),
      jsonb_build_object(
        'session', md5(random()::text),
        'path', '/products/' || (n % 977) || '/reviews',
        'agent', (array['Mozilla/5.0 (X11; Linux x86_64)', 'Mozilla/5.0 (Macintosh)', 'okhttp/4.12.0'])[1 + n % 3],
        'tags', jsonb_build_array('t' || n % 50, 't' || n % 13),
        'score', round((random() * 100)::numeric, 3)
      ),
      case when n % 3 > 0 then
        repeat((array['please send it before noon ', 'customer asked about the invoice ', 'delivered to the neighbour ',
          'second reminder about the open amount '])[1 + (n * 13) % 4], 1 + n % 4)
      end,
      decode(md5(random()::text) || md5(random()::text), 'hex')
    from generate_series(1, ${count}) as n;`
}

function table(name: string, count: number): string {
  return `create table ${name} (${columns});
    ${rows(name, count)}
    create index on ${name} (account);
    create index on ${name} (created_at);`
}

/** Makes one of the databases. The same sizes at each run; the random bytes differ. */
export async function makeDatabase(server: PostgresServer, name: DatabaseName): Promise<void> {
  await server.query(`create database ${name}`)
  const run = (sql: string) => server.query(sql, [], server.superuser, name)
  if (name === 'medium') {
    for (let index = 1; index <= 30; index += 1) await run(table(`events_${index}`, 9_300))
  } else if (name === 'mixed') {
    await run(table('events', 420_000))
    for (let index = 1; index <= 30; index += 1) await run(table(`events_${index}`, 14_000))
  } else if (name === 'large') {
    await run(table('events', 2_000_000))
    const filled = await server.run('pgbench', ['-i', '-q', '-s', '25'], { database: name })
    if (filled.code !== 0) throw new Error(`pgbench failed: ${filled.stderr}`)
  } else if (name === 'tables') {
    for (let first = 1; first <= 2000; first += 100) {
      let sql = ''
      for (let index = first; index < first + 100; index += 1) {
        sql += `create table small_${index} (id bigint generated always as identity primary key, name text, at timestamptz);
          insert into small_${index} (name, at)
            select 'row ' || n || ' ' || md5(random()::text), timestamptz '2026-01-01' + n * interval '1 hour'
            from generate_series(1, 40) as n;
          create index on small_${index} (at);`
      }
      await run(sql)
    }
  }
  await run('vacuum analyze')
  await run('checkpoint')
}
