import type pg from 'pg'
import { copyOut } from './copy-out.ts'
import { type Table, tablesOf } from './tables.ts'

// One state of a database, as the difference to an earlier one. What is told by an earlier state is never trusted: xids only guess which rows are old; that
// they are the rows that were stored is shown by hashes that the server reckons over both.

/** A group of rows: half of a page, by the lowest bit of the line pointer. Key: block * 2 + that bit. */
export interface Group {
  readonly key: number
  readonly rows: number
  /** XOR over the rows of a hash of content and place (tid), 56 bits: rows that are equal do not cancel out. */
  readonly sum: bigint
  /** XOR of a hash of those, 24 bits: with it, one row that is gone is known to be one of those that were there. */
  readonly check: number
}

export interface TableIndex {
  readonly file: number
  readonly form: string
  readonly groups: ReadonlyMap<number, Group>
}

/** What the next capture needs to know of this one. */
export interface Index {
  /** The first xid that was not assigned yet. Only a guess hangs on it. */
  readonly nextXid: string
  readonly tables: ReadonlyMap<number, TableIndex>
}

/** The stored rows of one table in one backup. */
export interface Delta {
  readonly table: Table
  /** Rows in all, and the sum of their hashes (without their place), as a proof reckons them on the copy. */
  readonly rows: string
  readonly hash: string
  /** True where nothing that was stored of this table before counts any more. */
  readonly fresh: boolean
  /** `+ block offset row`: a row. `= key offsets`: of this group, what was stored before and is not named here is gone. */
  readonly lines: readonly Buffer[]
}

export interface Captured {
  readonly index: Index
  readonly deltas: readonly Delta[]
  readonly statistics: { groups: number; changed: number; fetched: number; byPlace: number }
}

const tid = `('x' || encode(tidsend(t.ctid), 'hex'))::bit(48)::bigint`
const key = '((x.tid >> 16) << 1) | (x.tid & 1)'

function scan(table: Table, at: number): string {
  const p = (n: number) => `$${at + n}`
  return `select ${table.oid} as oid, g, n, s, c, vn, vs, vc, sum(n) over () as total, hash_total as hash from (
  with old as (select * from unnest(${p(0)}::bigint[], ${p(1)}::int[], ${p(2)}::bigint[], ${p(3)}::int[]) as o(g, n, s, c)),
  now as materialized (
    select g, count(*)::int as n, bit_xor(h) as s, bit_xor(hashint8(h) & 16777215) as c, sum(plain) as p,
      (count(*) filter (where v))::int as vn, coalesce(bit_xor(h) filter (where v), 0) as vs, coalesce(bit_xor(hashint8(h) & 16777215) filter (where v), 0) as vc
    from (select ${key} as g, v, plain, hashfloat8extended(plain::float8, tid) >> 8 as h
      from (select ${tid} as tid, ${p(4)}::text is not null and age(t.xmin) > age(${p(4)}::xid) as v, ${table.hash} as plain from only ${table.name} t offset 0) x) y
    group by g)
  select g, now.n, now.s, now.c, now.vn, now.vs, now.vc, null::numeric as hash_total from old full join now using (g)
    where (now.n, now.s, now.c) is distinct from (old.n, old.s, old.c)
  union all select null, coalesce(sum(now.n), 0)::int, null, null, null, null, null, coalesce(sum(now.p), 0) from now) z`
}

interface Row {
  oid: number
  g: string | null
  n: number | null
  s: string | null
  c: number | null
  vn: number | null
  vs: string | null
  vc: number | null
  hash: string | null
}

