import { expect, it } from 'vitest'
import { localInputs, parseStatus } from '../../../src/cli/local-project.ts'
import type { InputName } from '../../../src/inputs/input-definitions.ts'

const status =
  'API_URL="http://127.0.0.1:54321"\nDB_URL="postgresql://postgres:postgres@127.0.0.1:54329/postgres"\nSERVICE_ROLE_KEY="key-of-the-service"\n'

it('restores into what the local tool tells, and into the usual addresses without it', () => {
  const inputs = localInputs(parseStatus(status), new Map())
  expect(Object.fromEntries(inputs)).toEqual({
    'target-database-url': 'postgresql://postgres:postgres@127.0.0.1:54329/postgres',
    'target-supabase-url': 'http://127.0.0.1:54321',
    'target-service-role-key': 'key-of-the-service',
    'safety-backup': 'false',
    'confirm-target': '127.0.0.1/postgres'
  })
  expect(localInputs(parseStatus(''), new Map()).get('target-database-url')).toBe(
    'postgresql://postgres:postgres@127.0.0.1:54322/postgres'
  )
})

it('keeps what was given, and confirms nothing where something could be lost', () => {
  const given = new Map<InputName, string>([
    ['restore-mode', 'replace'],
    ['safety-backup', 'true'],
    ['target-database-url', 'postgresql://me@localhost:1/mine']
  ])
  const inputs = localInputs(parseStatus(status), given)
  expect(inputs.get('confirm-target')).toBeUndefined()
  expect(inputs.get('safety-backup')).toBe('true')
  expect(inputs.get('target-database-url')).toBe('postgresql://me@localhost:1/mine')
})
