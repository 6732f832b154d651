import { GithubError } from '../../clients/github/errors.ts'
import type { Release, Releases } from '../../clients/github/releases.ts'

const mostTags = 50

/** Publishes a draft as the next of a row of releases, under the first number from `first` on that is free. */
export async function publishNumbered(
  releases: Releases,
  draft: Release,
  body: string,
  tagOf: (number: number) => string,
  first: number
): Promise<Release> {
  for (let number = first; ; number += 1) {
    try {
      return await releases.update(draft.id, { tag: tagOf(number), body, publish: true })
    } catch (thrown) {
      // Another run took the number, or the tag is burned: the next one.
      const taken = thrown instanceof GithubError && thrown.reasons.includes('already_exists')
      if (!taken || number - first >= mostTags) throw thrown
    }
  }
}
