/**
 * The table of docs/faults.md: each row of scripts/fault-rows.ts with the tests that name it, and what became of them in the newest whole run. Which
 * tests there are is read from the sources, so that a test that was not run cannot be missing unseen; results come from vitest's JSON reports.
 *
 *   node scripts/fault-table.ts <report.json> ...   writes docs/faults.md with the results of these reports
 */
import { existsSync, globSync, readFileSync, writeFileSync } from 'node:fs'
import { relative } from 'node:path'
import { fileURLToPath } from 'node:url'
import ts from 'typescript'
import { z } from 'zod'
import { faultRows } from './fault-rows.ts'

const root = fileURLToPath(new URL('..', import.meta.url))
export const faultsPage = `${root}docs/faults.md`

/** A test, or a group of tests, whose title names rows. */
export interface NamedTest {
  /** Below `test/`. */
  readonly file: string
  /** Titles of the groups around it and its own, as written; what is put in when it runs stands as `…`. */
  readonly path: readonly string[]
  readonly rows: readonly string[]
  readonly group: boolean
}

/** The rows that a title begins with: `F62, F63: ...`, `F23 T1: ...`. */
export function rowsOf(title: string): string[] {
  const prefix = /^(?:[FT]\d+b?(?:, | |: |:$|$))+/.exec(title)?.[0] ?? ''
  return prefix.match(/[FT]\d+b?/g) ?? []
}

/** Titles of tests and groups in a source, with the rows that each names. */
export function namedTestsIn(file: string, source: string): NamedTest[] {
  const found: NamedTest[] = []
  const walk = (node: ts.Node, path: readonly string[]): void => {
    let inside = path
    if (ts.isCallExpression(node)) {
      const kind = kindOf(node.expression)
      const title = node.arguments[0] === undefined ? undefined : textOf(node.arguments[0])
      if (kind !== undefined && title !== undefined) {
        inside = [...path, title]
        const rows = rowsOf(title)
        if (rows.length > 0) found.push({ file, path: inside, rows, group: kind === 'describe' })
      }
    }
    ts.forEachChild(node, (child) => walk(child, inside))
  }
  walk(ts.createSourceFile(file, source, ts.ScriptTarget.Latest, true), [])
  return found
}

/** `test` of `test(...)`, `test.each(...)(...)`, `test.skipIf(...)(...)`. */
function kindOf(callee: ts.Expression): 'test' | 'describe' | undefined {
  let at: ts.Expression = callee
  while (ts.isPropertyAccessExpression(at) || ts.isCallExpression(at)) at = at.expression
  const name = ts.isIdentifier(at) ? at.text : ''
  // `test.each([...])` is not yet the test.
  if (ts.isPropertyAccessExpression(callee) && ['each', 'for', 'skipIf', 'runIf', 'extend'].includes(callee.name.text))
    return undefined
  return name === 'describe' ? 'describe' : name === 'test' || name === 'it' ? 'test' : undefined
}

function textOf(node: ts.Expression): string | undefined {
  if (ts.isStringLiteral(node) || ts.isNoSubstitutionTemplateLiteral(node))
    return node.text.replace(/%[sdifjo]|\$[\w.]+/g, '…')
  if (!ts.isTemplateExpression(node)) return undefined
  return [node.head.text, ...node.templateSpans.map((span) => span.literal.text)].join('…')
}

/** All tests of the project that name rows. */
export function namedTests(): NamedTest[] {
  return globSync('test/{unit,contract,e2e}/**/*.ts', { cwd: root })
    .sort()
    .flatMap((file) => namedTestsIn(relative('test', file), readFileSync(`${root}${file}`, 'utf8')))
}

/** Problems that no page may have: rows without a test, and titles that name rows that there are not. */
export function problemsOf(tests: readonly NamedTest[]): string[] {
  const covered = new Set(tests.flatMap(({ rows }) => rows))
  return [
    ...Object.keys(faultRows)
      .filter((row) => !covered.has(row))
      .map((row) => `${row} has no test: ${faultRows[row]}`),
    ...tests
      .filter(({ rows }) => rows.some((row) => faultRows[row] === undefined))
      .map(({ file, path }) => `test/${file}: "${path.at(-1)}" names a row that there is not`)
  ]
}

const reportSchema = z.object({
  startTime: z.number(),
  testResults: z.array(
    z.object({
      name: z.string(),
      assertionResults: z.array(
        z.object({ ancestorTitles: z.array(z.string()), title: z.string(), status: z.string() })
      )
    })
  )
})
type Report = z.infer<typeof reportSchema>

/** `…` stands for whatever was put in. */
function patternOf(title: string): RegExp {
  const parts = title.split('…').map((part) => part.replace(/[$()*+.?[\]^{|}\\]/g, '\\$&'))
  return new RegExp(`^${parts.join('[^]*')}$`)
}

