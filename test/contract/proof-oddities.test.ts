import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { DatabaseFacts } from '../../src/archive/contents-database.ts'
import type { DatabaseProof } from '../../src/sources/database/proof/prove-database.ts'
import { type PostgresServer, startPostgres } from '../kit/postgres/server.ts'
import { capture, openDesk } from './database-capture-setup.ts'
import { clientOf, damagingRestore, prove } from './proof-setup.ts'

describe.each([15, 17] as const)('what the proof makes of oddities on PostgreSQL %i', (major) => {
  let server: PostgresServer
  beforeAll(async () => {
    server = await startPostgres({ major })
  })
  afterAll(() => server.stop('immediate'))

  /** Makes a database by `sql`, captures it, proves it; `damage` is done to the copy. */
  const proven = async (
    database: string,
    sql: string,
    damage?: string
  ): Promise<{ facts: DatabaseFacts; proof: DatabaseProof }> => {
    await server.query(`drop database if exists ${database} with (force)`)
    await server.query(`create database ${database}`)
    await server.query(sql, [], server.superuser, database)
    const desk = await openDesk()
    try {
      const { facts } = await capture(desk, server, database)
      const program = damage === undefined ? undefined : await damagingRestore(desk, major, damage)
      return { facts, proof: await prove(desk, facts, major, { clientPrograms: async () => clientOf(major, program) }) }
    } finally {
      await desk.remove()
    }
  }

  test('a security label whose provider is not loaded is left out by name, and hinders nothing', async () => {
    const { proof } = await proven(
      'labelled',
      `create table t (a int); create table "odd on" ("b c" int); insert into t values (1); set allow_system_table_mods = on;
insert into pg_seclabel select o, 'pg_class'::regclass, n, 'pgsodium', 'x' from (values ('t'::regclass, 1), ('t', 0), ('"odd on"', 1)) v (o, n)`
    )
    expect(proof).toMatchObject({ level: 'restore', tables: { restore: 2, differing: 0 } })
    expect(proof.findings).toEqual(
      ['table column public."odd on"."b c"', 'table column public.t.a', 'table public.t'].map((on) => ({
        kind: 'notProven',
        subject: `security label pgsodium on ${on}`,
        detail: "it needs the provider pgsodium, which the copy's server does not have loaded"
      }))
    )
  })
})
