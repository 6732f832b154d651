import { describe, expect, test } from 'vitest'
import { makeBackupId } from '../../../../src/archive/backup-id.ts'
import type { Lock } from '../../../../src/clients/s3/index.ts'
import { lockedUntil, renewed } from '../../../../src/destinations/s3/lock-rules.ts'
import type { HistoryEntry } from '../../../../src/history/entries.ts'
import { unusedPackNames } from '../../../../src/history/pool.ts'
import { planRetention } from '../../../../src/history/retention.ts'
import { random } from '../../../kit/crash/crash-run.ts'
import { day, entry, hour } from '../../history/histories.ts'

interface Pack {
  readonly createdAt: Date
  lock: Lock
  /** The night from which no file of it is there any more. */
  readonly lastNight: number
}

/** A store that refuses to remove what is locked, as the real ones do. */
function simulate(rule: { readonly mode: 'governance'; readonly days: number }, seed: number, nights: number) {
  const chance = random(seed)
  const start = Date.parse('2027-01-01T03:17:00Z')
  const backups = new Map<string, { readonly made: HistoryEntry; readonly until: Date }>()
  const packs = new Map<string, Pack>()
  const told = { renewals: 0, longestIdleDays: 0 }
  const lastNeeded = new Map<string, number>()

  for (let night = 0; night < nights; night += 1) {
    // A run comes up to three hours late, and one night in twenty not at all.
    const now = new Date(start + night * day + chance() * 3 * hour)
    const isIdle = night > nights - 60
    if (!isIdle && chance() >= 0.05) {
      const clock = { now: () => now, monotonic: () => 0, sleep: () => Promise.resolve() }
      const id = makeBackupId(clock, (length) => Uint8Array.from({ length }, () => Math.floor(chance() * 256)))
      const fresh = chance() < 0.5 ? 1 : 0
      for (let number = 0; number < fresh; number += 1)
        packs.set(`objects-${night}-${number}.tar`, {
          createdAt: now,
          lock: { mode: rule.mode, until: new Date(now.getTime() + rule.days * day) },
          lastNight: night + Math.floor(chance() ** 3 * 300)
        })
      const needed = [...packs].filter(([, pack]) => pack.lastNight >= night)
      const until = lockedUntil(id, rule)
      for (const [name, pack] of needed) {
        const lock = renewed(pack.lock, until, rule)
        if (lock !== null) {
          // Renewed in time: what it was locked for had not ended before.
          expect(pack.lock.until > now).toBe(true)
          expect(lock.until > pack.lock.until).toBe(true)
          pack.lock = lock
          told.renewals += 1
        }
        lastNeeded.set(name, now.getTime())
      }
      const shared = needed.map(([name]) => ({ name, bytes: 1, sha256: '0'.repeat(64) }))
      backups.set(id, { made: { ...entry({ id, shared }), createdAt: now }, until })
    }

    // No object is free before its time, whoever asks.
    for (const { made, until } of backups.values()) {
      if (until <= now) continue
      for (const { name } of made.manifest?.shared ?? []) {
        const pack = packs.get(name)
        expect([name, pack !== undefined && pack.lock.until.getTime() >= until.getTime() - 1000]).toEqual([name, true])
      }
    }

    // Pruning as each night does it: packs that no backup of the listing needs, then backups that no rule keeps.
    const listing = [...backups.values()].map(({ made }) => made)
    const pooled = [...packs].map(([name, { createdAt }]) => ({ name, bytes: 1, createdAt }))
    const manifests = listing.flatMap(({ manifest }) => (manifest === null ? [] : [manifest]))
    if (manifests.length > 0)
      for (const name of unusedPackNames(manifests, pooled, now)) {
        const pack = packs.get(name)
        if (pack === undefined || pack.lock.until > now) continue
        const idle = (now.getTime() - (lastNeeded.get(name) ?? now.getTime())) / day
        told.longestIdleDays = Math.max(told.longestIdleDays, idle)
        packs.delete(name)
      }
    const rules = {
      last: 3,
      hourly: undefined,
      daily: undefined,
      weekly: undefined,
      monthly: undefined,
      yearly: undefined,
      withinMs: 14 * day,
      maxBytes: undefined
    }
    for (const { entry: one, keep } of planRetention(listing, rules, now)) {
      const held = backups.get(one.ref.id)
      if (keep || held === undefined || held.until > now) continue
      backups.delete(one.ref.id)
    }
  }
  return { ...told, backups: backups.size, packs }
}

describe('a year of nights with a lock of 30 days', () => {
  test.each([1, 2, 3, 4, 5])(
    'nothing is free before its time, no renewal is missed, no pack is kept for ever (%i)',
    (seed) => {
      const year = simulate({ mode: 'governance', days: 30 }, seed, 366 + 60)
      // After two months without a backup those that the rules keep are there, with what they need, and nothing else.
      expect(year.backups).toBe(3)
      for (const { lastNight } of year.packs.values()) expect(lastNight).toBeGreaterThan(340)
      // The lock, the margin of a renewal, and the nights until the last backup that needed it has gone.
      expect(year.longestIdleDays).toBeLessThan(30 + 7 + 5)
      expect(year.longestIdleDays).toBeGreaterThan(25)
    }
  )

  test('a pack is renewed once in about a week, not each night', () => {
    const rule = { mode: 'governance', days: 30 } as const
    const start = Date.parse('2027-01-01T03:17:00Z')
    let lock: Lock | null = { mode: 'governance', until: new Date(start + 30 * day) }
    let renewals = 0
    for (let night = 1; night <= 364; night += 1) {
      const next = renewed(lock, new Date(start + (night + 30) * day), rule)
      if (next === null) continue
      renewals += 1
      lock = next
    }
    expect(renewals).toBeGreaterThanOrEqual(364 / 8)
    expect(renewals).toBeLessThanOrEqual(364 / 7)
  })

  test('a lock is never made shorter or weaker', () => {
    const rule = { mode: 'governance', days: 30 } as const
    const far = new Date('2028-01-01T00:00:00Z')
    const near = new Date('2027-01-01T00:00:00Z')
    expect(renewed({ mode: 'compliance', until: far }, near, rule)).toBeNull()
    expect(renewed({ mode: 'governance', until: far }, near, { mode: 'compliance', days: 30 })).toEqual({
      mode: 'compliance',
      until: far
    })
    expect(renewed({ mode: 'compliance', until: near }, far, rule)?.mode).toBe('compliance')
    expect(renewed(null, near, rule)?.until.getTime()).toBeGreaterThan(near.getTime())
  })
})
