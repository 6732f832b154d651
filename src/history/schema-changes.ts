import type { Shape } from '../archive/manifest.ts'
import { formatCount } from '../text/format.ts'

/**
 * What changed in the shape of a database since an earlier backup, in words, one sentence a kind. By numbers and digests: the
 * names are in the encrypted contents, which the job that backs up cannot open.
 */
export function changesBetween(before: Shape, now: Shape): string[] {
  const kinds = [...new Set([...Object.keys(before), ...Object.keys(now)])].sort()
  return kinds.flatMap((kind) => {
    const [was, is] = [before[kind], now[kind]]
    if (was?.digest === is?.digest) return []
    const [many, few] = [is?.count ?? 0, was?.count ?? 0]
    if (many > few) return [`${kind}: ${formatCount(many - few)} more (${formatCount(many)}, were ${formatCount(few)})`]
    if (many < few)
      return [`${kind}: ${formatCount(few - many)} fewer (${formatCount(many)}, were ${formatCount(few)})`]
    return [`${kind}: changed (${formatCount(many)}, as before)`]
  })
}
