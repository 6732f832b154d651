import fc from 'fast-check'
import { expect, test } from 'vitest'
import type { HistoryEntry } from '../../../src/history/entries.ts'
import { counts, planRetention, type RetentionRules, safetyMs, youngMs } from '../../../src/history/retention.ts'
import { isFromTheFuture } from '../../../src/history/trust.ts'
import { day, entry, hour, now } from './histories.ts'

const runs = 100_000

// One number holds one backup: the age in hours, from ten years ago to ten years ahead and often round, and its properties.
function entryOf(number: number, index: number): HistoryEntry {
  const bit = (at: number) => ((number >>> at) & 1) === 1
  const pick = <T>(list: readonly T[], at: number): T => list[(number >>> at) % list.length] as T
  const steps = number % 64
  const ageMs =
    pick([hour * 5, day, day, day, 7 * day, 31 * day, 365 * day, -day * 60], 6) * (bit(9) ? steps : steps % 8) +
    (bit(10) ? 0 : -hour * steps)
  return entry({
    id: `${String(index).padStart(3, '0')}`,
    ageMs,
    verified: pick(['restore', 'read', 'restore', 'none'], 11),
    damaged: (number >>> 13) % 16 === 0,
    pinned: (number >>> 17) % 16 === 0,
    acknowledged: bit(21),
    unreadable: (number >>> 22) % 16 === 0,
    bytes: (number >>> 4) % 1000,
    shared: bit(26) ? [{ name: pick(['p', 'q'], 27), bytes: 500, sha256: '0'.repeat(64) }] : [],
    manifest: {
      kind: pick(['scheduled', 'manual', 'scheduled', 'safety'], 28),
      status: pick(['complete', 'complete', 'partial', 'anomalous'], 24)
    }
  })
}

const limit = (most: number) => fc.option(fc.integer({ min: 1, max: most }), { nil: undefined, freq: 2 })
const rulesOf: fc.Arbitrary<RetentionRules> = fc
  .tuple(limit(5), limit(30), limit(5), limit(4), limit(4), limit(3), limit(400), limit(6000))
  .filter((all) => all.some((one) => one !== undefined))
  .map(([last, hourly, daily, weekly, monthly, yearly, days, maxBytes]) => ({
    last,
    hourly,
    daily,
    weekly,
    monthly,
    yearly,
    withinMs: days === undefined ? undefined : days * day,
    maxBytes
  }))
const history = fc.array(fc.nat(2 ** 31 - 1), { maxLength: 14 })

const isVerified = (one: HistoryEntry) => one.manifest !== null && !one.damaged && one.verified !== 'none'
const keptBy = (entries: readonly HistoryEntry[], rules: RetentionRules, at = now) =>
  new Set(
    planRetention(entries, rules, at)
      .filter((verdict) => verdict.keep)
      .map((verdict) => verdict.entry)
  )
const newestOf = (entries: readonly HistoryEntry[]) =>
  entries.reduce<HistoryEntry | undefined>(
    (best, one) => (best === undefined || one.createdAt > best.createdAt ? one : best),
    undefined
  )

function check(condition: boolean, what: string): void {
  if (!condition) throw new Error(what)
}

test(`T9: ${runs} random histories and rules break no promise`, { timeout: 120_000 }, () => {
  let removals = 0
  fc.assert(
    fc.property(history, rulesOf, fc.nat(2 ** 31 - 1), fc.nat(2 ** 31 - 1), (numbers, rules, more, shuffle) => {
      const entries = numbers.map(entryOf)
      const verdicts = planRetention(entries, rules, now)
      const kept = new Set(verdicts.filter((verdict) => verdict.keep).map((verdict) => verdict.entry))
      removals += entries.length - kept.size
      check(
        verdicts.length === entries.length && verdicts.every((verdict) => verdict.reasons.length > 0),
        'every backup has a verdict with a reason'
      )

      const present = entries.filter((one) => !isFromTheFuture(one, now))
      const verified = present.filter(isVerified)
      const latest = newestOf(verified)?.createdAt.getTime()
      check(
        verified.length === 0 || verified.some((one) => one.createdAt.getTime() === latest && kept.has(one)),
        'i: the newest verified one is kept'
      )

      const counted = entries.filter((one) => counts(one, now))
      const countedKept = counted.filter((one) => kept.has(one))
      check(countedKept.length >= Math.min(1, counted.length), 'ii: one that counts is kept')
      if (rules.maxBytes === undefined)
        check(countedKept.length >= Math.min(rules.last ?? 0, counted.length), 'ii: keep-last is the least')
      if (counted.length === 0) check(kept.size === entries.length, 'ii: nothing goes when nothing counts')

      for (const one of entries) {
        const age = now.getTime() - one.createdAt.getTime()
        check(!one.pinned || kept.has(one), 'iii: pins are kept')
        check(age >= youngMs || kept.has(one), 'iv: what is younger than 24 hours, or dated in the future, is kept')
        check(one.manifest !== null || kept.has(one), 'what cannot be read is kept')
        check(one.manifest?.kind !== 'safety' || age >= safetyMs || kept.has(one), 'safety copies are kept for 7 days')
      }

      check(keptBy([...kept], rules).size === kept.size, 'v: deciding again removes nothing')

      // vi: another order gives the same verdicts.
      const turn = entries.length === 0 ? 0 : shuffle % entries.length
      const turned = keptBy([...entries.slice(turn), ...entries.slice(0, turn)].reverse(), rules)
      check(
        turned.size === kept.size && [...turned].every((one) => kept.has(one)),
        'vi: the order of the input is irrelevant'
      )

      // vii: one more backup never costs a better one: one that counts goes only for a newer one that counts, too.
      const another = entryOf(more, 999)
      const withAnother = keptBy([...entries, another], rules)
      for (const one of countedKept) {
        if (withAnother.has(one)) continue
        check(counts(another, now), 'vii: what does not count pushes out nothing that counts')
        // A pin is a person's will: it takes its room in `keep-max-bytes` at any age.
        check(
          another.pinned || another.createdAt.getTime() >= one.createdAt.getTime(),
          'vii: only a newer one takes a place'
        )
        // One that is put between others may be too large to stay, but the newest, as every new backup is, stays.
        check(
          withAnother.has(another) || counted.some((other) => other.createdAt > another.createdAt),
          'vii: what takes a place stays'
        )
      }
    }),
    { numRuns: runs }
  )
  // The histories are such that rules bite: a test that removes nothing proves nothing.
  expect(removals).toBeGreaterThan(runs / 2)
})
