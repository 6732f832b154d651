import { describe, expect, test } from 'vitest'
import type { DatabaseFacts } from '../../../../../../src/archive/contents-database.ts'
import { UserError } from '../../../../../../src/errors.ts'
import type { ArchiveToc, TocEntry } from '../../../../../../src/sources/database/pg-archive/toc.ts'
import type { RestorePlan, RowsPlan } from '../../../../../../src/sources/database/restore/plan/restore-plan.ts'
import { assertPlan, assertTarget } from '../../../../../../src/sources/database/restore/target/preconditions.ts'
import type { TargetState } from '../../../../../../src/sources/database/restore/target/target-state.ts'

const target: TargetState = {
  user: 'me "too"',
  database: 'shop',
  superuser: false,
  version: '17.6',
  versionNumber: 170006,
  encoding: 'UTF8',
  closed: null,
  mayCreate: true,
  bypassRls: true,
  replicaRole: true,
  schemas: new Map(),
  roles: new Set(),
  extensions: new Map(),
  extensionSchemas: new Map(),
  available: new Map(),
  holds: [],
  sizeBytes: 0,
  mostLocks: 6400
}
const facts = { server: { version: '17.4', versionNumber: 170004 } } as Partial<DatabaseFacts> as DatabaseFacts
const toc = (definition?: string): ArchiveToc => {
  const entry: Partial<TocEntry> = { kind: 'ENCODING', ...(definition === undefined ? {} : { definition }) }
  return { entries: definition === undefined ? [] : [entry as TocEntry] } as Partial<ArchiveToc> as ArchiveToc
}

function refusal(work: () => void): { code: string; message: string; remedy: string } | undefined {
  try {
    work()
    return undefined
  } catch (thrown) {
    if (!(thrown instanceof UserError)) throw thrown
    return { code: thrown.code, message: thrown.message, remedy: thrown.remedy }
  }
}

describe('F68: a target is refused before anything is written', () => {
  const gate = (state: Partial<TargetState>, mode: 'empty' | 'replace' = 'empty', archive = toc()) =>
    refusal(() => assertTarget({ ...target, ...state }, facts, archive, mode))

  test('that is older than the backup, by its major version alone', () => {
    expect(gate({ version: '15.20', versionNumber: 150020 })).toMatchObject({
      code: 'SB704',
      message: expect.stringContaining('15.20')
    })
    expect(gate({ versionNumber: 170001 })).toBeUndefined()
    expect(gate({ versionNumber: 180001 })).toBeUndefined()
  })

  test('that cannot be written to', () => {
    expect(gate({ closed: 'it is a replica' })).toMatchObject({
      code: 'SB707',
      message: expect.stringContaining('it is a replica')
    })
  })

  test('whose text is in another encoding than UTF8, or where that of the backup is', () => {
    expect(gate({ encoding: 'LATIN1' })).toMatchObject({
      code: 'SB711',
      message: expect.stringContaining('in UTF8, that of the target in LATIN1')
    })
    expect(gate({}, 'empty', toc("SET client_encoding = 'SQL_ASCII';\n"))).toMatchObject({ code: 'SB711' })
    expect(gate({}, 'empty', toc("SET client_encoding = 'UTF8';\n"))).toBeUndefined()
    // What is no such statement says nothing.
    expect(gate({}, 'empty', toc('SET x; drop database shop'))).toBeUndefined()
  })

  test('that is not empty, where an empty one is demanded', () => {
    expect(gate({ holds: ['the table public.users'] })).toMatchObject({
      code: 'SB703',
      message: expect.stringContaining('public.users')
    })
    expect(gate({ holds: ['the table public.users'] }, 'replace')).toBeUndefined()
  })
})

describe('F68: a plan is refused before anything is written', () => {
  const plan: RestorePlan = {
    entries: [],
    rows: [],
    findings: [],
    obstacles: [],
    platform: new Set(),
    left: [],
    regranted: [],
    returning: [],
    roots: new Map(),
    throughRoot: new Map()
  }
  const gate = (facts: Partial<RestorePlan>, state: Partial<TargetState> = {}) =>
    refusal(() => assertPlan({ ...plan, ...facts }, { ...target, ...state }))
  const schema = [{ kind: 'SCHEMA' } as Partial<TocEntry> as TocEntry]
  const rows = (way: RowsPlan['way']) => [{ way } as Partial<RowsPlan> as RowsPlan]

  test('that has obstacles: the first says what it is, ten are named', () => {
    const obstacles = Array.from({ length: 12 }, (_, index) => ({
      code: index === 0 ? ('SB706' as const) : ('SB705' as const),
      text: `(${index})`
    }))
    const refused = gate({ obstacles })
    expect(refused?.code).toBe('SB706')
    expect(refused?.message).toContain('(9)')
    expect(refused?.message).not.toContain('(10)')
    expect(gate({})).toBeUndefined()
  })

  test('whose schemas the role may not make; names of roles are quoted in the statement that helps', () => {
    expect(gate({ entries: schema }, { mayCreate: false })).toMatchObject({
      code: 'SB707',
      remedy: expect.stringContaining('grant create on database "shop" to "me ""too""";')
    })
    expect(gate({ entries: schema })).toBeUndefined()
    expect(gate({}, { mayCreate: false })).toBeUndefined()
  })

  test('whose rows need triggers to be held still, where the role may not', () => {
    for (const way of ['exchange', 'missing'] as const)
      expect(gate({ rows: rows(way) }, { replicaRole: false })).toMatchObject({
        code: 'SB707',
        remedy: expect.stringContaining('session_replication_role to "me ""too"""')
      })
    expect(gate({ rows: rows('exchange') })).toBeUndefined()
    expect(gate({ rows: rows('copy') }, { replicaRole: false })).toBeUndefined()
  })
})

test('who meets a target that is not empty reads which modes compare it', () => {
  const { remedy } = refusal(() => assertTarget({ ...target, holds: ['the table notes'] }, facts, toc(), 'empty')) ?? {}
  expect(remedy).toMatch(
    /`missing-rows`, `side-schema` or `replace`\. With `dry-run: true` these three compare row by row and change nothing/
  )
})
