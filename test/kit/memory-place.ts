import type { Context } from '../../src/context.ts'
import type { Destination, ListedBackup, Pool, PooledFile } from '../../src/destinations/destination.ts'
import { UserError } from '../../src/errors.ts'
import { filesIn, type SeededBackup } from './history.ts'

/** A context without a log, by the clock of the machine. */
export const context: Context = {
  clock: { now: () => new Date(), monotonic: () => performance.now(), sleep: () => Promise.resolve() },
  randomBytes: (count) => Buffer.alloc(count),
  log: {
    info: () => undefined,
    warning: () => undefined,
    debug: () => undefined,
    progress: () => undefined,
    group: (_title, work) => work()
  },
  signal: new AbortController().signal,
  temp: '/nonexistent'
}

const never = (): Promise<never> => Promise.reject(new Error('a place in memory does not do this'))

/** A place in memory that refuses change number `refuse`. */
export function place(
  backups: readonly SeededBackup[],
  refuse = Number.POSITIVE_INFINITY,
  rest: Partial<Pick<Destination, 'name' | 'place' | 'list' | 'serverTime'>> = {}
) {
  const stored = new Map<string, ListedBackup>(
    backups.map(({ ref, manifest }) => [ref.id, { ...ref, manifest, records: [], files: filesIn(manifest) }])
  )
  const pooled = new Map<string, PooledFile>()
  const done: string[] = []
  const change = (what: string) => {
    if (done.length + 1 === refuse) throw new UserError('SB401', 'the place says no')
    done.push(what)
  }
  const pool: Pool = {
    list: async () => [...pooled.values()],
    put: never,
    get: never,
    delete: async (_project, names) => {
      change(`pool ${names.join(' ')}`)
      for (const name of names) pooled.delete(name)
      return []
    }
  }
  const destination: Destination = {
    name: 'folder',
    place: 'memory',
    limits: { largestFile: 1e9, mostFiles: null, keepsDays: null, canDelete: true, keepsAcrossRuns: true },
    visibility: async () => 'local',
    put: never,
    commit: never,
    get: never,
    annotate: never,
    async *list() {
      yield* [...stored.values()]
    },
    delete: async ({ id }) => {
      change(id)
      stored.delete(id)
    },
    clean: async () => [],
    reclaim: async () => change('reclaim'),
    pool,
    close: async () => undefined,
    ...rest
  }
  return { destination, stored, pooled, done }
}

/** A place that cannot be listed. */
export function silent(error: UserError, name: Destination['name'] = 'release'): Destination {
  return place([], undefined, {
    name,
    place: `the silent ${name}`,
    list: () => ({ [Symbol.asyncIterator]: () => ({ next: () => Promise.reject(error) }) })
  }).destination
}
