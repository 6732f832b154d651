import type { DatabaseFacts } from '../archive/contents-database.ts'
import type { Part } from '../archive/manifest.ts'
import { formatCount } from '../text/format.ts'

// How many rows the tables hold, in numbers without names: a table that is wiped shows in them even where the rows of all tables together hardly change.

/** Of tables by their numbers of rows: how many hold none, and by each power of ten how many there are (`tables1e3`: 1,000 to 9,999) and what they hold together. */
export function countsOfSizes(rows: readonly number[]): Record<string, number> {
  const counts: Record<string, number> = { emptyTables: 0 }
  for (const number of rows) {
    if (number <= 0) {
      counts['emptyTables'] = (counts['emptyTables'] ?? 0) + 1
      continue
    }
    const power = Math.floor(Math.log10(number) + 1e-12)
    counts[`tables1e${power}`] = (counts[`tables1e${power}`] ?? 0) + 1
    counts[`rows1e${power}`] = (counts[`rows1e${power}`] ?? 0) + number
  }
  return counts
}

type Counts = Part['counts']

/** Tables from here on are large ones, as a power of ten. */
const large = 3
const largestPower = 15
/** A fall by less is no loss: a table of 1,003 rows may well have 998 tomorrow. */
export const noticeable = 0.1

function above(counts: Counts, name: 'tables' | 'rows', power: number): number {
  let sum = 0
  for (let at = power; at <= largestPower; at += 1) sum += counts[`${name}1e${at}`] ?? 0
  return sum
}

function below(counts: Counts, power: number): number {
  let sum = 0
  for (let at = 0; at < power; at += 1) sum += counts[`rows1e${at}`] ?? 0
  return sum
}

/** How many tables that held rows hold none now, at the least: tables that came or went explain as much as they can. */
function emptied(now: Counts, before: Counts): number {
  const came = (now['userTables'] ?? 0) - (before['userTables'] ?? 0)
  const lessFull = above(before, 'tables', 0) - above(now, 'tables', 0) - Math.max(0, -came)
  const moreEmpty = (now['emptyTables'] ?? 0) - (before['emptyTables'] ?? 0) - Math.max(0, came)
  return Math.max(lessFull, moreEmpty, 0)
}

/** How many large tables fell below a power of ten. */
function shrunk(now: Counts, before: Counts): number {
  const gone = Math.max(0, (before['userTables'] ?? 0) - (now['userTables'] ?? 0))
  let most = 0
  for (let power = large; power <= largestPower; power += 1) {
    const fell = above(before, 'tables', power) - above(now, 'tables', power) - gone
    const left = above(before, 'rows', power) - above(now, 'rows', power)
    const lost = left - (below(now, power) - below(before, power))
    if (fell > most && left > 0 && lost > left * noticeable) most = fell
  }
  return most
}

/**
 * Tables that became empty, and large ones that fell by a power of ten. A table that is empty every now and then is not one that was emptied: what counts
 * is what no recent backup has seen. `before`: the counts of the recent backups, those without these numbers left out.
 */
export function lossesOf(
  now: Counts,
  before: readonly Counts[]
): { readonly emptied: number; readonly shrunk: number } {
  const known = before.filter((counts) => counts['emptyTables'] !== undefined)
  if (known.length === 0 || now['emptyTables'] === undefined) return { emptied: 0, shrunk: 0 }
  const least = (loss: (now: Counts, before: Counts) => number) => Math.min(...known.map((counts) => loss(now, counts)))
  const empty = least(emptied)
  return { emptied: empty, shrunk: Math.max(0, least(shrunk) - empty) }
}

const mostNamed = 20

/** Tables that lost all of their rows, or noticeably many of at least a thousand, in words with names; the greatest loss first. */
export function fallenTables(before: DatabaseFacts, now: DatabaseFacts): string[] {
  const left = new Map(now.tables.map(({ schema, name, rows }) => [JSON.stringify([schema, name]), Number(rows)]))
  return before.tables
    .flatMap(({ schema, name, rows }) => {
      const [had, has] = [Number(rows), left.get(JSON.stringify([schema, name]))]
      if (has === undefined || had <= 0 || has >= had) return []
      const isLoss = has === 0 || (had >= 10 ** large && (had - has) / had > noticeable)
      return isLoss
        ? [
            {
              lost: had - has,
              words: `${schema}.${name} holds ${formatCount(has)} rows instead of ${formatCount(had)}`
            }
          ]
        : []
    })
    .toSorted((a, b) => b.lost - a.lost)
    .slice(0, mostNamed)
    .map(({ words }) => words)
}
