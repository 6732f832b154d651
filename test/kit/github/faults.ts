/** A fault that the double plays on calls that match. */
export interface Fault {
  readonly method?: string
  /** Compared with the path (without query): a string must be contained in it. */
  readonly path?: string | RegExp
  /** How many matching calls go through first; 0 when left out. */
  readonly skip?: number
  /** How many matching calls fail; 1 when left out. */
  readonly times?: number
  /** `before`: nothing took effect. `after`: it took effect and only the answer is lost or wrong. */
  readonly when?: 'before' | 'after'
  /** Answer with this status; without `status`, `cut` and `hang` the connection is reset. */
  readonly status?: number
  readonly headers?: Readonly<Record<string, string>>
  readonly body?: unknown
  /**
   * An upload: the connection breaks after so many bytes of the request. A download: the answer is 200 (or 206), but
   * ends after so many bytes, with a content-length to match, as truncating proxies do.
   */
  readonly cut?: number
  /** A download whose connection breaks after so many bytes. */
  readonly breakAfter?: number
  /** Bytes of a download with this one changed. */
  readonly flip?: number
  /** Never answers. */
  readonly hang?: boolean
}

interface Armed {
  readonly fault: Fault
  skip: number
  times: number
}

export interface Faults {
  /** Arms a fault; returns a function that tells how often it has struck. */
  add(fault: Fault): () => number
  /** The fault that strikes this call, used up by asking. */
  take(method: string, path: string): Fault | undefined
  clear(): void
}

export function makeFaults(): Faults {
  let armed: Armed[] = []
  const matches = (fault: Fault, method: string, path: string): boolean =>
    (fault.method === undefined || fault.method === method) &&
    (fault.path === undefined || (typeof fault.path === 'string' ? path.includes(fault.path) : fault.path.test(path)))
  return {
    add(fault) {
      const times = fault.times ?? 1
      const one: Armed = { fault, skip: fault.skip ?? 0, times }
      armed.push(one)
      return () => times - one.times
    },
    take(method, path) {
      for (const one of armed) {
        if (one.times <= 0 || !matches(one.fault, method, path)) continue
        if (one.skip > 0) {
          one.skip -= 1
          continue
        }
        one.times -= 1
        return one.fault
      }
      return undefined
    },
    clear() {
      armed = []
    }
  }
}
