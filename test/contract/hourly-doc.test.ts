import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { loadSupabase } from '../kit/fixture/load.ts'
import { type PostgresServer, startPostgres } from '../kit/postgres/server.ts'

let server: PostgresServer
let blocks: string[]

/** pg_net as far as the recipe uses it: the same arguments, and a queue instead of a request. */
const pgNet = `create schema net;
create table net.queue (url text, body jsonb, headers jsonb, timeout_milliseconds int);
create table net._http_response (id bigint, status_code int, error_msg text, created timestamptz);
create function net.http_post(url text, body jsonb default '{}', params jsonb default '{}',
  headers jsonb default '{"Content-Type": "application/json"}', timeout_milliseconds int default 5000) returns bigint
language sql as 'insert into net.queue values (url, body, headers, timeout_milliseconds) returning 1::bigint';
grant usage on schema net to postgres; grant all on all tables in schema net to postgres;`

beforeAll(async () => {
  const text = await readFile(join(import.meta.dirname, '../../docs/hourly.md'), 'utf8')
  blocks = [...text.matchAll(/^```sql\n(.*?)^```$/gms)].map((match) => match[1] ?? '')
  server = await startPostgres({ major: 15, auth: 'scram', password: 'correct horse battery staple' })
  await loadSupabase(server)
  await server.query(pgNet, [], undefined, 'postgres')
})
afterAll(() => server.stop())

test('the recipe of docs/hourly.md asks GitHub by its rules, as `postgres`, and leaves the token in the Vault alone', async () => {
  const asPostgres = (sql: string) => server.query(sql, [], 'postgres', 'postgres')
  // The server of the tests has stand-ins for the two extensions.
  await asPostgres((blocks[0] ?? '').replaceAll(/^create extension .*$/gm, ''))
  const jobs = await asPostgres('select schedule, command from cron.job where jobname = $$backup-clock$$')
  expect(jobs.rows).toHaveLength(1)
  expect(jobs.rows[0]?.schedule).toBe('7 * * * *')
  expect(jobs.rows[0]?.command).not.toContain('github_pat_')

  await asPostgres(jobs.rows[0]?.command)
  const { rows } = await asPostgres('select * from net.queue')
  expect(rows).toEqual([
    {
      url: 'https://api.github.com/repos/OWNER/REPOSITORY/actions/workflows/hourly.yml/dispatches',
      body: { ref: 'main' },
      headers: {
        accept: 'application/vnd.github+json',
        authorization: 'Bearer github_pat_TOKEN',
        'content-type': 'application/json',
        'user-agent': 'backup-clock',
        'x-github-api-version': '2022-11-28'
      },
      timeout_milliseconds: 10_000
    }
  ])
  expect((await asPostgres(blocks[1] ?? '')).fields.map(({ name }) => name)).toEqual([
    'created',
    'status_code',
    'error_msg'
  ])
  await asPostgres("select cron.unschedule('backup-clock')")
  expect((await asPostgres('select 1 from cron.job where jobname = $$backup-clock$$')).rows).toEqual([])
})
