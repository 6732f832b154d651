/**
 * Does `work` for each item, `jobs` at a time, and gives the results as they come. No further item is begun while as many results wait to be
 * taken: what lies in memory is bounded. After a failure nothing more is begun; it is thrown when all that ran has ended.
 */
export async function* inParallel<T, R>(
  items: AsyncIterable<T> | Iterable<T>,
  jobs: number,
  work: (item: T) => Promise<R>
): AsyncGenerator<R> {
  const running = new Set<Promise<void>>()
  const settled: ({ readonly result: R } | { readonly failure: unknown })[] = []
  // Not `Promise.race`: each call leaves a listener on all that still run, and one large file may run beside any number of small ones.
  let wake = (): void => undefined
  const begin = (item: T): void => {
    const one: Promise<void> = work(item)
      .then(
        (result) => void settled.push({ result }),
        (failure: unknown) => void settled.push({ failure })
      )
      .then(() => {
        running.delete(one)
        wake()
      })
    running.add(one)
  }
  const iterator = Symbol.asyncIterator in items ? items[Symbol.asyncIterator]() : items[Symbol.iterator]()
  let ended = false
  try {
    for (;;) {
      while (!ended && running.size + settled.length < jobs) {
        const next = await iterator.next()
        if (next.done === true) ended = true
        else begin(next.value)
      }
      const first = settled.shift()
      if (first === undefined) {
        if (running.size === 0) return
        await new Promise<void>((resolve) => {
          wake = resolve
        })
        continue
      }
      if ('failure' in first) throw first.failure
      yield first.result
    }
  } finally {
    await Promise.all(running)
    if (!ended) await iterator.return?.()
  }
}
