import type { Captured } from './capture.ts'

/** The rows of one table, as COPY's text wants them, after all of a chain. */
export interface RestoredTable {
  readonly name: string
  readonly columns: readonly string[]
  readonly rows: readonly string[]
}

/** Puts a chain together, oldest first. Tables that the last backup does not have are gone. */
export function restoreChain(chain: readonly Captured[]): Map<number, RestoredTable> {
  const held = new Map<number, Map<number, Map<number, string>>>()
  for (const { deltas } of chain) {
    for (const { table, fresh, lines } of deltas) {
      const groups = fresh ? new Map<number, Map<number, string>>() : (held.get(table.oid) ?? new Map())
      held.set(table.oid, groups)
      applyDelta(groups, lines)
    }
  }
  return new Map(
    (chain.at(-1)?.deltas ?? []).map(({ table }) => [
      table.oid,
      {
        name: table.name,
        columns: table.columns,
        rows: [...(held.get(table.oid)?.values() ?? [])].flatMap((group) => [...group.values()])
      }
    ])
  )
}

/** First what is gone, then what is new: a place may be taken again. */
function applyDelta(groups: Map<number, Map<number, string>>, lines: readonly Buffer[]): void {
  const texts = lines.map((line) => line.toString('latin1'))
  for (const line of texts) {
    if (line[0] !== '=') continue
    const [, key = '', places = ''] = line.trimEnd().split('\t')
    const left = new Set(
      places
        .split(',')
        .filter((one) => one !== '')
        .map(Number)
    )
    const group = groups.get(Number(key))
    for (const place of group?.keys() ?? []) if (!left.has(place)) group?.delete(place)
  }
  for (const line of texts) {
    if (line[0] !== '+') continue
    const first = line.indexOf('\t')
    const second = line.indexOf('\t', first + 1)
    const third = line.indexOf('\t', second + 1)
    const end = third === -1 ? line.length - 1 : third
    const block = Number(line.slice(first + 1, second))
    const offset = Number(line.slice(second + 1, end))
    const key = block * 2 + (offset & 1)
    const group = groups.get(key) ?? new Map<number, string>()
    groups.set(key, group)
    group.set(offset, third === -1 ? '\n' : line.slice(third + 1))
  }
}