/** A snapshot is open on `client`: REPEATABLE READ, READ ONLY, with the settings of `sessionSettings`. `before`: null for a full one. */
export async function capture(client: pg.Client, schemas: readonly string[], before: Index | null): Promise<Captured> {
  const tables = await tablesOf(client, schemas)
  const nextXid = (
    await client.query('select (pg_snapshot_xmax(pg_current_snapshot())::text::bigint & 4294967295)::text as x')
  ).rows[0].x as string
  const index = new Map<number, TableIndex>()
  const deltas: Delta[] = []
  const statistics = { groups: 0, changed: 0, fetched: 0, byPlace: 0 }
  const batch = 100
  for (let from = 0; from < tables.length; from += batch) {
    const some = tables.slice(from, from + batch)
    const known = some.map((table) => {
      const old = before?.tables.get(table.oid)
      return old !== undefined && old.form === table.form ? old : undefined
    })
    const values = some.flatMap((_, at) => {
      const groups = [...(known[at]?.groups.values() ?? [])]
      return [
        groups.map((one) => one.key),
        groups.map((one) => one.rows),
        groups.map((one) => String(one.sum)),
        groups.map((one) => one.check),
        known[at] === undefined ? null : (before?.nextXid ?? null)
      ]
    })
    const answer = await client.query<Row>(
      some.map((table, at) => scan(table, at * 5 + 1)).join('\nunion all\n'),
      values
    )
    const rowsOf = Map.groupBy(answer.rows, (row) => Number(row.oid))
    const fetches: string[] = []
    const plans = some.map((table, at) => {
      const plan = planTable(table, known[at], rowsOf.get(table.oid) ?? [])
      statistics.groups += plan.groups.size
      statistics.changed += plan.changed
      statistics.byPlace += plan.survivors.length
      index.set(table.oid, { file: table.file, form: table.form, groups: plan.groups })
      const statements = fetchStatements(table, plan, before?.nextXid ?? null)
      fetches.push(...statements)
      return { table, plan, copies: statements.length, fresh: known[at] === undefined }
    })
    const copied = await copyOut(client, fetches)
    for (const { table, plan, copies, fresh } of plans) {
      const lines: Buffer[] = plan.emptied.map((one) => Buffer.from(`=\t${one}\t\n`))
      for (const part of copied.splice(0, copies)) lines.push(...part)
      statistics.fetched += lines.filter((line) => line[0] === 0x2b).length
      deltas.push({ table, rows: plan.total, hash: plan.hash, fresh, lines })
    }
  }
  return { index: { nextXid, tables: index }, deltas, statistics }
}

interface Plan {
  readonly groups: Map<number, Group>
  readonly total: string
  readonly hash: string
  readonly changed: number
  /** Groups of which every row is read. */
  readonly whole: readonly number[]
  /** Groups of which the rows are read that came since; what is stored of them holds, but for `survivors`. */
  readonly added: readonly number[]
  /** Those of `added` that lost a row: the places of what is left are read. */
  readonly survivors: readonly number[]
  /** Groups that hold nothing of before. */
  readonly emptied: readonly number[]
}

function planTable(_table: Table, known: TableIndex | undefined, rows: readonly Row[]): Plan {
  const groups = new Map(known?.groups ?? [])
  const whole: number[] = []
  const added: number[] = []
  const survivors: number[] = []
  const emptied: number[] = []
  let total = '0'
  let hash = '0'
  let changed = 0
  for (const row of rows) {
    if (row.g === null) {
      total = String(row.n ?? 0)
      hash = row.hash ?? '0'
      continue
    }
    changed += 1
    const at = Number(row.g)
    const old = known?.groups.get(at)
    if (row.n === null || row.s === null || row.c === null) {
      groups.delete(at)
      emptied.push(at)
      continue
    }
    groups.set(at, { key: at, rows: row.n, sum: BigInt(row.s), check: row.c })
    const kind = old === undefined ? 'whole' : comparedWith(old, row)
    if (kind === 'whole') {
      whole.push(at)
      if (old !== undefined) emptied.push(at)
    } else {
      added.push(at)
      if (kind === 'one gone') (row.vn === 0 ? emptied : survivors).push(at)
    }
  }
  return { groups, total, hash, changed, whole, added, survivors, emptied }
}

/** Are the rows that look old those that were stored? All of them, all but one, or nobody can say. */
function comparedWith(old: Group, row: Row): 'same' | 'one gone' | 'whole' {
  const gone = old.rows - (row.vn ?? 0)
  const difference = old.sum ^ BigInt(row.vs ?? '0')
  const check = old.check ^ (row.vc ?? 0)
  if (gone === 0) return difference === 0n && check === 0 ? 'same' : 'whole'
  return gone === 1 && check === (hashint8(difference) & 0xffffff) ? 'one gone' : 'whole'
}

