import type { PackRecord, StorageFacts } from '../../archive/contents-storage.ts'
import { plainNameOf } from '../../archive/stored-names.ts'

/**
 * Names of the files that the contents tell of and that none of the packs holds with their bytes. `held`: what was read in each pack, by the pack's
 * plain name. A list of a pool that claims more than its pack holds makes such files.
 */
export function lostObjects(
  facts: StorageFacts,
  held: ReadonlyMap<string, ReadonlyMap<string, PackRecord>>
): readonly string[] {
  const packs = facts.packs.map(({ name }) => plainNameOf(name))
  return facts.objects
    .filter((object) => {
      const records = object.in.flatMap((number) => {
        const record = held.get(packs[number] ?? '')?.get(object.entry)
        return record === undefined ? [] : [record]
      })
      return !records.some((record) => object.sha256 === undefined || record.sha256 === object.sha256)
    })
    .map(({ bucket, key }) => `${bucket}/${key}`)
}
