import type { Destination, DestinationName } from '../../src/destinations/destination.ts'

const never = (): Promise<never> => Promise.reject(new Error('nothing was to be asked of this place'))

/** A place of which a test takes what it needs; everything else fails. */
export function unusedPlace(name: DestinationName): Destination {
  return {
    name,
    place: name,
    limits: { largestFile: 1e9, mostFiles: null, keepsDays: null, canDelete: true, keepsAcrossRuns: true },
    visibility: never,
    put: never,
    commit: never,
    get: never,
    annotate: never,
    // biome-ignore lint/correctness/useYield: it fails before
    async *list() {
      await never()
    },
    delete: never,
    clean: never,
    reclaim: never,
    close: async () => undefined
  }
}
