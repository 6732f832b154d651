import { expect, test } from 'vitest'
import { faultRows } from '../../scripts/fault-rows.ts'
import { faultsText, namedTestsIn, problemsOf, rowsOf, withoutResults, withTests } from '../../scripts/fault-table.ts'

const source = `
describe('F74: many', () => {
  test.each([1, 2])('%s of them', () => {})
  test(\`F13b, T9: a \${'name'} in it\`, () => {})
})
it.skipIf(process.env.X)('no row, F1 is spoken of', () => {})
describe.each([{ of: { name: 'b' } }])('$of.name', () => {
  test.each(['a'])('F12: for %s', () => {})
})
`
const tests = namedTestsIn('unit/x.test.ts', source)
const report = (status: string) => ({
  startTime: Date.UTC(2026, 10, 22),
  testResults: [
    {
      name: '/somewhere/test/unit/x.test.ts',
      assertionResults: [
        { ancestorTitles: ['F74: many'], title: '1 of them', status: 'passed' },
        { ancestorTitles: ['F74: many'], title: '2 of them', status },
        { ancestorTitles: ['F74: many'], title: 'F13b, T9: a name in it', status: 'passed' },
        { ancestorTitles: ['b'], title: 'F12: for a', status: 'pending' }
      ]
    }
  ]
})
const resultsOf = (page: string) =>
  Object.fromEntries([...page.matchAll(/^\| ([FT]\d+b?) .*\| ([^|]*) \|$/gm)].map((match) => [match[1], match[2]]))

test('rows are those that a title begins with', () => {
  expect(['F1: x', 'F62, F63: x', 'F23 F24 T1: x', 'T4, name', 'F13b', 'see F1: x', 'F1st try'].map(rowsOf)).toEqual([
    ['F1'],
    ['F62', 'F63'],
    ['F23', 'F24', 'T1'],
    ['T4'],
    ['F13b'],
    [],
    []
  ])
  expect(tests.map(({ path, rows, group }) => [path.at(-1), rows, group])).toEqual([
    ['F74: many', ['F74'], true],
    ['F13b, T9: a … in it', ['F13b', 'T9'], false],
    ['F12: for …', ['F12'], false]
  ])
})

test('results come from the report, the worst first, and stay when a later one has none', () => {
  const page = faultsText(tests, '', [report('failed')])
  expect(resultsOf(page)).toEqual({
    F12: 'skipped',
    F13b: 'passed',
    T9: 'passed',
    F74: '1 failed, 2 passed'
  })
  expect(page).toContain('those of 2026-11-22')
  const renamed = namedTestsIn('unit/x.test.ts', source.replace('in it', 'in this'))
  const later = faultsText(renamed, page)
  expect(resultsOf(later)).toEqual({
    F12: 'skipped',
    F13b: 'not run yet',
    T9: 'not run yet',
    F74: '1 failed, 2 passed'
  })
  expect(later).toContain('those of 2026-11-22')
  expect(withoutResults(faultsText(tests, '', [report('passed')]))).toBe(withoutResults(page))
  expect(withoutResults(later)).not.toBe(withoutResults(page))
  expect(withTests('| T9 | a | b |\n| T9 | a | b | old |\n', tests)).toBe('| T9 | a | b | `unit/x` |\n'.repeat(2))
})

test('a row without a test and a test of no row are problems', () => {
  const all = Object.keys(faultRows)
  expect(all).toHaveLength(101)
  const whole = { file: 'x.test.ts', path: ['x'], rows: all, group: false }
  expect(problemsOf([whole])).toEqual([])
  expect(problemsOf([{ ...whole, rows: all.filter((row) => row !== 'F13') }])).toEqual([
    `F13 has no test: ${faultRows['F13']}`
  ])
  expect(problemsOf([whole, { ...whole, path: ['F99: x'], rows: ['F99'] }])).toEqual([
    expect.stringContaining('names a row that there is not')
  ])
})
