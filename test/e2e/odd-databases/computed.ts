import { kind, type OddDatabase } from './odd-database.ts'

/** What is computed while rows come in, and comes out otherwise in another place or at another time. */
export const computed: readonly OddDatabase[] = [
  ...kind(
    'a database with ICU as its locale provider',
    { create: `template template0 locale_provider icu icu_locale 'en-US' lc_collate 'C.UTF-8' lc_ctype 'C.UTF-8'` },
    {
      'a generated column over upper': {
        sql: `create table public.names (id int primary key, v text, loud text generated always as (upper(v)) stored);
          insert into public.names (id, v) values (1, 'Gr\u00f6\u00dfe'), (2, '\ufb02ow'), (3, 'x');`
      },
      'a check over the order of texts': {
        sql: `create table public.spans (a text, b text, check (a < b)); insert into public.spans values ('berry', 'Cherry'), ('\u00e4pfel', 'Birne');`
      },
      'partitions by ranges of texts': {
        sql: `create table public.words (w text) partition by range (w); create table public.words_1 partition of public.words for values from ('a') to ('k');
          create table public.words_2 partition of public.words for values from ('k') to ('zzz'); create table public.words_x partition of public.words default;
          insert into public.words values ('Alpha'), ('kilo'), ('Kilo'), ('zulu'), ('_');`
      },
      'a locale and rules of their own': {
        create: `template template0 locale_provider icu icu_locale 'de-u-co-phonebk' lc_collate 'C.UTF-8' lc_ctype 'C.UTF-8'`,
        sql: `create table public.names (v text check (v < 'af')); insert into public.names values ('\u00e4b'), ('aa');`
      },
      rules: {
        majors: [17],
        create: `template template0 locale_provider icu icu_locale 'und' icu_rules '&a < z' lc_collate 'C.UTF-8' lc_ctype 'C.UTF-8'`,
        sql: `create table public.names (v text check (v < 'b')); insert into public.names values ('z'), ('a');`
      },
      'the built-in provider': {
        majors: [17],
        create: `template template0 locale_provider builtin builtin_locale 'C.UTF-8'`,
        sql: `create table public.names (v text, loud text generated always as (upper(v)) stored); insert into public.names (v) values ('\u00e4'), ('stra\u00dfe');`
      }
    }
  ),
  ...kind(
    'a stored generated column that computes otherwise now',
    { ask: 'select count(*) from public.t' },
    {
      'its function was replaced': {
        as: 'postgres',
        otherRows: /public\.t$/,
        ask: 'select id, v from public.t order by 1',
        sql: `create function public.mark(v text) returns text language sql immutable return v || '-old';
          create table public.t (id int primary key, v text, m text generated always as (public.mark(v)) stored);
          insert into public.t values (1, 'a'), (2, 'b'); create or replace function public.mark(v text) returns text language sql immutable return v || '-new';
          insert into public.t values (3, 'c');`
      },
      'a function that it calls was replaced': {
        otherRows: /public\.t$/,
        ask: 'select id, v from public.t order by 1',
        sql: `create function public.inner_of(v int) returns int language plpgsql immutable as 'begin return v; end';
          create function public.outer_of(v int) returns int language plpgsql immutable as 'begin return public.inner_of(v) + 1; end';
          create table public.t (id int primary key, v int, m int generated always as (public.outer_of(v)) stored);
          insert into public.t values (1, 10); create or replace function public.inner_of(v int) returns int language plpgsql immutable as 'begin return v * 2; end';`
      },
      'it hangs on the time zone of the database': {
        before: `alter database "$database" set timezone = 'Pacific/Auckland'`,
        sql: `set timezone = 'Pacific/Auckland'; create function public.day(t timestamptz) returns date language sql immutable as 'select t::date';
          create table public.t (id int primary key, at timestamptz, d date generated always as (public.day(at)) stored);
          insert into public.t values (1, '2026-03-01 20:00:00+00');`
      },
      'it hangs on the date style of the database': {
        before: `alter database "$database" set datestyle = 'German, DMY'`,
        sql: `set datestyle = 'German, DMY'; create function public.shown(d date) returns text language sql immutable as 'select d::text';
          create table public.t (id int primary key, d date, s text generated always as (public.shown(d)) stored); insert into public.t values (1, '2026-03-01');`
      },
      'and partitions that go by what it hangs on': {
        otherRows: /public\.t$/,
        sql: `create function public.age(v int) returns int language sql immutable return v + 1;
          create table public.t (id int, v int, g int generated always as (public.age(v)) stored) partition by range (id);
          create table public.t_1 partition of public.t for values from (0) to (100); insert into public.t values (1, 1), (2, 2);
          create or replace function public.age(v int) returns int language sql immutable return v + 2;`
      }
    }
  ),
  ...kind(
    'a check that holds under settings of the database alone',
    {},
    {
      'its time zone': {
        before: `alter database "$database" set timezone = 'America/Lima'`,
        sql: `set timezone = 'America/Lima'; create table public.t (id int, at timestamptz, d date, check (at::date = d));
          insert into public.t values (1, '2026-01-02 02:00:00+00', '2026-01-01');`
      },
      'a setting of the application': {
        before: `alter database "$database" set "shop.name" = 'north'`,
        sql: `set "shop.name" = 'north'; create table public.t (id int, shop text default current_setting('shop.name'), constraint ours check (shop = current_setting('shop.name')));
          insert into public.t values (1), (2);`
      },
      'of a function that asks for it': {
        before: `alter database "$database" set "shop.name" = 'north'`,
        sql: `set "shop.name" = 'north'; create function public.here(v text) returns boolean language sql stable as $$ select v = current_setting('shop.name') $$;
          create domain public.local as text check (public.here(value)); create table public.t (v public.local); insert into public.t values ('north');`
      },
      'the style of intervals': {
        before: `alter database "$database" set intervalstyle = 'iso_8601'`,
        sql: `set intervalstyle = 'iso_8601'; create function public.len(i interval) returns int language sql immutable as 'select length(i::text)';
          create table public.t (i interval, check (public.len(i) < 6)); insert into public.t values ('1 day');`
      }
    }
  ),
  ...kind(
    'names that only a search_path finds',
    { as: 'postgres' },
    {
      'in a generated column, plpgsql': {
        sql: `create extension unaccent schema extensions; set search_path = public, extensions;
          create function public.plain(v text) returns text language plpgsql immutable as 'begin return upper(unaccent(v)); end';
          create table public.t (id int primary key, v text, p text generated always as (public.plain(v)) stored); insert into public.t values (1, '\u00c5b\u00e9');`
      },
      'in a generated column, inlined at its making': {
        sql: `create function public.half(n numeric) returns numeric language sql immutable as 'select n / 2';
          create function public.quarter(n numeric) returns numeric language sql immutable as 'select half(half(n))';
          create table public.t (id int primary key, n numeric, q numeric generated always as (public.quarter(n)) stored); insert into public.t values (1, 8);`
      },
      'in an index, a schema of its own on the path': {
        sql: `create schema tools; create function tools.norm(v text) returns text language sql immutable as 'select lower(v)';
          create function public.key_of(v text) returns text language plpgsql immutable as 'begin return norm(v); end';
          alter role postgres set search_path = "$user", public, extensions, tools; set search_path = public, tools;
          create table public.t (v text); insert into public.t values ('A'), ('b'); create unique index t_key on public.t (public.key_of(v));
`,
        undo: `alter role postgres set search_path = "\\$user", public, extensions`
      },
      'in a domain': {
        sql: `create function public.letters(v text) returns int language sql immutable as $$ select length(regexp_replace(v, '[^a-z]', '', 'g')) $$;
          create function public.fine(v text) returns boolean language plpgsql immutable as 'begin return letters(v) > 1; end';
          create domain public.handle as text check (public.fine(value)); create table public.t (h public.handle, all_h public.handle[]);
          insert into public.t values ('abc', '{abc,def}');`
      },
      'in a check over another table': {
        sql: `create table public.zz_words (w text primary key); insert into public.zz_words values ('a'), ('b');
          create function public.known(v text) returns boolean language sql stable as 'select exists (select from zz_words where w = v)';
          create table public.aa_uses (w text check (public.known(w))); insert into public.aa_uses values ('a'), ('b');`
      },
      'on the path of the database': {
        as: 'superuser',
        before: `create schema lib; alter database "$database" set search_path = public, lib`,
        sql: `set search_path = public, lib; create function lib.norm(v text) returns text language sql immutable as 'select lower(v)';
          create function public.key_of(v text) returns text language plpgsql immutable as 'begin return norm(v); end';
          create table public.t (v text, k text generated always as (public.key_of(v)) stored); insert into public.t values ('A');`
      },
      'in a row filter and a default': {
        sql: `create function public.next_mark() returns text language sql as $$ select 'm' $$;
          create function public.mark() returns text language plpgsql as 'begin return next_mark(); end';
          create table public.t (id int primary key, m text default public.mark()); insert into public.t (id) values (1);
          create function public.shown(v text) returns boolean language plpgsql stable as $$ begin return next_mark() = v; end $$;
          alter table public.t enable row level security; create policy p on public.t for select using (public.shown(m)); grant select on public.t to anon;`
      }
    }
  ),
  ...kind(
    'a materialized view that cannot be computed elsewhere',
    {
      as: 'postgres',
      backup: ['complete'],
      restore: ['complete', 'partial'],
      differs: /MATERIALIZED/,
      otherRows: /public\.mv$/
    },
    {
      'names that only a search_path finds': {
        majors: [15],
        sql: `create table public.hits (n int); insert into public.hits values (1), (2);
          create function public.all_hits() returns setof int language plpgsql stable as 'begin return query select n from hits; end';
          create materialized view public.mv as select * from public.all_hits();`
      },
      'over a server that the runner cannot reach': {
        as: 'superuser',
        majors: [15],
        sql: `create extension postgres_fdw; create server far foreign data wrapper postgres_fdw options (host '127.0.0.1', port '1');
          create user mapping for public server far options (user 'x', password_required 'false'); create foreign table public.far (id int) server far;
          create table public.t (id int); insert into public.t values (1); create materialized view public.mv as select id from public.far with no data;`,
        after: `update pg_class set relispopulated = true where relname = 'mv'`
      },
      'it fails on rows of today': {
        sql: `create table public.parts (whole int, piece int); insert into public.parts values (4, 2);
          create materialized view public.mv as select whole / piece as share from public.parts; insert into public.parts values (1, 0);`
      },
      'it asks for the time': {
        restore: ['complete'],
        sql: `create materialized view public.mv as select clock_timestamp() as made`
      }
    }
  )
]
