import { unquoteIdentifier } from '../catalog/quote.ts'
import type { ArchiveToc, TocEntry } from './toc.ts'

/** Entries that a copy goes without, each with the reason. */
export type LeftOut = Map<number, string>

/** The extensions that are missing, with everything that needs one of them. */
export function leaveOutExtensions(toc: ArchiveToc, missing: ReadonlySet<string>): LeftOut {
  const roots = toc.entries.filter((entry) => entry.kind === 'EXTENSION' && missing.has(entry.tag))
  return withDependants(toc, new Map(roots.map((entry) => [entry.id, entry.tag])))
}

/** Providers of the labels in an entry `SECURITY LABEL`. */
export function labelProviders({ definition }: Pick<TocEntry, 'definition'>): string[] {
  return [...definition.matchAll(/^SECURITY LABEL FOR ("(?:[^"]|"")+"|[\w$\u0080-\uffff]+) ON /gm)].map(
    ([, name = '']) => unquoteIdentifier(name)
  )
}

/** Adds all entries that need one of `roots`, directly or through others, with its reason. */
export function withDependants<T>(toc: Pick<ArchiveToc, 'entries'>, roots: ReadonlyMap<number, T>): Map<number, T> {
  const dependants = new Map<number, TocEntry[]>()
  for (const entry of toc.entries) {
    for (const id of entry.needs) {
      const known = dependants.get(id)
      if (known === undefined) dependants.set(id, [entry])
      else known.push(entry)
    }
  }
  const found = new Map(roots)
  const queue = [...roots.keys()]
  for (let id = queue.pop(); id !== undefined; id = queue.pop()) {
    const reason = found.get(id)
    for (const entry of dependants.get(id) ?? []) {
      if (found.has(entry.id) || reason === undefined) continue
      found.set(entry.id, reason)
      queue.push(entry.id)
    }
  }
  return found
}

/** pg_restore's list of what to restore: ids in the archive's order. No name gets into it. */
export function restoreList(toc: ArchiveToc, leftOut: Pick<ReadonlySet<number>, 'has'>): string {
  return `${toc.entries
    .filter((entry) => !leftOut.has(entry.id))
    .map((entry) => `${entry.id};`)
    .join('\n')}\n`
}
