import type { Contents } from '../archive/contents.ts'
import type { DatabaseFacts } from '../archive/contents-database.ts'
import type { Manifest } from '../archive/manifest.ts'
import { visible } from '../text/escape.ts'
import { formatBytes, formatCount, formatTime } from '../text/format.ts'

/** What is inside a backup, as data: for tables, JSON and comparison. */
export interface Inside {
  readonly id: string
  readonly project: string
  readonly createdAt: string
  readonly type: Manifest['type']
  readonly status: string
  readonly tables: readonly {
    readonly name: string
    readonly rows: string | null
    readonly hash: string | null
    readonly bytes: number
  }[]
  /** Everything that shapes and guards the data, by kind and name, with its definition. */
  readonly objects: readonly { readonly kind: string; readonly name: string; readonly definition: string }[]
  readonly buckets: readonly {
    readonly name: string
    readonly files: number
    readonly bytes: number
    readonly digest: string
  }[]
  readonly functions: readonly { readonly slug: string; readonly version: number; readonly digest: string | null }[]
  readonly missing: readonly { readonly what: string; readonly reason: string }[]
}

export interface BucketTally {
  readonly name: string
  readonly files: number
  readonly bytes: number
  readonly digest: string
}

/** `buckets`: counted from the list of objects, which may be too long for memory. */
export function insideOf(contents: Contents, manifest: Manifest, buckets: readonly BucketTally[]): Inside {
  const { database, storage, functions } = contents
  return {
    id: contents.id,
    project: contents.project,
    createdAt: contents.createdAt,
    type: manifest.type,
    status: manifest.status,
    ...insideOfDatabase(database ?? { tables: [], guards: [], extensions: [], roles: [] }),
    buckets,
    functions: (functions?.functions ?? []).map(({ slug, version, bundleSha256, files }) => ({
      slug,
      version,
      digest: bundleSha256 ?? (files.map(({ sha256 }) => sha256).join(' ') || null)
    })),
    missing: [
      ...manifest.parts
        .filter(({ status }) => status !== 'captured')
        .map(({ source, status, reason }) => ({
          what: source,
          reason: `${status}${reason === undefined ? '' : `: ${reason}`}`
        })),
      ...(database?.notCaptured ?? []).map(({ what, reason }) => ({ what, reason })),
      ...(storage?.notCaptured ?? []).map(({ what, reason }) => ({ what, reason }))
    ]
  }
}

/** The database's half, of a backup or a live one. */
export function insideOfDatabase(
  database: Pick<DatabaseFacts, 'tables' | 'guards' | 'extensions' | 'roles'>
): Pick<Inside, 'tables' | 'objects'> {
  return {
    tables: database.tables.map(({ schema, name, rows, hash, bytes }) => ({
      name: `${schema}.${name}`,
      rows,
      hash: hash === null ? null : `${hash.method}:${hash.value}`,
      bytes
    })),
    objects: [
      ...database.guards.map(({ kind, name, definition }) => ({ kind, name, definition })),
      ...database.extensions.map(({ name, version, schema }) => ({
        kind: 'extension',
        name,
        definition: `${version} in ${schema}`
      })),
      ...database.roles.map(({ name, ...facts }) => ({ kind: 'role', name, definition: JSON.stringify(facts) }))
    ]
  }
}

/** `show` as text. */
export function showText(inside: Inside): string {
  const kinds = Map.groupBy(inside.objects, ({ kind }) => kind)
  return [
    `Backup ${inside.id} of ${inside.project}, made ${formatTime(new Date(inside.createdAt))}, ${inside.type}, ${inside.status}`,
    block(
      'Tables',
      ['table', 'rows', 'size'],
      inside.tables.map(({ name, rows, bytes }) => [
        name,
        rows === null ? '-' : formatCount(Number(rows)),
        formatBytes(bytes)
      ])
    ),
    block(
      'Objects by kind',
      ['kind', 'number'],
      [...kinds].map(([kind, all]) => [kind, formatCount(all.length)])
    ),
    block(
      'Buckets',
      ['bucket', 'files', 'size'],
      inside.buckets.map(({ name, files, bytes }) => [name, formatCount(files), formatBytes(bytes)])
    ),
    block(
      'Edge Functions',
      ['function', 'version'],
      inside.functions.map(({ slug, version }) => [slug, String(version)])
    ),
    block(
      'What is missing',
      ['what', 'why'],
      inside.missing.map(({ what, reason }) => [what, reason])
    )
  ]
    .filter((text) => text !== '')
    .join('\n\n')
    .concat('\n')
}

