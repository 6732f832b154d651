/**
 * Does `work` for each item, `jobs` at a time, and gives the results as they come. No further item is begun while as many results wait to be
 * taken: what lies in memory is bounded. After a failure nothing more is begun; it is thrown when all that ran has ended.
 */
export async function* inParallel<T, R>(
  items: AsyncIterable<T> | Iterable<T>,
  jobs: number,
  work: (item: T) => Promise<R>
): AsyncGenerator<R> {
  const running = new Set<Promise<{ readonly result: R; readonly self: Promise<unknown> }>>()
  const iterator = Symbol.asyncIterator in items ? items[Symbol.asyncIterator]() : items[Symbol.iterator]()
  let ended = false
  try {
    for (;;) {
      while (!ended && running.size < jobs) {
        const next = await iterator.next()
        if (next.done === true) {
          ended = true
          break
        }
        const one: Promise<{ result: R; self: Promise<unknown> }> = work(next.value).then((result) => ({
          result,
          self: one
        }))
        // Looked at by the race below; until then it is not unhandled.
        one.catch(() => undefined)
        running.add(one)
      }
      if (running.size === 0) return
      const done = await Promise.race(running)
      for (const one of running) if (one === done.self) running.delete(one)
      yield done.result
    }
  } finally {
    await Promise.allSettled(running)
    if (!ended) await iterator.return?.()
  }
}