/** What became of one test: `passed`, `12 passed`, `failed`, `skipped`; undefined when no report has it. */
function resultOf(test: NamedTest, reports: readonly Report[]): string | undefined {
  const path = test.path.map(patternOf)
  const statuses = reports
    .flatMap(({ testResults }) => testResults)
    // The tests of a suite run in the files that use it.
    .filter(({ name }) => !test.file.endsWith('.test.ts') || name.endsWith(`/test/${test.file}`))
    .flatMap(({ assertionResults }) => assertionResults)
    .filter(({ ancestorTitles, title }) => {
      const titles = [...ancestorTitles, title]
      return (
        (test.group ? titles.length > path.length : titles.length === path.length) &&
        path.every((pattern, index) => pattern.test(titles[index] ?? ''))
      )
    })
    .map(({ status }) => (status === 'passed' || status === 'failed' ? status : 'skipped'))
  if (statuses.length === 0) return undefined
  const counts = ['failed', 'skipped', 'passed']
    .map((status) => [statuses.filter((one) => one === status).length, status] as const)
    .filter(([count]) => count > 0)
  return statuses.length === 1 ? statuses[0] : counts.map(([count, status]) => `${count} ${status}`).join(', ')
}

const notRun = 'not run yet'

function lineOf(row: string, what: string, test: NamedTest, result: string): string {
  const title = test.path.at(-1)?.replace(/^(?:[FT]\d+b?(?:, | |: |:$|$))+/, '') ?? ''
  const shown = test.group ? `${title} (group)` : title
  return `| ${row} | ${what} | \`${test.file}\`: ${cell(shown)} | ${result} |`
}

function cell(text: string): string {
  return text.replace(/[|<>`*_[\]]/g, (character) => `\\${character}`).replace(/\s+/g, ' ')
}

/** The page, with results where reports have them and else those that `before` had. */
export function faultsText(tests: readonly NamedTest[], before: string, reports: readonly Report[] = []): string {
  const known = new Map([...before.matchAll(/^(\| [FT].*) \| ([^|]*) \|$/gm)].map((match) => [match[1], match[2]]))
  const lines = Object.entries(faultRows).flatMap(([row, what]) =>
    tests
      .filter(({ rows }) => rows.includes(row))
      .map((test) => {
        const bare = lineOf(row, what, test, '')
        const key = bare.slice(0, bare.lastIndexOf(' |  |'))
        return lineOf(row, what, test, resultOf(test, reports) ?? known.get(key) ?? notRun)
      })
  )
  const times = reports.map(({ startTime }) => startTime)
  const ran =
    times.length > 0
      ? `The results are those of ${new Date(Math.max(...times)).toISOString().slice(0, 10)}, each from the newest run of its test.`
      : (/^The results are those of .*$/m.exec(before)?.[0] ?? 'No results have been taken in yet.')
  const head = `# Faults and threats, and the tests of each

Everything here is generated. The rows stand in scripts/fault-rows.ts; the tests are those whose titles name a row; a row
without a test fails \`npm run check\`. F are faults, T are threats (.github/SECURITY.md says what answers them). With
results: \`TEST_REPORT=report.json npm test\`, then \`node scripts/fault-table.ts report.json\`.

${ran}

| | what happens | test | result |
|---|---|---|---|`
  return `${[head, ...lines].join('\n')}\n`
}

/** A page whose table has a row for each threat, with the files of the tests in the last of its four columns. */
export function withTests(page: string, tests: readonly NamedTest[]): string {
  return page.replace(/^(\| (T\d+) \| [^|]* \| [^|]* \|).*$/gm, (_line, front: string, row: string) => {
    const files = tests.filter(({ rows }) => rows.includes(row)).map(({ file }) => file.replace(/(?:\.test)?\.ts$/, ''))
    return `${front} ${[...new Set(files)].map((file) => `\`${file}\``).join(', ')} |`
  })
}

/** The page without its results: what must be equal whoever ran what. */
export function withoutResults(page: string): string {
  return page.replace(/^(\| [FT].*) \| [^|]* \|$/gm, '$1').replace(/^(The|No) results .*$/m, '')
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const reports = process.argv.slice(2).map((path) => reportSchema.parse(JSON.parse(readFileSync(path, 'utf8'))))
  const tests = namedTests()
  for (const problem of problemsOf(tests)) process.stderr.write(`${problem}\n`)
  const before = existsSync(faultsPage) ? readFileSync(faultsPage, 'utf8') : ''
  writeFileSync(faultsPage, faultsText(tests, before, reports))
  process.exitCode = problemsOf(tests).length === 0 ? 0 : 1
}
