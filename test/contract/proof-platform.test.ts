import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { DatabaseFacts } from '../../src/archive/contents-database.ts'
import type { DatabaseProof } from '../../src/sources/database/verify/prove-database.ts'
import { type PostgresServer, startPostgres } from '../kit/postgres/server.ts'
import { capture, openDesk } from './database-capture-setup.ts'
import { prove } from './proof-setup.ts'

/** Registers an extension of which no other server has the files, by the catalog alone. */
const standIn = (name: string, schema: string) =>
  `insert into pg_extension (oid, extname, extowner, extnamespace, extrelocatable, extversion)
values (pg_nextoid('pg_extension', 'oid', 'pg_extension_oid_index'), '${name}', 10, '${schema}'::regnamespace, false, '1.0')`

describe.each([15, 17] as const)('what only the platform has, on PostgreSQL %i', (major) => {
  let server: PostgresServer
  beforeAll(async () => {
    server = await startPostgres({ major })
    await server.query('create role api; create role keeper')
  })
  afterAll(() => server.stop('immediate'))

  const proven = async (
    database: string,
    statements: readonly string[]
  ): Promise<{ facts: DatabaseFacts; proof: DatabaseProof }> => {
    await server.query(`drop database if exists ${database} with (force)`)
    await server.query(`create database ${database}`)
    for (const sql of statements) await server.query(sql, [], server.superuser, database)
    const desk = await openDesk()
    try {
      const { facts } = await capture(desk, server, database)
      return { facts, proof: await prove(desk, facts, major) }
    } finally {
      await desk.remove()
    }
  }

  test('grants on members and on the schema of an extension that the copy has not are not proven, and no difference', async () => {
    const { proof } = await proven('members', [
      'create schema beyond; create schema kept; create table kept.t (a int primary key); insert into kept.t values (1)',
      'create table beyond.jobs (a int); create view beyond.seen as select 1 as one; create sequence beyond.next; create type beyond.mood as enum (); create function beyond.call(a int) returns int language sql as $$ select a $$',
      standIn('acme', 'beyond'),
      'alter extension acme add table beyond.jobs; alter extension acme add view beyond.seen; alter extension acme add sequence beyond.next; alter extension acme add type beyond.mood; alter extension acme add function beyond.call(int)',
      `update pg_extension set extconfig = array['beyond.jobs'::regclass::oid], extcondition = array[''] where extname = 'acme'`,
      // As a script of the extension leaves it behind: no dump holds this grant.
      `grant usage on schema beyond to api; insert into pg_init_privs select oid, 'pg_namespace'::regclass, 0, 'e', nspacl from pg_namespace where nspname = 'beyond'`,
      `grant select on beyond.jobs, beyond.seen to api; grant usage on sequence beyond.next to api; grant usage on type beyond.mood to api; grant execute on function beyond.call(int) to api with grant option; revoke execute on function beyond.call(int) from public`
    ])
    expect(proof.findings.filter(({ kind }) => kind === 'difference')).toEqual([])
    expect(proof).toMatchObject({ level: 'restore', tables: { differing: 0 } })
    const told = proof.findings.map(({ kind, subject }) => `${kind} ${subject}`)
    for (const subject of [
      'schema beyond',
      'table beyond.jobs',
      'table beyond.seen',
      'sequence beyond.next',
      'type beyond.mood',
      'function beyond.call(integer)'
    ])
      expect(told).toContain(`notProven grants on ${subject}`)
  })

  test('grants that an extension made itself are found, whoever owns its objects in the source', async () => {
    const { proof } = await proven('owned', [
      'create schema own; create extension hstore schema own',
      'alter function own.hstore(record) owner to keeper; revoke execute on function own.hstore(record) from public; grant execute on function own.hstore(record) to api',
      // The owner changed after the extension's script had noted its grants.
      `update pg_proc set proacl = '{keeper=X/keeper,=X/keeper}', proowner = 'keeper'::regrole where oid = 'own.akeys(own.hstore)'::regprocedure`,
      `insert into pg_init_privs values ('own.akeys(own.hstore)'::regprocedure, 'pg_proc'::regclass, 0, 'e', '{${server.superuser}=X/${server.superuser},=X/${server.superuser}}')`
    ])
    expect(proof.findings.filter(({ kind }) => kind === 'difference')).toEqual([])
    expect(proof.level).toBe('restore')
  })
})
