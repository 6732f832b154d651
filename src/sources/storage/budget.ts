/** Thrown where the next bytes of a download would pass the limit: the file is left out. */
export class OverBudget extends Error {
  override readonly name = 'OverBudget'
}

/** The listed bytes of one file, held back for it while it is downloaded. */
export interface Allowance {
  /** Bytes of the listed size that did not come yet. */
  readonly left: number
  /** Takes bytes that came from what is held back; gives those that go beyond it. */
  use(bytes: number): void
  /** After the download, whatever became of it. Harmless when called again. */
  giveBack(): void
}

/** Bytes that may still be downloaded. What is under way counts with its listed size, what came with what came, at every attempt. */
export interface Budget {
  readonly spent: number
  /** Null from the first file on that would pass the limit. A file of unknown size (`null`) is begun while anything is left. */
  take(bytes: number | null): Allowance | null
  /** Counts bytes that came. Throws OverBudget where they pass what is neither spent nor held back for others. */
  spend(bytes: number, allowance: Allowance): void
}

export function openBudget(most: number | undefined): Budget {
  const limit = most ?? Number.POSITIVE_INFINITY
  let spent = 0
  let held = 0
  let closed = false
  return {
    get spent() {
      return spent
    },
    take(bytes) {
      if (spent + held + (bytes ?? 0) > limit || (bytes === null && spent + held >= limit)) closed = true
      if (closed) return null
      let left = bytes ?? 0
      held += left
      const release = (part: number): void => {
        held -= part
        left -= part
      }
      return {
        get left() {
          return left
        },
        use: (came) => release(Math.min(left, came)),
        giveBack: () => release(left)
      }
    },
    spend(bytes, allowance) {
      spent += bytes
      allowance.use(bytes)
      if (spent + held <= limit) return
      closed = true
      throw new OverBudget('`max-download` is used up')
    }
  }
}
