import { expect, test } from 'vitest'
import { localUrl, read, refusal } from './reading.ts'

const given = {
  destinations: 'folder',
  folder: '/x',
  'target-database-url': localUrl,
  'confirm-target': '127.0.0.1/app'
}

test('a restore takes everything, definitions or rows', () => {
  expect(read('restore', given).type).toBe('full')
  expect(read('restore', { ...given, type: 'schema' }).type).toBe('schema')
  expect(read('restore', { ...given, type: 'data', 'restore-mode': 'replace' }).type).toBe('data')
  expect(refusal({ ...given, command: 'restore', type: 'rows' }).code).toBe('SB001')
})

test.each([
  ['schema', 'missing-rows'],
  ['schema', 'side-schema'],
  ['data', 'empty']
])('`type: %s` and `restore-mode: %s` contradict each other', (type, mode) => {
  const error = refusal({ ...given, command: 'restore', type, 'restore-mode': mode })
  expect(error.code).toBe('SB002')
  expect(error.message).toContain(`\`type: ${type}\` and \`restore-mode: ${mode}\``)
})
