import type { TableFacts } from '../../../../archive/contents-database.ts'
import type { Finding } from '../../../source.ts'
import { plainName, readable } from '../../catalog/quote.ts'
import { ancestorsOf } from '../../loading/load-through-root.ts'
import { parseCopyStatement } from '../../pg-archive/copy-statement.ts'
import type { Obstacle, PlanOptions, RowsPlan } from './restore-plan.ts'

/** Platform tables whose rows say what the platform itself did or is; a target has its own. */
const ownRows = new Set([
  'auth.schema_migrations',
  'storage.migrations',
  'realtime.schema_migrations',
  '_realtime.schema_migrations',
  'supabase_functions.migrations'
])

/** Why rows of a platform table do not come back by COPY; undefined where they do. */
function leftAlone(table: TableFacts): string | undefined {
  const { schema } = table
  if (schema === 'vault')
    return 'Vault secrets are encrypted by a key of their project; they are made again from the copy in clear where the backup has one'
  if (schema === 'pgsodium' || schema === 'pgsodium_masks') return 'keys belong to their project'
  if (schema === 'realtime' || schema.startsWith('_')) return 'passing messages and state of the platform'
  if (schema === 'net' || readable(table) === 'cron.job_run_details') return 'a log of requests and runs'
  if (schema === 'graphql' || schema === 'graphql_public' || schema === 'pgbouncer' || schema === 'extensions')
    return 'state of the platform'
  return undefined
}

/** What is decided already, and where what is found goes. */
interface RowsOf {
  readonly platform: ReadonlySet<string>
  readonly running: ReadonlySet<number>
  readonly definitions: boolean
  readonly findings: Finding[]
  readonly obstacles: Obstacle[]
  readonly left: string[]
}

/** Decides how the rows of each chosen table come in. */
export function planRows(
  { mode, toc, chosen, tables, target, facts }: PlanOptions,
  { platform, running, definitions, findings, obstacles, left }: RowsOf
): RowsPlan[] {
  const made = new Set(
    toc.entries
      .filter((entry) => entry.kind === 'TABLE' && running.has(entry.id))
      .map((entry) => readable({ schema: entry.schema, name: entry.tag }))
  )
  const rows: RowsPlan[] = []
  const byName = new Map(facts.tables.map((table) => [readable(table), table]))
  for (const entry of toc.entries) {
    if (entry.kind !== 'TABLE DATA' || !entry.hasData) continue
    const name = readable({ schema: entry.schema, name: entry.tag })
    const table = chosen.tables.get(name)
    if (table === undefined || !chosen.withRows.has(name)) continue
    const held = table.rows ?? '0'
    const ofPlatform = platform.has(entry.schema)
    const there = tables.get(name)
    const above = ancestorsOf(table, byName)
    const copied = parseCopyStatement(entry, (one) => above.includes(readable(one)))
    const add = (way: RowsPlan['way']) => rows.push({ entry, facts: table, copied, way, platform: ofPlatform })
    if (mode === 'side-schema') {
      add('beside')
      continue
    }
    if (ofPlatform && !made.has(name)) {
      if (ownRows.has(name)) continue
      if (name === 'cron.job') {
        if (held !== '0') add('jobs')
        continue
      }
      const why = leftAlone(table)
      if (why !== undefined) {
        if (held !== '0' && entry.schema !== 'vault')
          findings.push({
            kind: 'note',
            subject: `table ${name}`,
            detail: `its ${held} rows are not brought back: ${why}`
          })
        continue
      }
      if (held === '0' && (mode === 'missing-rows' || there === undefined || !there.maySelect)) continue
      const lacking =
        there === undefined ? [] : copied.columns.filter((column) => !there.columns.some((one) => one.name === column))
      if (there === undefined || lacking.length > 0) {
        obstacles.push({
          code: 'SB706',
          text:
            there === undefined
              ? `The target has no table ${name}, and the backup has ${held} rows of it.`
              : `The target's table ${name} lacks the columns ${lacking.join(', ')}.`
        })
        continue
      }
      if (held === '0' && mode === 'empty') continue
      add(mode === 'missing-rows' ? 'missing' : 'exchange')
      continue
    }
    if (definitions) {
      if (!made.has(name)) {
        // An extension's own table: rows come in with an extension that is made now.
        if (table.extension !== undefined && !target.extensions.has(table.extension)) add('copy')
        else if (held !== '0')
          findings.push({
            kind: 'note',
            subject: `table ${name}`,
            detail: `its ${held} rows are not brought back: the target has the table already`
          })
        continue
      }
      if (held !== '0') add('copy')
      continue
    }
    // Its parent may be there: rows of the other partitions come back all the same.
    const partition = table.partitionOf !== undefined && tables.has(plainName(table.partitionOf))
    if (there === undefined && (chosen.whole || partition) && facts.selection.type !== 'data') {
      if (held !== '0') {
        left.push(name)
        findings.push({
          kind: 'todo',
          subject: `table ${name}`,
          detail: `the target has no such table; its ${held} rows were not brought back`,
          remedy: `restore-mode: replace, tables: ${name}`
        })
      }
      continue
    }
    if (there === undefined) {
      obstacles.push({
        code: 'SB710',
        text: `The target has no table ${name}${facts.selection.type === 'data' ? ', and the backup holds rows only' : ''}.`
      })
      continue
    }
    if (held === '0' && mode === 'missing-rows') continue
    add(mode === 'missing-rows' ? 'missing' : 'exchange')
  }
  return rows
}

/** The partitioned table at the top of each partition, by the partition's `readable` name. */
export function rootsOf(tables: readonly TableFacts[]): ReadonlyMap<string, TableFacts> {
  const byName = new Map(tables.map((table) => [readable(table), table]))
  return new Map(
    tables.flatMap((table) => {
      const root = ancestorsOf(table, byName)
        .flatMap((name) => byName.get(name) ?? [])
        .findLast(({ kind }) => kind === 'p')
      return root === undefined ? [] : [[readable(table), root] as const]
    })
  )
}

/** Partitions whose rows the archive brings through a table above them, with the table at the top. */
export function throughRootOf(
  rows: readonly RowsPlan[],
  roots: ReturnType<typeof rootsOf>
): ReadonlyMap<string, string> {
  return new Map(
    rows.flatMap(({ entry, copied, facts }) => {
      const root = roots.get(readable(facts))
      const isOwn = copied.schema === entry.schema && copied.table === entry.tag
      return isOwn || root === undefined ? [] : [[readable(facts), readable(root)] as const]
    })
  )
}
