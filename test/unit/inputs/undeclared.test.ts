import { expect, test } from 'vitest'
import { likeliest } from '../../../src/base/likeliest.ts'
import { inputNames } from '../../../src/inputs/input-definitions.ts'
import { namesGiven, refuseUndeclared } from '../../../src/inputs/undeclared.ts'
import { refusal } from './reading.ts'

test.each([
  ['destination', 'destinations'],
  ['keep-dayly', 'keep-daily'],
  ['keep_daily', 'keep-daily'],
  ['recipient', 'recipients'],
  ['recepients', 'recipients'],
  ['databse-url', 'database-url'],
  ['service-key', 'service-role-key'],
  ['comand', 'command'],
  ['dryrun', 'dry-run'],
  ['exclude-table', 'exclude-tables'],
  ['encryption-key', undefined],
  ['foo', undefined]
])('%s: did you mean %s?', (typed, meant) => {
  expect(likeliest(typed.replaceAll('_', '-'), inputNames)).toBe(meant)
})

test('what action.yml does not declare is refused by name, empty or not, with the one that was meant', () => {
  const names = namesGiven({
    INPUT_DESTINATION: 'release',
    'INPUT_KEEP-DAYLY': '7',
    'INPUT_DATABASE-URL': '',
    PATH: '/bin'
  })
  expect(names).toEqual(['destination', 'keep-dayly', 'database-url'])
  expect(() => refuseUndeclared(names)).toThrow(
    expect.objectContaining({
      code: 'SB012',
      message:
        '`destination` is no input: did you mean `destinations`? `keep-dayly` is no input: did you mean `keep-daily`?'
    })
  )
  expect(() => refuseUndeclared(['sort'])).toThrow('`sort` is no input any more: `list` shows the newest first')
  expect(() => refuseUndeclared(inputNames)).not.toThrow()
})

test('without a key there is no backup, unless somebody typed that it may be read', () => {
  const url = 'postgresql://me:secretpw@127.0.0.1:5432/app'
  const { code, message } = refusal({ command: 'backup', 'database-url': url, plaintext: '' })
  expect(code).toBe('SB003')
  for (const part of ['`recipients`', 'misspelt', 'type `plaintext: private`']) expect(message).toContain(part)
  const restore = refusal({ command: 'restore', 'target-database-url': url, 'confirm-target': 'x', plaintext: '' })
  expect(restore.message).toContain('`safety-backup: false`')
})
