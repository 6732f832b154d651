import type { DatabaseFacts, Guard } from '../../../../archive/contents-database.ts'
import { factsOfKind } from '../../pg-archive/kinds.ts'
import { withDependants } from '../../pg-archive/skip-entries.ts'
import type { ArchiveToc, TocEntry } from '../../pg-archive/toc.ts'
import { comparable, guardNameOf, relationOf } from './object-names.ts'

/** What a restore left out or changed, by entries of the archive and by names of the fingerprint. */
export interface NotMade {
  /** Entries that the target refused as a whole. */
  readonly refused: ReadonlySet<number>
  /** Entries whose object is there and belongs to another role. */
  readonly otherOwner: ReadonlySet<number>
  /** Entries whose object was there before: their grants had to become those of the backup, and what is wrong about them is told. */
  readonly stayed: ReadonlySet<number>
  /** Grants that were not given, since what closes their table could not be made. */
  readonly withheld: ReadonlySet<number>
  /** Constraints (`name on table`) that hold for new rows alone. */
  readonly notValid: ReadonlySet<string>
}

/** Whether an entry says something of objects, and is none itself. */
const isRemark = ({ kind }: TocEntry) => kind === 'DEFAULT ACL' || factsOfKind(kind).isAbout

/**
 * Tells whether something of the fingerprint differs because of what is listed already: it is what was refused, hangs on it by the dependencies of the archive,
 * or is said of it. Nothing else passes.
 */
export function consequencesOf(
  toc: Pick<ArchiveToc, 'entries'>,
  { refused, otherOwner, stayed, withheld, notValid }: NotMade
): (guard: Pick<Guard, 'kind' | 'name' | 'definition'>) => boolean {
  const byId = new Map(toc.entries.map((entry) => [entry.id, entry]))
  const roots = [...refused].flatMap((id) => {
    const entry = byId.get(id)
    return entry === undefined || isRemark(entry) ? [] : [entry]
  })
  const lost = withDependants(
    toc,
    new Map(
      [...roots, ...toc.entries.filter((entry) => roots.some((root) => isMappingOf(entry, root)))].map(({ id }) => [
        id,
        ''
      ])
    )
  )
  const gone = new Set<string>()
  const lostRelations = new Set<string>()
  for (const id of lost.keys()) {
    const entry = byId.get(id)
    if (entry === undefined || isRemark(entry)) continue
    for (const name of namesOf(entry)) gone.add(name)
    if (entry.kind === 'SEQUENCE' || factsOfKind(entry.kind).isRelation || isViewRule(entry))
      lostRelations.add(relationNameOf(entry))
  }
  const named = (ids: Iterable<number>, kinds: RegExp) =>
    new Set([...ids].flatMap((id) => namedIn(byId.get(id), kinds)))
  const closed = named(withheld, /^ACL$/)
  const open = named(refused, /^ROW SECURITY$/)
  const unfilled = named(refused, /^MATERIALIZED VIEW DATA$/)
  const owned = named(otherOwner, /./)
  const kept = named(stayed, /./)
  const valid = new Set([...notValid].map(comparable))
  return (guard) => {
    const name = comparable(guard.name)
    const relation = relationOf(guard)
    if (relation !== undefined && lostRelations.has(comparable(relation))) return true
    const bare = name.replace(/ using \S+$/, '')
    if (guard.kind.startsWith('grants on ') && kept.has(bare)) return false
    if (gone.has(bare) || lostRelations.has(bare)) return true
    if (guard.kind === 'options of column' && lostRelations.has(name.replace(/\.[^.]+$/, ''))) return true
    if (guard.kind === 'constraint' && valid.has(name)) return true
    if (guard.kind === 'comment' && [...gone, ...lostRelations].some((one) => name.endsWith(` ${one}`))) return true
    if (guard.kind === 'row security' && open.has(name)) return true
    if (guard.kind === 'materialized view' && unfilled.has(name)) return true
    if (guard.kind.startsWith('grants on ') && closed.has(relation === undefined ? bare : comparable(relation)))
      return true
    return /^(?:owner of|grants on) /.test(guard.kind) && owned.has(bare)
  }
}

/** What an entry's object is called in the fingerprint, where that is found by the name alone. */
function namesOf(entry: TocEntry): string[] {
  if (entry.kind === 'USER MAPPING') {
    const [, role = '', server = ''] = /^USER MAPPING ([\s\S]*) SERVER ([\s\S]*)$/.exec(entry.tag) ?? []
    return [comparable(`${role} on ${server}`)]
  }
  // The row security and the data of a table are called as the table is, and the table itself may be there.
  if (factsOfKind(entry.kind).isState) return entry.kind === 'INDEX ATTACH' ? [comparable(guardNameOf(entry))] : []
  const name = comparable(guardNameOf(entry))
  // The index of a key is called as the key is.
  const key = /^(\S.*) on (\S+)\.[^.]+$/.exec(name)
  return entry.kind === 'CONSTRAINT' && key !== null ? [name, `${key[2]}.${key[1]}`] : [name]
}

/** Mappings are dumped with their server, without a dependency that would tell of it. */
export function isMappingOf(entry: Pick<TocEntry, 'kind' | 'tag'>, server: Pick<TocEntry, 'kind' | 'tag'>): boolean {
  return entry.kind === 'USER MAPPING' && server.kind === 'SERVER' && entry.tag.endsWith(` SERVER ${server.tag}`)
}

/** The real definition of a view that was made empty first, since it is part of a loop. */
const isViewRule = ({ kind, tag }: TocEntry) => kind === 'RULE' && tag.endsWith(' _RETURN')

function relationNameOf(entry: TocEntry): string {
  return comparable(`${entry.schema}.${entry.tag.replace(/ _RETURN$/, '')}`)
}

function namedIn(entry: TocEntry | undefined, kinds: RegExp): string[] {
  return entry !== undefined && kinds.test(entry.kind) ? [comparable(guardNameOf(entry))] : []
}

/** The object of the fingerprint that a finding is about, by its subject. */
export function guardBySubject(
  ...sides: readonly (readonly Guard[])[]
): (subject: string) => DatabaseFacts['guards'][number] | undefined {
  const known = new Map(sides.flat().map((guard) => [`${guard.kind} ${guard.name}`, guard]))
  return (subject) => known.get(subject)
}
