import type { Connection } from './connection.ts'
import { sqlStateOf } from './server-error.ts'

export type Attempt<T> =
  | { readonly done: true; readonly value: T }
  /** What was refused; nothing of the work happened. */
  | { readonly done: false; readonly error: unknown }

/**
 * Does work that the server may refuse inside the open transaction, which goes on either way. `mayGoOn` says which failures are such a refusal: any answer of
 * the server unless something narrower is said. All else is thrown, and a connection that broke always is.
 */
export async function attempt<T>(
  connection: Pick<Connection, 'query' | 'broken'>,
  work: () => Promise<T>,
  mayGoOn: (error: unknown) => boolean = (error) => sqlStateOf(error) !== undefined
): Promise<Attempt<T>> {
  await connection.query('savepoint attempt')
  try {
    const value = await work()
    await connection.query('release savepoint attempt')
    return { done: true, value }
  } catch (error) {
    if (connection.broken.aborted || !mayGoOn(error)) throw error
    await connection.query('rollback to savepoint attempt; release savepoint attempt')
    return { done: false, error }
  }
}
