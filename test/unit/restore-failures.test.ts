import { existsSync, readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { expect, test } from 'vitest'

const root = fileURLToPath(new URL('../../', import.meta.url))
const page = readFileSync(`${root}docs/restore-failures.md`, 'utf8')
const rows = page.split('\n').filter((line) => /^\| (?!---|What )/.test(line) && !line.startsWith('|---'))

/** `file`: title. */
function namedBy(row: string): { readonly file: string; readonly title: string } | null {
  const cell = row.split(' | ').at(-1)?.replace(/ \|$/, '') ?? ''
  const match = /^`((?:unit|contract|e2e)\/[\w/.-]+\.test\.ts)`: (.+)$/.exec(cell)
  return match === null ? null : { file: match[1] ?? '', title: match[2] ?? '' }
}

/** Whether a source has a test of that title that is not left out. */
function hasTest(source: string, title: string): boolean {
  const quoted = title.replace(/[$()*+.?[\]^{|}\\]/g, '\\$&')
  return new RegExp(`\\b(?:test|it)\\(\\s*['"\`]${quoted}['"\`]`).test(source)
}

test('every known failure names a test that there is', () => {
  expect(rows.length).toBeGreaterThan(30)
  const lacking = rows.filter((row) => {
    const named = namedBy(row)
    const file = `${root}test/${named?.file ?? ''}`
    return named === null || !existsSync(file) || !hasTest(readFileSync(file, 'utf8'), named.title)
  })
  expect(lacking).toEqual([])
})

test('a title that no test has is noticed', () => {
  const source = `test('one (of them)', () => {}); test.skip('left out', () => {})`
  expect([hasTest(source, 'one (of them)'), hasTest(source, 'one'), hasTest(source, 'left out')]).toEqual([
    true,
    false,
    false
  ])
})
