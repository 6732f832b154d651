import { Readable } from 'node:stream'
import { expect, test } from 'vitest'
import { systemClock } from '../../../src/clients/process/system.ts'
import { createProve, type ProveOptions } from '../../../src/commands/verify-staged.ts'

const log = {
  info: () => undefined,
  debug: () => undefined,
  warning: () => undefined,
  progress: () => undefined,
  group: <T>(_: string, work: () => Promise<T>) => work()
}

/** Proves a backup without a database. */
const proven = (options: Pick<ProveOptions, 'mode' | 'checkSql'>) =>
  createProve(
    { ...options, database: () => Promise.reject(new Error('there is no database')) },
    { clock: systemClock, log }
  )({ files: { names: ['roles.sql'], open: () => Readable.from(['x']) }, type: 'full' }, new AbortController().signal)

test.each([
  ['none', 'check-sql was not run: `verify` is `none`'],
  ['checksum', 'check-sql was not run: `verify` is `checksum`'],
  ['auto', 'check-sql was not run: there is no database in the backup'],
  ['read', 'check-sql was not run: there is no database in the backup']
] as const)('statements of check-sql that cannot run with `verify: %s` are told', async (mode, detail) => {
  const asked = await proven({ mode, checkSql: true })
  expect(asked.findings).toEqual([{ kind: 'notProven', reason: 'check-not-run', subject: 'check-sql', detail }])
  expect(asked.verification.notProven).toContain(detail)
  const none = await proven({ mode, checkSql: false })
  expect(none.findings).toEqual([])
  expect(none.verification.notProven.join()).not.toContain('check-sql')
})
