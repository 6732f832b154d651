import { describe, expect, test } from 'vitest'
import { attempt } from '../../../../src/clients/postgres/savepoint.ts'
import { UserError } from '../../../../src/errors.ts'

/** What a connection is asked, in order; it answers every statement. */
function open(broken = AbortSignal.any([])) {
  const asked: string[] = []
  const query = (sql: string) => {
    asked.push(sql)
    return Promise.resolve([])
  }
  return { asked, connection: { broken, query } }
}
const back = 'rollback to savepoint attempt; release savepoint attempt'

describe('work behind a savepoint', () => {
  test('gives what the work gives, and keeps what it did', async () => {
    const { asked, connection } = open()
    expect(await attempt(connection, () => Promise.resolve(7))).toEqual({ done: true, value: 7 })
    expect(asked).toEqual(['savepoint attempt', 'release savepoint attempt'])
  })

  test('is taken back where it may go on without it', async () => {
    const { asked, connection } = open()
    const error = new UserError('SB120', 'refused')
    expect(
      await attempt(
        connection,
        () => Promise.reject(error),
        () => true
      )
    ).toEqual({ done: false, error })
    expect(asked).toEqual(['savepoint attempt', back])
  })

  test('throws what is no answer of the server, and leaves the transaction to whoever catches it', async () => {
    const { asked, connection } = open()
    await expect(attempt(connection, () => Promise.reject(new Error('a bug')))).rejects.toThrow('a bug')
    expect(asked).toEqual(['savepoint attempt'])
  })

  test('asks a broken connection nothing more', async () => {
    const { asked, connection } = open(AbortSignal.abort())
    await expect(
      attempt(
        connection,
        () => Promise.reject(new Error('gone')),
        () => true
      )
    ).rejects.toThrow('gone')
    expect(asked).toEqual(['savepoint attempt'])
  })
})
