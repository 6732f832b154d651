import type { Artifact, ArtifactPage } from '../../clients/github/artifacts.ts'

// A listing of many artifacts by few requests. GitHub shows 100 a page, newest first, and how many there are; artifacts are only
// added at the front and removed anywhere. So what a run saw earlier tells what lies between two pages, wherever the artifacts
// at both ends are still as far apart as they were: then none between them can have gone. Where some have, the page in the
// middle is read, and so on. What comes out is exactly what reading all pages would show.

/** What one run saw: all artifacts of the repository, as they were listed. */
export interface Snapshot {
  readonly at: Date
  readonly artifacts: readonly Artifact[]
}

/** An upload that had begun may show behind younger ones when it is done: only what lay longer is relied on. */
const settledMs = 24 * 60 * 60 * 1000
export const pageSize = 100
/** So many pages are read without looking for a snapshot. */
export const fewPages = 5
/** A snapshot of more would cost more than it saves. */
export const mostRemembered = 50_000

/** The end of a snapshot that later listings must show in the same order, as far as nothing was removed. */
export function settledPart({ at, artifacts }: Snapshot): readonly Artifact[] {
  const last = artifacts.findLastIndex((one) => one.createdAt.getTime() > at.getTime() - settledMs)
  return artifacts.slice(last + 1)
}

/**
 * Lists all artifacts, newest first.
 *
 * @param recall finds a snapshot among the artifacts of the pages read so far; undefined where there is none.
 * @returns undefined when the artifacts changed while they were listed, or are not as the snapshot has them.
 */
export async function listBySnapshot(
  readPage: (number: number) => Promise<ArtifactPage>,
  recall: (artifacts: readonly Artifact[]) => Promise<Snapshot | undefined>
): Promise<readonly Artifact[] | undefined> {
  const front: Artifact[] = []
  let known: readonly Artifact[] | undefined
  let places: ReadonlyMap<number, number> = new Map()
  let total: number | undefined

  async function read(number: number): Promise<readonly Artifact[]> {
    const page = await readPage(number)
    total ??= page.total
    const length = Math.min(pageSize, total - (number - 1) * pageSize)
    if (page.total !== total || page.artifacts.length !== length) throw new Changed()
    return page.artifacts
  }

  /** Where the artifacts of a page stand in the snapshot: each behind the one before it. */
  function placesOf(page: readonly Artifact[]): readonly number[] {
    const found = page.map((one) => places.get(one.id) ?? -1)
    if (found.some((place, at) => place <= (found[at - 1] ?? -1))) throw new Changed()
    return found
  }

  /** What lies between two pages that were read. */
  async function between(
    above: number,
    aboveEnd: number,
    below: number,
    belowStart: number
  ): Promise<readonly Artifact[]> {
    const distance = (below - above - 1) * pageSize + 1
    if (belowStart - aboveEnd === distance) return known?.slice(aboveEnd + 1, belowStart) ?? []
    if (belowStart - aboveEnd < distance) throw new Changed()
    // Only removed ones lay between neighbours.
    if (below === above + 1) return []
    const middle = Math.floor((above + below) / 2)
    const page = await read(middle)
    const at = placesOf(page)
    return [
      ...(await between(above, aboveEnd, middle, at[0] ?? -1)),
      ...page,
      ...(await between(middle, at.at(-1) ?? -1, below, belowStart))
    ]
  }

  try {
    for (let number = 1; ; number += 1) {
      const page = await read(number)
      front.push(...page)
      const last = Math.ceil((total ?? 0) / pageSize)
      if (number >= last) return front
      if (last <= fewPages) continue
      if (known === undefined) {
        const snapshot = await recall(page)
        if (snapshot === undefined) continue
        known = settledPart(snapshot)
        places = new Map(known.map(({ id }, at) => [id, at]))
      }
      if (!page.every(({ id }) => places.has(id))) continue
      const end = await read(last)
      const [above, below] = [placesOf(page), placesOf(end)]
      return [...front, ...(await between(number, above.at(-1) ?? -1, last, below[0] ?? -1)), ...end]
    }
  } catch (thrown) {
    if (thrown instanceof Changed) return undefined
    throw thrown
  }
}

class Changed extends Error {}