export interface Difference {
  readonly from: string
  readonly to: string
  readonly tables: readonly {
    readonly name: string
    readonly before: string | null
    readonly after: string | null
    readonly change: string
  }[]
  readonly objects: readonly { readonly kind: string; readonly name: string; readonly change: string }[]
  readonly buckets: readonly {
    readonly name: string
    readonly before: number | null
    readonly after: number | null
    readonly change: string
  }[]
  readonly functions: readonly { readonly name: string; readonly change: string }[]
}

/** What differs between two, the one that counts as older first. Hashes of different methods say nothing about each other. */
export function compareInside(a: Inside, b: Inside): Difference {
  const keyed = <T>(items: readonly T[], key: (item: T) => string) => new Map(items.map((item) => [key(item), item]))
  const pairs = <T>(left: readonly T[], right: readonly T[], key: (item: T) => string) => {
    const before = keyed(left, key)
    const after = keyed(right, key)
    return [...new Set([...before.keys(), ...after.keys()])]
      .sort()
      .map((name) => ({ name, before: before.get(name), after: after.get(name) }))
  }
  const presence = (before: unknown, after: unknown) =>
    before === undefined ? 'only in the second' : after === undefined ? 'only in the first' : null
  return {
    from: a.id,
    to: b.id,
    tables: pairs(a.tables, b.tables, ({ name }) => name).flatMap(({ name, before, after }) => {
      const isSame =
        before !== undefined && after !== undefined && before.rows === after.rows && !differs(before.hash, after.hash)
      if (isSame) return []
      const change =
        presence(before, after) ?? (before?.rows === after?.rows ? 'same number of rows, other content' : 'rows')
      return [{ name, before: before?.rows ?? null, after: after?.rows ?? null, change }]
    }),
    objects: pairs(a.objects, b.objects, ({ kind, name }) => `${kind}\0${name}`).flatMap(({ name, before, after }) => {
      if (before !== undefined && after !== undefined && before.definition === after.definition) return []
      const [kind = '', own = ''] = name.split('\0')
      return [{ kind, name: own, change: presence(before, after) ?? 'other definition' }]
    }),
    buckets: pairs(a.buckets, b.buckets, ({ name }) => name).flatMap(({ name, before, after }) => {
      if (before !== undefined && after !== undefined && before.digest === after.digest) return []
      const change = presence(before, after) ?? (before?.files === after?.files ? 'other files' : 'files')
      return [{ name, before: before?.files ?? null, after: after?.files ?? null, change }]
    }),
    functions: pairs(a.functions, b.functions, ({ slug }) => slug).flatMap(({ name, before, after }) => {
      if (before !== undefined && after !== undefined && before.digest === after.digest) return []
      return [{ name, change: presence(before, after) ?? 'other source' }]
    })
  }
}

function differs(before: string | null, after: string | null): boolean {
  const method = (hash: string | null) => hash?.split(':')[0]
  return before !== null && after !== null && method(before) === method(after) && before !== after
}

export function diffText(difference: Difference): string {
  const number = (rows: string | number | null) => (rows === null ? '-' : formatCount(Number(rows)))
  const blocks = [
    block(
      'Tables',
      ['table', 'rows before', 'rows after', 'what'],
      difference.tables.map(({ name, before, after, change }) => [name, number(before), number(after), change])
    ),
    block(
      'Objects',
      ['kind', 'object', 'what'],
      difference.objects.map(({ kind, name, change }) => [kind, name, change])
    ),
    block(
      'Buckets',
      ['bucket', 'files before', 'files after', 'what'],
      difference.buckets.map(({ name, before, after, change }) => [name, number(before), number(after), change])
    ),
    block(
      'Edge Functions',
      ['function', 'what'],
      difference.functions.map(({ name, change }) => [name, change])
    )
  ].filter((text) => text !== '')
  const head = `From ${difference.from} to ${difference.to}`
  return `${[head, ...(blocks.length === 0 ? ['Nothing differs.'] : blocks)].join('\n\n')}\n`
}

/** A table under a title; empty where it has no rows. Names come from a database: each is one line in which every character can be seen. */
function block(title: string, head: readonly string[], rows: readonly (readonly string[])[]): string {
  if (rows.length === 0) return ''
  const shown = [head, ...rows].map((row) => row.map((cell) => visible(cell)))
  const widths = head.map((_, column) => Math.max(...shown.map((row) => (row[column] ?? '').length)))
  const draw = (row: readonly string[]) =>
    row
      .map((cell, column) => cell.padEnd(widths[column] ?? 0))
      .join('  ')
      .trimEnd()
  return [
    `${title}: ${formatCount(rows.length)}`,
    draw(shown[0] ?? []),
    widths.map((one) => '-'.repeat(one)).join('  '),
    ...shown.slice(1).map(draw)
  ].join('\n')
}
