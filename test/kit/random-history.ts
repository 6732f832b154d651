// Random histories of a small database, the same for the same seed: what applications, administrators and the server do to rows and to what holds them.

/** Whole numbers from 0 to below `most`, the same for the same seed (mulberry32). */
export function randomOf(seed: number): (most: number) => number {
  let state = seed >>> 0
  return (most) => {
    state = (state + 0x6d2b79f5) >>> 0
    let mixed = Math.imul(state ^ (state >>> 15), state | 1)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
    return ((mixed ^ (mixed >>> 14)) >>> 0) % most
  }
}

type Random = (most: number) => number

/** Statements that run one after the other, each in a transaction of its own. Some may fail: what they would change is not there any more. */
export interface Step {
  readonly what: string
  readonly statements: readonly string[]
}

/** Tables that all steps know; each has the column `v text`. */
const tables = [
  'plain',
  'keyless',
  'typed',
  'part_low',
  'part_high',
  'parent',
  'child',
  'wide',
  'computed',
  'pointing',
  'late'
] as const

const made: Readonly<Record<(typeof tables)[number], string>> = {
  plain:
    "create table plain (id bigint generated always as identity primary key, v text, n numeric, at timestamptz default '2026-01-01')",
  keyless: 'create table keyless (v text, k int)',
  typed:
    'create table typed (id int, v text, m mood, ms mood[], p pair, s small, f float8, j jsonb, b bytea, r int4range)',
  part_low:
    'create table parts (id int not null, v text) partition by range (id); create table part_low partition of parts for values from (0) to (1000)',
  part_high: 'create table part_high partition of parts for values from (1000) to (100000)',
  parent: 'create table parent (id int, v text)',
  child: 'create table child (extra text) inherits (parent)',
  wide: 'create table wide (id int, v text, blob text)',
  computed:
    'create table computed (id int, v text, tid int default 3, c0 int, x text, twice int generated always as (id * 2) stored)',
  pointing: 'create table pointing (id int, v text, c regclass, t regtype)',
  late: 'create table late (id int, v text)'
}

/** Tables that need each other, or tell more together. */
const groups: readonly (readonly (typeof tables)[number][])[] = [
  ['plain', 'keyless'],
  ['typed', 'plain'],
  ['part_low', 'part_high'],
  ['parent', 'child', 'computed'],
  ['wide', 'keyless'],
  ['pointing', 'keyless', 'late']
]

/** The tables that a history plays with. */
export function cast(random: Random): readonly string[] {
  return groups[random(groups.length)] ?? []
}

/** Makes the schema that a history plays in. */
export function beginning(schema: string, chosen: readonly string[]): string {
  return `create schema ${schema};
set search_path = ${schema};
create type mood as enum ('sad', 'ok', 'happy');
create type pair as (a int, m mood);
create domain small as int check (value < 1000000);
${tables
  .filter((name) => chosen.includes(name))
  .map((name) => `${made[name]};`)
  .join('\n')}`
}

function text(random: Random): string {
  const values = [
    'null',
    "''",
    "'plain'",
    "E'tab\\there'",
    "E'line\\nbreak'",
    "E'back\\\\slash'",
    "E'\\\\N'",
    "'ünï'",
    "repeat('x', 300)",
    'md5(random()::text)'
  ]
  return values[random(values.length)] ?? 'null'
}

function insertInto(table: string, count: number, random: Random): string {
  const g = `generate_series(1, ${count}) g`
  const v = text(random)
  const high = random(900)
  const moods = "('{sad,ok,happy}'::text[])"
  switch (table) {
    case 'plain':
      return `insert into plain (v, n) select ${v}, g * 1.5 from ${g}`
    case 'keyless':
      return `insert into keyless select ${v}, g % 3 from ${g}`
    case 'typed':
      return `insert into typed select g, ${v}, (enum_range(null::mood))[1 + g % 3], array[(enum_range(null::mood))[1 + (g + 1) % 3]], row(g, (enum_range(null::mood))[1 + g % 2])::pair,
        g, case g % 4 when 0 then 'NaN' when 1 then '-0' when 2 then 1e-300 else g / 3.0 end, jsonb_build_object('a', g, 'moods', '${moods.length}'), decode(md5(g::text), 'hex'), int4range(g, g + 3) from ${g}`
    case 'part_low':
      return `insert into part_low select (g + ${high}) % 1000, ${v} from ${g}`
    case 'part_high':
      return `insert into part_high select 1000 + (g + ${high}) % 9000, ${v} from ${g}`
    case 'child':
      return `insert into child (id, v, extra) select g, ${v}, 'x' from ${g}`
    case 'wide':
      return `insert into wide select g, ${v}, (select string_agg(md5((g * 1000 + i)::text), '') from generate_series(1, 200) i) from generate_series(1, ${Math.min(count, 8)}) g`
    case 'pointing':
      return `insert into pointing select g, ${v}, (array['late', 'keyless', 'pointing']::text[])[1 + g % 3]::regclass, 'mood'::regtype from ${g}`
    default:
      return `insert into ${table} (id, v) select g, ${v} from ${g}`
  }
}

