import { kind, type OddDatabase } from './odd-database.ts'

/** Rights, schemas, encodings and casts that a database was given. */
export const servers: readonly OddDatabase[] = [
  ...kind(
    'what is refused to a user without special rights, and what hangs on it',
    { as: 'postgres', restore: ['complete', 'partial'] },
    {
      'a policy over a function': {
        differs: /sure|see/,
        restoreTold: /sure/,
        before: `create function public.sure(v text) returns boolean language sql immutable leakproof as 'select true'; alter function public.sure(text) owner to postgres`,
        sql: `create table public.t (id int primary key, v text); insert into public.t values (1, 'x'); alter table public.t enable row level security;
          create policy see on public.t for select using (public.sure(v)); grant select on public.t to anon;`
      },
      'an operator class and its family': {
        differs: /OPERATOR|t_v/,
        before: `create operator class public.oc for type int4 using btree as operator 1 <, operator 2 <=, operator 3 =, operator 4 >=, operator 5 >, function 1 btint4cmp(int, int);`,
        sql: `create table public.t (v int); insert into public.t values (1);`,
        after: 'create index t_v on public.t (v public.oc)'
      },
      'a server, its user mapping and a foreign table': {
        differs: /far|fetch/,
        before: `create foreign data wrapper fetch; grant usage on foreign data wrapper fetch to postgres;`,
        sql: `create server far foreign data wrapper fetch; create user mapping for postgres server far options (key 'v'); create foreign table public.far (id int options (k 'v')) server far;
          create table public.t (id int); insert into public.t values (1); create view public.near as select 1 as far_away;`
      },
      'a wrapper of the superuser': {
        differs: /fw|sv|ft/,
        before: `create foreign data wrapper fw; create server sv foreign data wrapper fw; create foreign table public.ft (a int options (x 'y')) server sv;`,
        sql: `create table public.t (id int primary key); insert into public.t values (1);`
      },
      'a type in C, a cast and an access method': {
        differs: /CAST|ACCESS METHOD|low/,
        before: `create access method heapish type table handler heap_tableam_handler; create type public.low as (v int); create cast (public.low as text) with inout as assignment;`,
        sql: `create table public.t (v public.low); insert into public.t values (row(1));`
      },
      'an event trigger of the user': {
        differs: /noticed/,
        sql: `create function public.noticed() returns event_trigger language plpgsql as 'begin end'; create table public.t (id int); insert into public.t values (1);`,
        after: `create event trigger noticed on ddl_command_end execute function public.noticed(); update pg_event_trigger set evtowner = 'postgres'::regrole where evtname = 'noticed'`
      }
    }
  ),
  ...kind(
    'a database with a client encoding of its own',
    { as: 'postgres', after: `alter database "$database" set client_encoding = 'LATIN1'` },
    {
      'and text that it cannot hold': {
        sql: `create table public.t (id int, v text); insert into public.t values (1, '7 \u20ac'), (2, '\u732b');`
      },
      'and text that it can': {
        sql: `create table public.t (id int, v text); insert into public.t values (1, 'Fu\u00df');`
      },
      'and names that it cannot hold': {
        sql: `create table public."\u0436urnal" (id int, "\u732b" text); insert into public."\u0436urnal" values (1, 'a'); comment on table public."\u0436urnal" is '\u20ac'`
      }
    }
  ),
  ...kind(
    'a database in another encoding',
    {},
    {
      'LATIN1, with names beyond ASCII': {
        create: `template template0 encoding 'LATIN1' lc_collate 'C' lc_ctype 'C'`,
        sql: `set client_encoding = 'UTF8'; create table public."Stra\u00dfe" (id int, v text check (v <> '\u00fc')); insert into public."Stra\u00dfe" values (1, '\u00e4'), (2, 'a'); comment on table public."Stra\u00dfe" is 'gro\u00df';`
      },
      'LATIN9, with the euro': {
        create: `template template0 encoding 'LATIN9' lc_collate 'C' lc_ctype 'C'`,
        sql: `set client_encoding = 'UTF8'; create table public.t (v text default '\u20ac'); insert into public.t values ('5 \u20ac'); create function public."preis\u20ac"() returns text language sql as $$ select '\u20ac' $$;`
      },
      'SQL_ASCII, with bytes of any kind': {
        create: `template template0 encoding 'SQL_ASCII' lc_collate 'C' lc_ctype 'C'`,
        backup: ['complete', 'unproven', 'partial'],
        restore: ['complete', 'partial'],
        sql: `create table public.t (id int, v text); insert into public.t values (1, 'plain');`
      }
    }
  ),
  ...kind(
    'casts and operators that make others ambiguous',
    {},
    {
      'an implicit cast of numbers to text': {
        sql: 'create cast (integer as text) with inout as implicit; create table public.t (id int); insert into public.t values (1);'
      },
      'of names and of booleans': {
        sql: 'create cast (boolean as text) with inout as implicit; create cast (bigint as text) with inout as implicit; create cast (oid as text) with inout as implicit; create table public.t (id int);'
      },
      'an operator of the user with a name of the catalog': {
        sql: `create function public.join_them(int, text) returns text language sql immutable as $$ select 'x' $$; create operator public.|| (leftarg = int, rightarg = text, function = public.join_them); create table public.t (id int);`
      },
      'functions with names of the catalog, first on the path': {
        before: `alter database "$database" set search_path = public, pg_catalog`,
        sql: `create function public.format(text, variadic "any") returns text language internal immutable as 'text_format'; create function public.now() returns timestamptz language sql as $$ select 'epoch'::timestamptz $$; create table public.t (id int); insert into public.t values (1);`
      }
    }
  ),
  ...kind(
    'a schema public that is not what it was',
    {},
    {
      absent: {
        sql: 'create schema app; create table app.t (id int primary key); insert into app.t values (1); drop schema public'
      },
      'renamed, and made anew': {
        differs: /SCHEMA (old_)?public/,
        sql: `alter schema public rename to old_public; create table old_public.t (id int primary key); insert into old_public.t values (1); create schema public; create table public.t (id int references old_public.t);`
      },
      'of another owner': {
        sql: `do $$ begin if to_regrole('chief') is null then create role chief; end if; end $$; alter schema public owner to chief; create table public.t (id int)`
      },
      'closed to everybody, in a project': {
        as: 'postgres',
        sql: `revoke usage on schema public from anon, public; create table public.t (id int primary key); insert into public.t values (1);
          alter table public.t enable row level security; create policy see on public.t for select using (true); grant select on public.t to anon;`
      },
      'absent in a project': {
        as: 'postgres',
        restore: ['complete', 'partial'],
        sql: 'create schema app; create table app.t (id int); insert into app.t values (1); drop schema public'
      },
      'with a comment of its own and rights of columns': {
        as: 'postgres',
        restore: ['complete', 'partial'],
        differs: /COMMENT ON SCHEMA public/,
        sql: `comment on schema public is 'ours'; create table public.t (id int, v text); grant select (id) on public.t to anon; revoke all on public.t from authenticated;`
      }
    }
  ),
  ...kind(
    'an event trigger that notes what is made',
    {},
    {
      'with a materialized view': {
        sql: `create table public.log_of (tag text); create function public.note_it() returns event_trigger language plpgsql as 'begin insert into public.log_of values (tg_tag); end';
          create materialized view public.m as select 1 as one; create event trigger note_it on ddl_command_end execute function public.note_it();`
      },
      'that refuses tables without a comment': {
        sql: `create table public.t (id int); insert into public.t values (1); create function public.no() returns event_trigger language plpgsql as $$ begin raise exception 'not today'; end $$;
          create event trigger no on ddl_command_start when tag in ('CREATE TABLE', 'CREATE INDEX') execute function public.no();`
      },
      'on what is dropped, and two materialized views': {
        sql: `create table public.log_of (tag text); create function public.note_it() returns event_trigger language plpgsql as 'begin insert into public.log_of values (tg_tag); end';
          create materialized view public.m as select 1 as one; create materialized view public.n as select one from public.m; create unique index on public.n (one);
          create event trigger note_it on sql_drop execute function public.note_it(); create event trigger note_too on ddl_command_start execute function public.note_it();`
      }
    }
  )
]
