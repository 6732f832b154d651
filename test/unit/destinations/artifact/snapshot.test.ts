import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import type { Artifact } from '../../../../src/clients/github/artifacts.ts'
import { readIndex, renderIndex } from '../../../../src/destinations/artifact/remembered-index.ts'
import { listBySnapshot, pageSize, type Snapshot, settledPart } from '../../../../src/destinations/artifact/snapshot.ts'

const day = 24 * 60 * 60 * 1000
const now = Date.parse('2026-11-22T12:00:00Z')

function artifact(id: number, createdAt: number): Artifact {
  return {
    id,
    name: `shop.${id}.x`,
    bytes: id,
    expired: false,
    createdAt: new Date(createdAt),
    expiresAt: new Date(createdAt + 90 * day),
    sha256: undefined,
    runId: id % 7,
    foreign: false,
    branch: 'main',
    ofNobody: false
  }
}

/** Newest first: ids fall, an hour apart. */
const lying = (count: number) =>
  Array.from({ length: count }, (_, at) => artifact(count - at, now - (at + 1) * 3_600_000))

/** Serves a list by pages, and counts them. */
function server(list: readonly Artifact[]) {
  const read: number[] = []
  return {
    read,
    page: async (number: number) => {
      read.push(number)
      return { total: list.length, artifacts: list.slice((number - 1) * pageSize, number * pageSize) }
    }
  }
}
const idsOf = (list: readonly Artifact[] | undefined) => list?.map(({ id }) => id)

describe('a listing by few pages', () => {
  const old = lying(6000)
  const snapshot: Snapshot = { at: new Date(now), artifacts: old }
  const fresh = Array.from({ length: 130 }, (_, at) => artifact(7000 - at, now + (200 - at) * 1000))

  test('nothing changed: the youngest pages and the last', async () => {
    const { page, read } = server(old)
    expect(idsOf(await listBySnapshot(page, async () => snapshot))).toEqual(idsOf(old))
    expect(read).toEqual([1, 2, 60])
  })

  test('without a snapshot all pages are read, once', async () => {
    const { page, read } = server(old)
    expect(idsOf(await listBySnapshot(page, async () => undefined))).toEqual(idsOf(old))
    expect(read).toHaveLength(60)
  })

  test('new ones, the oldest expired away, a backup removed here and there: few pages more', async () => {
    const present = [
      ...fresh,
      ...old.filter(({ id }) => id > 60 && ![5000, 3001, 500].some((gone) => id >= gone && id < gone + 6))
    ]
    const { page, read } = server(present)
    expect(idsOf(await listBySnapshot(page, async () => snapshot))).toEqual(idsOf(present))
    expect(read.length).toBeLessThan(30)
  })

  test('one that showed up late, behind younger ones, is found: what is young is read, not remembered', async () => {
    const late = 5990
    const seen: Snapshot = { at: new Date(now), artifacts: old.filter(({ id }) => id !== late) }
    const { page } = server(old)
    expect(settledPart(seen).length).toBeLessThan(5990)
    expect(idsOf(await listBySnapshot(page, async () => seen))).toContain(late)
  })

  test('what changes meanwhile, or is not as the snapshot has it, is told', async () => {
    const { page } = server(old)
    let reads = 0
    const moving = async (number: number) => {
      reads += 1
      const shown = await page(number)
      return reads > 1 ? { ...shown, total: shown.total - 1 } : shown
    }
    expect(await listBySnapshot(moving, async () => snapshot)).toBeUndefined()
    const turned: Snapshot = { at: new Date(now + 2 * day), artifacts: old.toReversed() }
    expect(await listBySnapshot(page, async () => turned)).toBeUndefined()
    const short = async (number: number) => {
      const shown = await page(number)
      return { ...shown, artifacts: shown.artifacts.slice(1) }
    }
    expect(await listBySnapshot(short, async () => snapshot)).toBeUndefined()
  })

  test('never anything but what reading all pages shows', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.integer({ min: 0, max: 1500 }),
        fc.array(fc.record({ from: fc.nat(1500), count: fc.nat(300) }), { maxLength: 5 }),
        fc.nat(300),
        fc.nat(400),
        async (count, holes, added, unseen) => {
          const before = lying(count)
          const left = before.filter(({ id }) => !holes.some(({ from, count: size }) => id >= from && id < from + size))
          const present = [...fresh.slice(0, added), ...left]
          const { page, read } = server(present)
          const taken: Snapshot = { at: new Date(now - unseen * 3_600_000), artifacts: before.slice(unseen) }
          expect(idsOf(await listBySnapshot(page, async () => taken))).toEqual(idsOf(present))
          expect(new Set(read).size).toBe(read.length)
        }
      ),
      { numRuns: 300 }
    )
  })

  test('comes out of an index as it was put in; indexes of before, and damaged ones, have none', async () => {
    const small: Snapshot = {
      at: new Date(now),
      artifacts: lying(3).map((one) => ({ ...one, sha256: 'a'.repeat(64) }))
    }
    const files = [Buffer.from('manifest')]
    expect(await readIndex(await renderIndex({ files, snapshot: small }))).toEqual({ files, snapshot: small })
    expect(await readIndex(await renderIndex({ files }))).toEqual({ files })
    expect(await readIndex(Buffer.from('no index'))).toBeNull()
  })
})