/** Any of the ways in which a table comes to hold other rows, or the same rows elsewhere. */
export function stepOf(random: Random, chosen: readonly string[]): Step {
  const table = chosen[random(chosen.length)] ?? 'plain'
  const some = 2 + random(6)
  const one = (what: string, ...statements: string[]): Step => ({ what, statements })
  const spread = `where ('x' || substr(md5(ctid::text || '${random(1000)}'), 1, 7))::bit(28)::int % ${some} = 0`
  switch (random(32)) {
    case 0:
    case 1:
    case 2:
    case 3:
      return one('insert', insertInto(table, 1 + random(120), random))
    case 4:
      return one('insert many', insertInto(table, 300 + random(300), random))
    case 5:
    case 6:
      return one('update some', `update only ${table} set v = ${text(random)} ${spread}`)
    case 7:
      return one(
        'update one',
        `update only ${table} set v = ${text(random)} where ctid = (select min(ctid) from only ${table})`
      )
    case 8:
      return one('update all', `update only ${table} set v = coalesce(v, '') || '.'`)
    case 9:
      return one('update to the same', `update only ${table} set v = v ${spread}`)
    case 10:
    case 11:
      return one('delete some', `delete from only ${table} ${spread}`)
    case 12:
    case 30:
    case 31:
      return one('delete one', `delete from only ${table} where ctid = (select max(ctid) from only ${table})`)
    case 13:
      return one(
        'delete one, vacuum, insert',
        `delete from only ${table} where ctid = (select min(ctid) from only ${table})`,
        `vacuum ${table}`,
        insertInto(table, 1, random)
      )
    case 14:
      return one('delete all', `delete from only ${table}`)
    case 15:
      return one('truncate', `truncate only ${table}`)
    case 16:
    case 17:
      return one('vacuum', `vacuum ${table}`)
    case 18:
      return one('vacuum full', `vacuum full ${table}`)
    case 19:
      return one('freeze', `vacuum freeze ${table}`)
    case 20:
      return one('insert, rolled back', `begin; ${insertInto(table, 30, random)}; rollback`)
    case 21:
      return one(
        'delete and put back',
        `with gone as (delete from only keyless ${spread} returning *) insert into keyless select * from gone`
      )
    case 22:
      return one('add a column', `alter table ${table} add column c${random(1000)} int default ${random(9)}`)
    case 23:
      return one(
        'drop a column',
        "do $$ declare t record; begin for t in select attrelid::regclass as r, attname from pg_attribute where attname ~ '^c[0-9]+$' and not attisdropped and attrelid::regclass::text not like '%.%' and attinhcount = 0 limit 1 loop execute format('alter table %s drop column %I', t.r, t.attname); end loop; end $$"
      )
    case 24:
      return one(
        'change a type',
        random(2) === 0 ? 'alter table plain alter n type numeric(20, 4)' : 'alter table keyless alter k type bigint'
      )
    case 25:
      return one(
        'rename an enum label',
        random(2) === 0 ? "alter type mood rename value 'ok' to 'fine'" : "alter type mood rename value 'fine' to 'ok'"
      )
    case 26:
      return random(2) === 0
        ? one(
            'rename what a regclass names',
            'alter table keyless rename to keyless_b',
            'alter table keyless_b rename to keyless_c',
            'alter table keyless_c rename to keyless'
          )
        : one('add to a composite', `alter type pair add attribute x${random(1000)} int`)
    case 27:
      return random(2) === 0
        ? one('detach a partition', 'alter table parts detach partition part_high')
        : one('attach it', 'alter table parts attach partition part_high for values from (1000) to (100000)')
    case 28:
      return random(3) === 0
        ? one('drop a table', 'drop table if exists late')
        : one('a table comes', 'create table if not exists late (id int, v text)', insertInto('late', 20, random))
    default:
      return random(2) === 0
        ? one(
            'names of tables change places',
            'alter table parent rename to swap',
            'alter table computed rename to parent',
            'alter table swap rename to computed'
          )
        : one('sorted anew', 'cluster plain using plain_pkey')
  }
}

/** An index whose xids are not those of its state: as after a source was set back, or a wraparound. */
export function lieAbout(nextXid: string, random: Random): string {
  const now = Number(nextXid)
  const lies = [3, now + 5, now - 3, now - 100, now + 1_000_000, now + 2 ** 31 - 10, now + 2 ** 31 + 10, 4_000_000_000]
  return String(Math.max(3, (lies[random(lies.length)] ?? 3) % 2 ** 32))
}
