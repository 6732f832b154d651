import { kind, type OddDatabase } from './odd-database.ts'

/** Rules that rows of today break, and definitions that cannot be made, or only in another order. */
export const rules: readonly OddDatabase[] = [
  ...kind(
    'a check that the order of loading breaks',
    { as: 'postgres' },
    {
      'it looks into a table that comes later': {
        sql: `create table public.z_kinds (k text primary key); insert into public.z_kinds values ('a'), ('b');
          create function public.known(v text) returns boolean language sql stable as 'select exists (select from public.z_kinds where k = v)';
          create table public.a_things (id int, k text constraint of_kind check (public.known(k))); insert into public.a_things values (1, 'a'), (2, 'b');`
      },
      'through a domain': {
        backup: ['complete', 'unproven'],
        restore: ['complete', 'partial'],
        sql: `create table public.z_kinds (k text primary key); insert into public.z_kinds values ('a');
          create function public.known(v text) returns boolean language sql stable as 'select exists (select from public.z_kinds where k = v)';
          create domain public.kind as text check (public.known(value)); create table public.a_things (id int, k public.kind); insert into public.a_things values (1, 'a');`
      },
      'on partitions, and both ways round': {
        sql: `create table public.a (id int primary key, v int); create table public.b (id int primary key, v int);
          create function public.in_a(n int) returns boolean language sql stable as 'select n is null or exists (select from public.a where id = n)';
          create function public.in_b(n int) returns boolean language sql stable as 'select n is null or exists (select from public.b where id = n)';
          insert into public.a values (1, null); insert into public.b values (1, 1); update public.a set v = 1;
          alter table public.a add constraint a_b check (public.in_b(v)); alter table public.b add constraint b_a check (public.in_a(v));
          create table public.p (id int, v int check (public.in_a(v))) partition by list (id); create table public.p_1 partition of public.p default;
          insert into public.p values (1, 1);`
      }
    }
  ),
  ...kind(
    'a check that rows of today break',
    { as: 'postgres', backup: ['complete', 'unproven'], restore: ['complete', 'partial'], differs: /not_any_more/ },
    {
      'time has passed': {
        pauseMs: 1500,
        restoreTold: /not_any_more/,
        sql: `create table public.t (id int, at timestamptz constraint not_any_more check (at > now())); insert into public.t values (1, clock_timestamp() + interval '1 second'), (2, 'infinity');
          select pg_sleep(1.2);`
      },
      'its function was replaced': {
        restoreTold: /not_any_more/,
        sql: `create function public.fine(v int) returns boolean language sql immutable return v > 0;
          create table public.t (id int primary key, v int constraint not_any_more check (public.fine(v))); insert into public.t values (1, 1), (2, 50);
          create or replace function public.fine(v int) returns boolean language sql immutable return v > 10;`
      },
      'it was never valid': {
        backup: ['complete'],
        restore: ['complete'],
        sql: `create table public.t (id int, v int); insert into public.t values (1, -1); alter table public.t add constraint not_any_more check (v > 0) not valid;`
      },
      'a domain was narrowed': {
        backup: ['complete'],
        restore: ['complete'],
        sql: `create domain public.small as int; create table public.t (v public.small); insert into public.t values (500);
          alter domain public.small add constraint not_any_more check (value < 100) not valid;`
      }
    }
  ),
  ...kind(
    'rows that refer to nothing under a key that counts as valid',
    {
      as: 'postgres',
      backup: ['unproven', 'complete'],
      restore: ['partial'],
      restoreTold: /refers/,
      differs: /refers/
    },
    {
      'of one column': {
        sql: `create table public.a (id int primary key); create table public.b (id int primary key, a int constraint refers references public.a);
          insert into public.a values (1); insert into public.b values (1, 1); set session_replication_role = replica; insert into public.b values (2, 7);`
      },
      'to users of Auth': {
        sql: `create table public.b (id int primary key, who uuid constraint refers references auth.users on delete cascade);
          set session_replication_role = replica; insert into public.b values (1, gen_random_uuid());`
      },
      'of partitions': {
        sql: `create table public.a (id int primary key); create table public.b (id int, a int constraint refers references public.a) partition by list (id);
          create table public.b_1 partition of public.b for values in (1); create table public.b_x partition of public.b default;
          insert into public.a values (1); set session_replication_role = replica; insert into public.b values (1, 1), (2, 9);`
      },
      'to themselves': {
        sql: `create table public.b (id int primary key, up int constraint refers references public.b); insert into public.b values (1, null);
          set session_replication_role = replica; insert into public.b values (2, 77), (3, 2);`
      }
    }
  ),
  ...kind(
    'duplicates under a unique index that counts as valid',
    { as: 'superuser', backup: ['unproven'], restore: ['partial'], differs: /t_v|t_pkey/ },
    {
      'a unique index': {
        sql: `create table public.t (id int, v text); insert into public.t values (1, 'a'), (2, 'a'); create index t_v on public.t (v);`,
        after: `update pg_index set indisunique = true where indexrelid = 'public.t_v'::regclass`
      },
      'its expression has changed': {
        sql: `create function public.k(v text) returns text language sql immutable return v; create table public.t (v text); insert into public.t values ('a'), ('A');
          create unique index t_v on public.t (public.k(v)); create or replace function public.k(v text) returns text language sql immutable return lower(v);`
      }
    }
  ),
  ...kind(
    'partitions by what another server computes otherwise',
    { as: 'postgres' },
    {
      'the hash of an enum': {
        otherRows: /public\.t_\d$/,
        ask: 'select id, s::text from public.t order by 1',
        sql: `create type public.st as enum ('n', 'o', 'p', 'q', 'r', 's'); create table public.t (id int, s public.st) partition by hash (s);
          create table public.t_0 partition of public.t for values with (modulus 2, remainder 0); create table public.t_1 partition of public.t for values with (modulus 2, remainder 1);
          insert into public.t select n, (enum_range(null::public.st))[1 + n % 6] from generate_series(1, 60) n;`
      },
      'an enum below a range': {
        otherRows: /public\.t_1_\d$/,
        ask: 'select id, s::text from public.t order by 1',
        sql: `create type public.st as enum ('n', 'o', 'p'); create table public.t (id int, s public.st) partition by range (id);
          create table public.t_1 partition of public.t for values from (0) to (100) partition by hash (s);
          create table public.t_1_0 partition of public.t_1 for values with (modulus 2, remainder 0); create table public.t_1_1 partition of public.t_1 for values with (modulus 2, remainder 1);
          insert into public.t select n, (enum_range(null::public.st))[1 + n % 3] from generate_series(1, 30) n;`
      },
      'an array of an enum, with a key and an identity': {
        otherRows: /public\.t_\d$/,
        ask: 'select id, s::text from public.t order by 1',
        sql: `create type public.st as enum ('n', 'o', 'p'); create table public.t (id int, s public.st[], primary key (id, s)) partition by hash (s, id);
          create table public.t_0 partition of public.t for values with (modulus 2, remainder 0); create table public.t_1 partition of public.t for values with (modulus 2, remainder 1);
          insert into public.t select n, array[(enum_range(null::public.st))[1 + n % 3]] from generate_series(1, 30) n;`
      },
      'one table alone is asked for': {
        otherRows: /public\.(t_\d|other)$/,
        restoreInputs: { tables: 'public.t, public.t_0, public.t_1' },
        differs: /./,
        ask: 'select id, s::text from public.t order by 1',
        sql: `create type public.st as enum ('n', 'o', 'p', 'q'); create table public.t (id int, s public.st) partition by hash (s); create table public.other (id int);
          create table public.t_0 partition of public.t for values with (modulus 2, remainder 0); create table public.t_1 partition of public.t for values with (modulus 2, remainder 1);
          insert into public.t select n, (enum_range(null::public.st))[1 + n % 4] from generate_series(1, 30) n;`
      }
    }
  ),
  ...kind(
    'a trigger that is switched off on a partition',
    {},
    {
      'of the second level': {
        sql: `create table public.z (id int, r text) partition by range (id); create table public.b partition of public.z for values from (0) to (9) partition by list (r);
          create table public.a partition of public.b for values in ('x'); create function public.f() returns trigger language plpgsql as 'begin return new; end';
          create trigger w after insert on public.z for each row execute function public.f(); alter table public.a disable trigger w; insert into public.z values (1, 'x');`
      },
      'attached later, in another schema': {
        sql: `create schema old; create table public.z (id int, r text) partition by range (id); create table old.b partition of public.z for values from (0) to (9) partition by list (r);
          create table old.a (r text, id int); alter table old.b attach partition old.a for values in ('x');
          create function public.f() returns trigger language plpgsql as 'begin return new; end'; create trigger w after update on public.z for each row execute function public.f();
          alter table old.a disable trigger w;`
      },
      'always, and for replicas': {
        as: 'postgres',
        sql: `create table public.z (id int, r text) partition by range (id); create table public.b partition of public.z for values from (0) to (9) partition by list (r);
          create table public.a partition of public.b for values in ('x'); create table public.c partition of public.b default;
          create function public.f() returns trigger language plpgsql as 'begin return new; end';
          create trigger w after insert on public.z for each row execute function public.f(); create trigger v before insert on public.z for each row execute function public.f();
          alter table public.a enable always trigger w; alter table public.c enable replica trigger v; insert into public.z values (1, 'x'), (2, 'y');`
      }
    }
  ),
  ...kind(
    'a child that got a column of its parent later',
    {},
    {
      'one parent': {
        sql: `create table public.p (id int); create table public.c (x text) inherits (public.p); insert into public.c values (1, 'x'); alter table public.p add column late int default 5;`
      },
      'two parents and a dropped column': {
        sql: `create table public.p (id int, gone int); create table public.q (id int, y int); create table public.c (x text) inherits (public.p, public.q);
          insert into public.c values (1, 2, 3, 'x'); alter table public.p drop column gone; alter table public.q add column late text default 'l';`
      },
      'a grandchild, with a default of its own': {
        as: 'postgres',
        sql: `create table public.p (id int); create table public.c (x text) inherits (public.p); create table public.g (z int) inherits (public.c);
          insert into public.g values (1, 'x', 2); alter table public.p add column late int default 5; alter table public.g alter column late set default 9;`
      }
    }
  ),
  ...kind(
    'a definition that no server can make',
    { backup: ['unproven', 'complete'], restore: ['partial'] },
    {
      'a view that selects from itself': {
        as: 'postgres',
        differs: /public\.circle/,
        restoreTold: /circle/,
        sql: `create table public.base (id int primary key); insert into public.base values (1); create view public.circle as select id from public.base;
          create or replace view public.circle as select id from public.circle;`
      },
      'two views of each other, and what stands on them': {
        differs: /public\.(one|two|three)/,
        restoreTold: /one|two/,
        sql: `create table public.base (id int); insert into public.base values (1); create view public.one as select id from public.base; create view public.two as select id from public.one;
          create or replace view public.one as select id from public.two; create view public.three as select id from public.two;`
      },
      'an exclusion over a partitioned table': {
        majors: [17],
        restore: ['complete', 'partial'],
        differs: /bk/,
        sql: `create extension btree_gist schema public; create table public.bk (at date not null, room int, exclude using gist (at with =, room with =)) partition by range (at);
          create table public.bk_1 partition of public.bk for values from ('2026-01-01') to ('2027-01-01'); insert into public.bk values ('2026-02-02', 1);`
      },
      'a function of a library that is not there': {
        differs: /lost/,
        sql: `create table public.t (id int); insert into public.t values (1); create function public.lost() returns int language internal as 'int4out' ;
          create view public.lost_view as select public.lost();`,
        after: `update pg_proc set prosrc = 'no_such_function_of_the_server' where proname = 'lost'`
      }
    }
  )
]