/** PostgreSQL's own hash of an int8 (hashfunc.c, hashint8; hashfn.c, hash_bytes_uint32), so that the client can tell what it must be. */
export function hashint8(value: bigint): number {
  const low = Number(BigInt.asUintN(32, value))
  const high = Number(BigInt.asUintN(32, value >> 32n))
  const folded = (low ^ (value >= 0n ? high : ~high)) >>> 0
  return hashUint32(folded) | 0
}

function hashUint32(k: number): number {
  const rot = (x: number, n: number) => ((x << n) | (x >>> (32 - n))) >>> 0
  const start = (0x9e3779b9 + 4 + 3923095) >>> 0
  let [a, b, c] = [(start + k) >>> 0, start, start]
  c = ((c ^ b) - rot(b, 14)) >>> 0
  a = ((a ^ c) - rot(c, 11)) >>> 0
  b = ((b ^ a) - rot(a, 25)) >>> 0
  c = ((c ^ b) - rot(b, 16)) >>> 0
  a = ((a ^ c) - rot(c, 4)) >>> 0
  b = ((b ^ a) - rot(a, 14)) >>> 0
  c = ((c ^ b) - rot(b, 24)) >>> 0
  return c
}

/** Ranges of blocks that are read in one statement, at most; gaps are read over. */
const mostRanges = 100

function fetchStatements(table: Table, plan: Plan, nextXid: string | null): string[] {
  const { whole, added, survivors } = plan
  const statements: string[] = []
  const wanted = [...whole, ...added]
  if (wanted.length > 0) {
    const isWhole = `${key} = any('{${whole.join(',')}}'::bigint[])`
    const isNew = `${key} = any('{${added.join(',')}}'::bigint[]) and not age(x.xmin) > age('${nextXid}'::xid)`
    const condition =
      whole.length === plan.groups.size
        ? 'true'
        : [...(whole.length > 0 ? [isWhole] : []), ...(added.length > 0 ? [isNew] : [])]
            .map((one) => `(${one})`)
            .join(' or ')
    // Columns may have any name, `tid` among them.
    const columns = table.columns.map((name, at) => `, t.${name} as c${at}`).join('')
    const parts = rangesOf(wanted).map(
      (range) =>
        `(select '+', x.tid >> 16, x.tid & 65535${table.columns.map((_, at) => `, x.c${at}`).join('')} from (select ${tid} as tid, t.xmin${columns} from only ${table.name} t${range}) x where ${condition})`
    )
    statements.push(`copy (${parts.join(' union all ')}) to stdout`)
  }
  if (survivors.length > 0) {
    const parts = rangesOf(survivors).map(
      (range) =>
        `(select '=', ${key}, string_agg((x.tid & 65535)::text, ',') from (select ${tid} as tid, t.xmin from only ${table.name} t${range}) x
          where ${key} = any('{${survivors.join(',')}}'::bigint[]) and age(x.xmin) > age('${nextXid}'::xid) group by ${key})`
    )
    statements.push(`copy (select * from (${parts.join(' union all ')}) u(a, b, c)) to stdout null ''`)
  }
  return statements
}

/** Ranges of pages that hold these groups, the widest gaps left out. */
function rangesOf(keys: readonly number[]): string[] {
  const blocks = [...new Set(keys.map((one) => Math.floor(one / 2)))].sort((a, b) => a - b)
  const gaps = blocks
    .map((block, at) => ({ at, wide: at === 0 ? 0 : block - (blocks[at - 1] ?? 0) }))
    .filter(({ wide }) => wide > 1)
    .sort((a, b) => b.wide - a.wide)
    .slice(0, mostRanges - 1)
    .map(({ at }) => at)
    .sort((a, b) => a - b)
  return [0, ...gaps].map((from, at) => {
    const [first, last] = [blocks[from] ?? 0, blocks[(gaps[at] ?? blocks.length) - 1] ?? 0]
    return ` where t.ctid >= '(${first},0)'::tid and t.ctid < '(${last + 1},0)'::tid`
  })
}
