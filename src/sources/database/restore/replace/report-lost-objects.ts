import type { Guard } from '../../../../archive/contents-database.ts'
import type { Finding } from '../../../source.ts'
import { quoteLiteral } from '../../catalog/quote.ts'
import { compareGuards } from '../../fingerprint/compare.ts'
import { grantStatements } from '../../fingerprint/grant-lines.ts'
import { orReplace } from '../../pg-archive/entry-sql.ts'
import type { TocEntry } from '../../pg-archive/toc.ts'
import { comparable, guardNameOf, relationOf } from '../check/object-names.ts'

/** Whether something of the fingerprint goes when these are replaced: it is one of them, or hangs on one. */
export function goesWith(roots: readonly TocEntry[]): (guard: Guard) => boolean {
  const names = new Set(roots.map((entry) => comparable(guardNameOf(entry))))
  return (guard) => {
    const relation = relationOf(guard)
    if (relation !== undefined) return names.has(comparable(relation))
    return /^(?:comment|default privileges|extension|publication|schema|owner of schema|grants on schema)$/.test(
      guard.kind
    )
      ? false
      : names.has(comparable(guard.name))
  }
}

/** Kinds that others tell of, or that no replacing takes away. */
const toldElsewhere = /^(?:owner of .*|publication|large objects|extension|event trigger)$/
/** What guards rows: that it is another again is left to be looked at. */
const guarding = /^(?:policy|trigger|rule|constraint|row security)$/

/**
 * What guarded and shaped the target before and went when objects were replaced, or is otherwise now: a policy that was added after the backup must not go
 * without a word. With the SQL that makes it again, as far as `held`, the target's definitions of before, or the fingerprint itself gives it. Tables, views
 * and functions that went altogether are told by the plan, and nothing is told of what hung on them. `todo` where somebody should decide about it; of a
 * whole replacement, which is meant to bring just the backup, everything is only noted.
 */
export function goneWithReplaced(
  before: readonly Guard[],
  after: readonly Guard[],
  held: Iterable<TocEntry>,
  whole: boolean
): Finding[] {
  const key = ({ kind, name }: Guard) => `${kind}\0${name}`
  const now = new Map(after.map((guard) => [key(guard), guard]))
  const relations = new Set(after.flatMap((guard) => (isRelation(guard) ? [guard.name] : [])))
  const entries = new Map([...held].map((entry) => [`${kindOf(entry)} ${comparable(guardNameOf(entry))}`, entry]))
  const owners = Map.groupBy(
    [...before, ...after].filter(({ kind }) => kind.startsWith('owner of ')),
    ({ kind, name }) => `${kind.slice('owner of '.length)}\0${name}`
  )
  const found = new Map(
    compareGuards(before, after, {
      sides: { source: 'before', copy: 'now' },
      missingExtensions: new Set(),
      sameMajor: true
    }).map((finding) => [finding.subject, finding])
  )
  return before.flatMap((guard): Finding[] => {
    const subject = `${guard.kind} ${guard.name}`
    const finding = found.get(subject)
    if (finding === undefined || toldElsewhere.test(guard.kind)) return []
    const other = now.get(key(guard))
    const relation = relationOf(guard)
    const entry = entries.get(`${guard.kind} ${comparable(guard.name)}`)
    if (other === undefined) {
      const stays = relation === undefined ? isSaidOfOther(guard, now) : !isRelation(guard) && relations.has(relation)
      // Without an entry of its own it is the index of a constraint.
      if (!stays || (guard.kind === 'index' && entry === undefined)) return []
    }
    const remedy = againAs(guard, other, entry, () => {
      const of = owners.get(`${guard.kind.slice('grants on '.length)}\0${guard.name}`) ?? []
      return new Set(of.map(({ definition }) => definition))
    })
    // Grants of the backup are what was asked for: giving the others again must not look like a part of the restore.
    const isGrant = guard.kind.startsWith('grants on ')
    const open = !whole && remedy !== undefined && (other === undefined ? !isGrant : guarding.test(guard.kind))
    return [
      {
        kind: open ? 'todo' : 'note',
        subject,
        detail:
          other === undefined
            ? 'the target had it and the backup does not: it went with what was replaced'
            : `it is as in the backup again, and was otherwise in the target: ${finding.detail.replace(/^it differs: /, '')}`,
        ...(remedy === undefined ? {} : { remedy })
      }
    ]
  })
}

const isRelation = ({ kind }: Guard) => /^(?:table|foreign table|view|materialized view)$/.test(kind)

/** Whether it is said of an object that is still there: grants of a function, for example. */
function isSaidOfOther({ kind, name }: Guard, now: ReadonlyMap<string, Guard>): boolean {
  return kind.startsWith('grants on ') && now.has(`${kind.slice('grants on '.length)}\0${name}`)
}

/** How the fingerprint calls an entry's kind. */
function kindOf({ kind }: TocEntry): string {
  return kind.endsWith('CONSTRAINT') ? 'constraint' : kind.toLowerCase()
}

/** The SQL that makes something what it was. `other`: what it is now; undefined where it is gone. */
function againAs(
  guard: Guard,
  other: Guard | undefined,
  entry: TocEntry | undefined,
  owners: () => ReadonlySet<string>
): string | undefined {
  const { kind, name, definition } = guard
  if (kind.startsWith('grants on ')) {
    const object = { kind: kind.slice('grants on '.length), name }
    const statements = grantStatements(object, definition.split('\n'), other?.definition.split('\n') ?? [], owners())
    return statements.length === 0 ? undefined : statements.join('\n')
  }
  if (kind === 'row security') {
    const words = [
      definition.startsWith('enabled') ? 'ENABLE' : 'DISABLE',
      definition.endsWith('forced') ? 'FORCE' : 'NO FORCE'
    ]
    return words.map((word) => `ALTER TABLE ${name} ${word} ROW LEVEL SECURITY;`).join('\n')
  }
  if (kind === 'comment') return commentStatement(name, definition)
  if (kind === 'constraint') {
    const table = relationOf(guard)
    if (table === undefined) return undefined
    const constraint = name.slice(0, name.length - ` on ${table}`.length)
    const drop = other === undefined ? '' : `ALTER TABLE ${table} DROP CONSTRAINT ${constraint};\n`
    return `${drop}ALTER TABLE ${table} ADD CONSTRAINT ${constraint} ${definition};`
  }
  if (entry === undefined) return undefined
  if (/^(?:policy|trigger|rule|index|statistics)$/.test(kind))
    return `${other === undefined ? '' : entry.dropStatement}${entry.definition}`.trim()
  return /^(?:function|procedure)$/.test(kind) ? orReplace(entry.definition).trim() : undefined
}

/** Kinds of a comment's object that `COMMENT ON` calls as the fingerprint does. */
const commented =
  /^(table|foreign table|view|materialized view|index|sequence|function|procedure|aggregate|policy|trigger|rule|schema) ([\s\S]*)$/

function commentStatement(name: string, text: string): string | undefined {
  const part = /^(?:(?:foreign table|table|view|materialized view) (column)|table (constraint)) ([\s\S]*)$/.exec(name)
  const plain = commented.exec(name)
  const word = part === null ? plain?.[1] : (part[1] ?? part[2])
  if (word === undefined) return undefined
  return `COMMENT ON ${word.toUpperCase()} ${part?.[3] ?? plain?.[2] ?? ''} IS ${quoteLiteral(text)};`
}
