import { expect, test } from 'vitest'
import type { Guard, SequenceFacts, TableFacts, VisibleRows } from '../../../../../src/archive/contents-database.ts'
import {
  compareGuards,
  compareSequences,
  compareTables,
  compareVisibleRows
} from '../../../../../src/sources/database/fingerprint/compare.ts'

const options = { missingExtensions: new Set<string>(), sameMajor: true, sameFingerprint: true }

const state = (value: string, called = true) => ({ value, called })
const sequence = (before: SequenceFacts['before'], after = before): SequenceFacts => ({
  schema: 's',
  name: 'q',
  before,
  after
})

test.each([
  [sequence(state('5')), state('5'), true],
  [sequence(state('5')), state('6'), false],
  [sequence(state('5', false)), state('5', true), false],
  [sequence(state('5'), state('9')), state('7'), true],
  [sequence(state('5'), state('9')), state('4'), false],
  [sequence(state('5'), state('9')), state('10'), false],
  [sequence(state('-5'), state('-9')), state('-7'), true],
  [sequence(state('1', false), state('9')), state('1', false), true],
  [sequence(state('3'), state('9')), state('4', false), false]
])('F22: a sequence %o restored as %o is in order: %s', (facts, copy, expected) => {
  expect(compareSequences([facts], new Map([['s.q', copy]])).length === 0).toBe(expected)
})

const guard = (kind: string, name: string, definition: string, needs?: string[]): Guard => ({
  kind,
  name,
  definition,
  ...(needs === undefined ? {} : { needs })
})

test('what needs a missing extension is not proven; the same without the need is a difference', () => {
  const without = { ...options, missingExtensions: new Set(['vector']) }
  const kinds = compareGuards(
    [guard('index', 'a', 'x', ['vector']), guard('index', 'b', 'x', ['other']), guard('index', 'c', 'x')],
    [],
    without
  ).map((finding) => finding.kind)
  expect(kinds).toEqual(['notProven', 'difference', 'difference'])
})

test('grants on what an extension made are found where the catalog of the copy holds them for those that it made itself', () => {
  const source = [guard('grants on table', 'q.meta', 'app=SELECT,INSERT/app\npg_monitor=SELECT/app')]
  const copy = (grants: string) => [
    guard('grants on untouched table', 'q.meta', grants),
    guard('grants on untouched function', 'q.send()', 'boss=EXECUTE/boss')
  ]
  expect(compareGuards(source, copy('boss=SELECT,INSERT/boss\npg_monitor=SELECT/boss'), options)).toEqual([])
  expect(compareGuards(source, copy('boss=SELECT,INSERT/boss'), options).map(({ kind }) => kind)).toEqual([
    'difference'
  ])
})

test('default privileges that an extension gave to whoever created it are no difference; those of others are', () => {
  const privileges = (role: string, schema: string, to: string) =>
    guard(
      'default privileges',
      `for ${role} in schema ${schema} on tables`,
      `${role}=SELECT/${role}\n${to}=SELECT/${role}`
    )
  const source = [privileges('app', 'q', 'pg_monitor')]
  const kinds = (more: Guard) => compareGuards(source, [...source, more], options).map(({ subject }) => subject)
  expect(kinds(privileges('boss', 'q', 'pg_monitor'))).toEqual([])
  expect(kinds(privileges('boss', 'q', 'anon'))).toHaveLength(1)
  expect(kinds(privileges('boss', 'other', 'pg_monitor'))).toHaveLength(1)
})

test('R8: what differs is told without the bodies of functions, the text of comments and the expressions of columns', () => {
  const body = (secret: string) =>
    `CREATE OR REPLACE FUNCTION public.f()\n RETURNS text\n LANGUAGE sql\n${secret === 'b' ? ' STABLE\n' : ''}AS $function$select 'Bearer sk_${secret}'$function$\n`
  const details = (kind: string, left: string, right: string) =>
    compareGuards([guard(kind, 'x', left)], [guard(kind, 'x', right)], options).map(({ detail }) => detail)
  expect(details('function', body('a'), body('b'))).toEqual(['it differs: source: (nothing); copy:  STABLE'])
  const hidden = 'it differs: in code or text that may hold secrets and is not shown'
  expect(details('function', body('a'), body('c'))).toEqual([hidden])
  expect(details('comment', 'sk_a', 'sk_b')).toEqual([hidden])
  expect(details('view', "column a text\n SELECT 'sk_a'", "column a text\n SELECT 'sk_b'")).toEqual([hidden])
  const columns = details('table', "column a text default 'sk_a'", "column a text default 'sk_b'\ncolumn b integer")
  expect(columns).toEqual(['it differs: source: (nothing); copy: column b integer'])
})

test('between majors a wording is not proven, a grant still is a difference', () => {
  const across = { ...options, sameMajor: false }
  const source = [guard('view', 'v', 'a'), guard('grants on view', 'v', 'a')]
  const copy = [guard('view', 'v', 'b'), guard('grants on view', 'v', 'b')]
  expect(compareGuards(source, copy, across).map((finding) => finding.kind)).toEqual(['notProven', 'difference'])
  expect(compareGuards(source, copy, options).map((finding) => finding.kind)).toEqual(['difference', 'difference'])
})

