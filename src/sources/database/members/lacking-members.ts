import type { MemberFacts } from '../../../archive/contents-database.ts'
import type { Member, MemberPart, MemberStep } from '../../../archive/contents-members.ts'

/** One statement that a database lacks to have the extensions' objects as they were. */
export interface LackingPart {
  readonly member: Member
  readonly part: MemberPart
  /** False where something else stands in its place: whether to give that up is a person's decision. */
  readonly runs: boolean
}

/** What the database that is looked at has. */
export interface MembersThere {
  readonly objects: readonly Member[]
  /** Version by name of the extensions. */
  readonly versions: ReadonlyMap<string, string>
}

/** What is compared with it. */
export interface MembersWanted {
  readonly facts: MemberFacts
  /** Version by name of the extensions. */
  readonly versions: ReadonlyMap<string, string>
  /** Whether an object is meant: by its subject. */
  readonly isWanted: (subject: string) => boolean
}

/** Steps that make an object. */
const making = new Set<MemberStep>(['sequence', 'table', 'view', 'function'])
/** Steps whose statement takes the place of what is there. */
const replacing = new Set<MemberStep>(['function', 'view', 'row security', 'comment', 'owner'])
/** Steps that are of no matter where the object is there: what makes it, and grants, which a dump holds as far as they were changed. */
const ofNew = new Set<MemberStep>(['sequence', 'table', 'owned by', 'grants', 'membership', 'partition'])

const keyOf = ({ extension, subject }: Pick<Member, 'extension' | 'subject'>) => JSON.stringify([extension, subject])

/**
 * What a database lacks of the objects of those extensions that it has. Of an extension of another version only tables with rows are looked for, which no
 * version makes by itself, and queues: what else differs may be the version's. Pure.
 */
export function lackingParts(wanted: MembersWanted, there: MembersThere): LackingPart[] {
  const found = new Map(there.objects.map((member) => [keyOf(member), member]))
  const holding = new Set(
    wanted.facts.tables
      .filter(({ rows, extension, name }) => (rows ?? '0') !== '0' || (extension === 'pgmq' && /^[qa]_/.test(name)))
      .map(({ subject }) => subject)
  )
  return wanted.facts.objects
    .filter(({ extension, subject }) => there.versions.has(extension) && wanted.isWanted(subject))
    .flatMap((member): LackingPart[] => {
      const theirs = found.get(keyOf(member))
      const same = there.versions.get(member.extension) === wanted.versions.get(member.extension)
      if (theirs === undefined) {
        if (!same && !holding.has(member.subject) && !isOfTable(member, holding)) return []
        return partsOfNew(member).map((part) => ({ member, part, runs: true }))
      }
      return same ? partsThatDiffer(member, theirs) : []
    })
}

/** Objects of extensions that a database of the same version does not have, and that no statement is known for. */
export function unmakeable(wanted: MembersWanted, there: MembersThere): Member[] {
  const found = new Set(there.objects.map(keyOf))
  return wanted.facts.objects.filter(
    (member) =>
      there.versions.get(member.extension) === wanted.versions.get(member.extension) &&
      wanted.isWanted(member.subject) &&
      !found.has(keyOf(member)) &&
      partsOfNew(member).length === 0
  )
}

/** Steps that show what somebody changed about an object: what an extension makes by itself is the same in the same version. */
const telling = new Set<MemberStep>([
  'function',
  'column',
  'constraint',
  'index',
  'foreign key',
  'trigger',
  'policy',
  'comment',
  'owner'
])

/** What a database has of the extensions' objects that the source had not, where both have the same version. Pure. */
export function surplusParts(wanted: MembersWanted, there: MembersThere): Pick<LackingPart, 'member' | 'part'>[] {
  const known = new Map(wanted.facts.objects.map((member) => [keyOf(member), member]))
  return there.objects.flatMap((member) => {
    const ours = known.get(keyOf(member))
    if (ours === undefined || there.versions.get(member.extension) !== wanted.versions.get(member.extension)) return []
    const has = ({ step, name }: MemberPart) => ours.parts.some((one) => one.step === step && one.name === name)
    return member.parts.filter((part) => telling.has(part.step) && !has(part)).map((part) => ({ member, part }))
  })
}

/** An identity column's sequence is there as soon as its table is: then it lacks its membership alone. */
function isOfTable({ parts }: Member, holding: ReadonlySet<string>): boolean {
  return holding.size > 0 && parts.length > 0 && parts.every(({ step }) => step === 'membership' || step === 'grants')
}

function partsOfNew({ parts }: Member): readonly MemberPart[] {
  const alters = (part: MemberPart) => part.step === 'function' && /^alter /.test(part.sql)
  const makes = parts.some((part) => making.has(part.step) && !alters(part))
  const joins = parts.every(({ step }) => step === 'membership' || step === 'grants')
  return makes || joins ? parts.filter(({ step }) => step !== 'column') : []
}

function partsThatDiffer(member: Member, theirs: Member): LackingPart[] {
  return member.parts.flatMap((part): LackingPart[] => {
    if (ofNew.has(part.step)) return []
    const their = theirs.parts.find(({ step, name }) => step === part.step && name === part.name)
    if (their?.sql === part.sql) return []
    const runs = their === undefined || (replacing.has(part.step) && !part.sql.startsWith('create materialized'))
    return [{ member, part, runs }]
  })
}
