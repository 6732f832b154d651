import { kind, type OddDatabase } from './odd-database.ts'

/** Tables whose rows a role sees through what is otherwise in another place, at another time, in another session. */
const seen = (name: string, using: string, rows = '(1), (2), (3)') => `
  create table public.${name} (id int primary key);
  insert into public.${name} values ${rows};
  alter table public.${name} enable row level security;
  create policy see on public.${name} for select using (${using});
  grant select on public.${name} to anon, authenticated;`

export const whatRolesSee: readonly OddDatabase[] = [
  ...kind(
    'a policy whose answer changes as time passes',
    { as: 'postgres', pauseMs: 4000 },
    {
      'the clock stands in a function that it calls': {
        usual: true,
        sql: `create function public.still(until timestamptz) returns boolean language sql stable as 'select now() < until';
          create table public.passes (id int primary key, until timestamptz);
          insert into public.passes values (1, clock_timestamp() + interval '3 seconds'), (2, now() + interval '300 days');
          alter table public.passes enable row level security;
          create policy see on public.passes for select using (public.still(until));
          grant select on public.passes to anon;`
      },
      'two functions deep, in plpgsql': {
        sql: `create function public.moment() returns timestamptz language plpgsql stable as 'begin return clock_timestamp(); end';
          create function public.due(t timestamptz) returns boolean language plpgsql stable as 'begin return t <= public.moment(); end';
          create table public.posts (id int primary key, shown_from timestamptz);
          insert into public.posts values (1, now() - interval '1 day'), (2, clock_timestamp() + interval '3 seconds');
          alter table public.posts enable row level security;
          create policy see on public.posts for select using (public.due(shown_from));
          grant select on public.posts to anon;`
      },
      'the clock stands in a view that it looks into': {
        sql: `create table public.grants_of (id int primary key, ends timestamptz);
          insert into public.grants_of values (1, clock_timestamp() + interval '3 seconds'), (2, 'infinity');
          create view public.valid_grants as select id from public.grants_of where ends > localtimestamp;
          grant select on public.valid_grants to anon;
          ${seen('papers', 'id in (select id from public.valid_grants)')}`
      },
      'a default of a role stands for the clock': {
        sql: `create function public.lucky(n int) returns boolean language sql volatile as 'select random() < 0.5';
          ${seen('lots', 'public.lucky(id)', '(1), (2), (3), (4), (5), (6), (7), (8)')}`
      }
    }
  ),
  ...kind(
    'a policy that asks for a setting',
    { as: 'postgres' },
    {
      'of the application, set on the database': {
        usual: true,
        sql: seen('rooms', `current_setting('app.settings.door', true) = 'open'`),
        after: `alter database "$database" set "app.settings.door" = 'open'`
      },
      'of another name, in a function': {
        sql: `create function public.tenant() returns text language sql stable as $$ select current_setting('shopware.tenant', true) $$;
          ${seen('carts', "public.tenant() = 'north'")}`,
        after: `alter database "$database" set "shopware.tenant" = 'north'`
      },
      'of the server: where it keeps its data': {
        sql: seen('machines', `current_setting('port')::int > 0 and current_setting('TimeZone') <> 'Asia/Tokyo'`),
        after: `alter database "$database" set timezone = 'Asia/Tokyo'`
      },
      'set on the role that reads': {
        before: `alter role authenticated set "app.level" = '3'`,
        undo: `alter role authenticated reset "app.level"`,
        sql: seen('floors', `current_setting('app.level', true) = '3'`)
      }
    }
  ),
  ...kind(
    'a policy that asks who is connected, and from where',
    { as: 'postgres' },
    {
      session_user: { sql: seen('desks', `session_user = 'postgres'`) },
      'the address of the client': { sql: seen('doors', 'inet_client_addr() is not null') },
      'the name of the database': { sql: seen('walls', 'current_database() = session_user') },
      'the name of the application': { sql: seen('apps', `current_setting('application_name') = 'dashboard'`) }
    }
  ),
  ...kind(
    'rows that were left out as asked, and what looks into them',
    { as: 'postgres', otherRows: /public\.left_out$/, inputs: { 'exclude-table-data': 'public.left_out' } },
    {
      'a policy of another table': {
        sql: `create table public.left_out (room int); insert into public.left_out values (1), (2);
          ${seen('notes', 'exists (select from public.left_out l where l.room = notes.id)')}`
      },
      'a policy, through a function': {
        sql: `create table public.left_out (room int); insert into public.left_out values (1), (2);
          create function public.member(n int) returns boolean language sql stable security definer as 'select exists (select from public.left_out where room = n)';
          ${seen('threads', 'public.member(id)')}`
      },
      'a foreign key': {
        restore: ['partial'],
        restoreTold: /left_out|kept_key/,
        differs: /kept_key/,
        sql: `create table public.left_out (id int primary key); insert into public.left_out values (5), (6);
          create table public.keeps (id int primary key, at int constraint kept_key references public.left_out);
          insert into public.keeps values (1, 5), (2, 6);`
      },
      'a materialized view and a key of two columns': {
        restore: ['partial'],
        differs: /kept_key/,
        otherRows: /left_out|sums/,
        sql: `create table public.left_out (a int, b int, primary key (a, b)); insert into public.left_out values (1, 2);
          create materialized view public.sums as select sum(a) from public.left_out;
          create table public.keeps (a int, b int, constraint kept_key foreign key (a, b) references public.left_out);
          insert into public.keeps values (1, 2);`
      }
    }
  )
]