test('F66: a fingerprint of an earlier version is compared as far as it goes', () => {
  const across = { ...options, sameFingerprint: false }
  const source = [guard('collation', 'c', 'a'), guard('policy', 'p', 'a')]
  const copy = [
    guard('collation', 'c', 'b'),
    guard('policy', 'p', 'b'),
    guard('policy', 'q', 'b'),
    guard('new', 'n', 'b')
  ]
  const kinds = (findings: ReturnType<typeof compareGuards>) =>
    findings.map(({ kind, subject }) => `${kind} ${subject}`)
  expect(kinds(compareGuards(source, copy, across))).toEqual([
    'notProven collation c',
    'difference policy p',
    'difference policy q'
  ])
  expect(kinds(compareGuards(source, copy, options))).toEqual([
    'difference collation c',
    'difference policy p',
    'difference policy q',
    'difference new n'
  ])
})

test('options that one side may not see are not proven, and never shown', () => {
  const options = (definition: string) => [guard('options of user mapping', 'u on s', definition)]
  const same = { missingExtensions: new Set<string>(), sameMajor: true }
  const found = (left: string, right: string) => compareGuards(options(left), options(right), same)[0]
  expect(found('digest1', 'hidden')?.kind).toBe('notProven')
  expect(found('digest1', 'digest2')).toEqual({
    kind: 'difference',
    subject: 'options of user mapping u on s',
    detail: expect.not.stringContaining('digest')
  })
})

test('two of a name are two', () => {
  expect(
    compareGuards([guard('cast', 'a', 'x'), guard('cast', 'a', 'x')], [guard('cast', 'a', 'x')], options)
  ).toHaveLength(1)
})

const table = (rest: Partial<TableFacts> = {}): TableFacts => ({
  schema: 's',
  name: 't',
  kind: 'r',
  rows: '2',
  hash: { method: 'record', value: '7' },
  columns: [],
  bytes: 0,
  rowSecurity: false,
  ...rest
})

test.each([
  [table(), table(), []],
  [table(), table({ rows: '1' }), ['difference']],
  [table(), table({ hash: { method: 'record', value: '8' } }), ['difference']],
  [table(), table({ hash: { method: 'text', value: '7' } }), ['notProven']],
  [table({ hash: null }), table({ hash: null }), ['notProven']],
  [table({ rows: null, hash: null }), table({ rows: null, hash: null }), []],
  [
    table({ kind: 'm', populated: true, hash: null }),
    table({ kind: 'm', populated: false, rows: null }),
    ['difference']
  ],
  [table({ kind: 'm', populated: true, hash: null }), table({ kind: 'm', populated: true, rows: '0' }), ['difference']],
  [table({ kind: 'm', populated: true, hash: null }), table({ kind: 'm', populated: true, rows: '3' }), ['note']]
])('a table %o found as %o: %j', (source, copy, kinds) => {
  expect(compareTables([source], [copy], new Map(), options).map((finding) => finding.kind)).toEqual(kinds)
})

test.each([
  // What the definition gives decides, not what the source holds.
  ['0', { rows: '0' }, 'note'],
  ['0', { rows: '2' }, 'difference'],
  ['0', { rows: '2', definitions: 'select now()' }, 'difference'],
  ['3', { rows: '3' }, 'note'],
  ['3', { rows: '4' }, 'difference'],
  ['3', { rows: '4', definitions: 'select now()' }, 'notProven'],
  ['3', { rows: '4', volatile: true }, 'notProven'],
  ['2', { rows: '2', hash: '9' }, 'difference'],
  ['2', { rows: '2', hash: '8' }, 'note'],
  ['2', { rows: '2', hash: '9', definitions: 'select string_agg(x)' }, 'notProven'],
  ['3', { failed: 'too slow' }, 'notProven'],
  ['0', { failed: 'too slow' }, 'difference']
])('a view with %s rows whose definition gives %j: %s', (rows, given, kind) => {
  const recomputed = 'failed' in given ? given : { hash: null, definitions: 'select', volatile: false, ...given }
  const copy = { ...table({ kind: 'm', rows, hash: { method: 'record', value: '8' } }), recomputed }
  const source = table({ kind: 'm', populated: true })
  expect(compareTables([source], [copy], new Map(), options).map((finding) => finding.kind)).toEqual([kind])
})

test('a table that is not there is a difference, unless its extension is missing', () => {
  const without = { ...options, missingExtensions: new Set(['vector']) }
  expect(compareTables([table()], [], new Map([['s.t', ['vector']]]), without)[0]?.kind).toBe('notProven')
  expect(compareTables([table()], [], new Map([['s.t', ['vector']]]), options)[0]?.kind).toBe('difference')
})

test('rows that a role sees: another count is told and never judges, since it hangs on time, settings and who asks', () => {
  const seen = (rows: string | null, failed?: string): VisibleRows => ({
    role: 'anon',
    user: null,
    schema: 's',
    table: 't',
    rows,
    ...(failed === undefined ? {} : { failed })
  })
  const compare = (source: VisibleRows, copy: VisibleRows) =>
    compareVisibleRows([source], [copy]).map((finding) => finding.kind)
  expect(compare(seen('1'), seen('1'))).toEqual([])
  expect(compare(seen('1'), seen('2'))).toEqual(['note'])
  expect(compare(seen(null, '42501'), seen('2'))).toEqual(['note'])
  expect(compare(seen(null, 'skipped: too large'), seen('2'))).toEqual(['notProven'])
})
