import { readFile } from 'node:fs/promises'
import { resolve } from 'node:path'
import { Ajv2020 } from 'ajv/dist/2020.js'
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import type { Verification } from '../../src/archive/manifest.ts'
import { isPush } from '../kit/git/git-server.ts'
import { day, earlierBackup, type SeededBackup } from '../kit/history.ts'
import { type Places, places, startPlaces } from '../kit/places.ts'

describe('list, pin and delete through the bundle', () => {
  let kit: Places
  const destinations = places.join(',')
  const idsOf = (backups: string | undefined) => JSON.parse(backups ?? '').map((row: { id: string }) => row.id)
  const ids = (backups: readonly SeededBackup[]) => backups.map((backup) => backup.ref.id)

  beforeAll(async () => {
    kit = await startPlaces()
  })
  beforeEach(() => kit.reset())
  afterAll(async () => {
    await kit.stop()
  })

  test('filters and orders, in output and summary alike, as the documented schema says', async () => {
    const unproven: Verification = {
      level: 'none',
      at: null,
      tables: { restore: 0, read: 0, differing: 0 },
      notProven: []
    }
    const backups = [
      earlierBackup(2 * day),
      earlierBackup(3 * day, { type: 'schema' }),
      earlierBackup(4 * day, { status: 'anomalous', durationMs: 90_000 }),
      earlierBackup(5 * day, { status: 'partial', verification: unproven }),
      earlierBackup(6 * day, { project: 'blog' })
    ]
    await kit.seed(backups, ['folder', 'release'])
    const [a = '', b = '', c = '', d = '', e = ''] = ids(backups)
    const list = (inputs: Readonly<Record<string, string>>) =>
      kit.run({ command: 'list', destinations: 'folder', ...inputs })
    const schema: object = JSON.parse(
      await readFile(resolve(import.meta.dirname, '../../docs/backups.schema.json'), 'utf8')
    )
    const validate = new Ajv2020({ validateFormats: false }).compile(schema)
    for (const [inputs, expected] of [
      [{}, [a, b, c, d, e]],
      [{ project: 'blog' }, [e]],
      [{ type: 'schema' }, [b]],
      [{ since: '100h' }, [a, b, c]],
      [{ type: 'full', project: 'shop', since: '80h' }, [a]],
      [{ type: 'data' }, []]
    ] as const) {
      const done = await list(inputs)
      expect({ inputs, code: done.code, ids: idsOf(done.outputs['backups']) }).toEqual({
        inputs,
        code: 0,
        ids: expected
      })
      expect(validate(JSON.parse(done.outputs['backups'] ?? '')), JSON.stringify(validate.errors)).toBe(true)
      for (const id of [a, b, c, d, e]) expect(done.summary.includes(id)).toBe(expected.some((one) => one === id))
    }
    const both = await list({ destinations: 'folder,release', type: 'schema' })
    expect(both.result?.backups.map((row) => `${row.destination} ${row.id}`).sort()).toEqual([
      `folder ${b}`,
      `release ${b}`
    ])
    expect(both.summary).toContain('type schema')
    expect(both.summary).toContain('of 5 backups in all')
    const refused = await list({ status: 'green' })
    expect({ code: refused.code, error: refused.result?.error?.code }).toEqual({ code: 1, error: 'SB012' })
    expect(refused.log).toContain('the dashboard filters them')
  })

  test('what is pinned stays in every place until it is unpinned', async () => {
    const backups = [2, 3, 4].map((age) => earlierBackup(age * day))
    await kit.seed(backups)
    const [newest = '', middle = '', oldest = ''] = ids(backups)
    const pinned = await kit.run({ command: 'list', destinations, pin: oldest })
    expect(
      pinned.result?.backups
        .filter((row) => row.pinned)
        .map((row) => `${row.destination} ${row.id}`)
        .sort()
    ).toEqual([...places].sort().map((place) => `${place} ${oldest}`))
    const again = await kit.run({ command: 'list', destinations, pin: oldest })
    expect({ code: again.code, pinned: again.result?.backups.filter((row) => row.pinned).length }).toEqual({
      code: 0,
      pinned: 4
    })
    const pruned = await kit.run({ command: 'prune', destinations, 'keep-last': '1' })
    expect({ code: pruned.code, error: pruned.result?.error }).toEqual({ code: 0, error: undefined })
    for (const place of places) {
      const left = pruned.result?.backups.filter((row) => row.destination === place).map((row) => row.id)
      expect({ place, left }).toEqual({ place, left: [newest, oldest] })
    }
    expect(pruned.result?.retention?.find((one) => one.id === oldest)?.reasons).toContain('pinned')
    const unpinned = await kit.run({ command: 'list', destinations, unpin: oldest })
    expect(unpinned.result?.backups.some((row) => row.pinned)).toBe(false)
    const gone = await kit.run({ command: 'prune', destinations, 'keep-last': '1' })
    expect([...new Set(gone.result?.backups.map((row) => row.id))]).toEqual([newest])
    const unknown = await kit.run({ command: 'list', destinations, pin: middle })
    expect({ code: unknown.code, error: unknown.result?.error?.code }).toEqual({ code: 1, error: 'SB901' })
  })

  test('delete: named twice, gone from every place; one that fails half-way shows nothing half and goes on', async () => {
    const backups = [2, 3, 4].map((age) => earlierBackup(age * day))
    await kit.seed(backups)
    const [newest = '', middle = '', oldest = ''] = ids(backups)
    const remove = (inputs: Readonly<Record<string, string>>) => kit.run({ command: 'delete', destinations, ...inputs })

    const shown = await remove({ backup: middle, 'dry-run': 'true' })
    expect({ code: shown.code, rows: shown.result?.backups.length }).toEqual({ code: 0, rows: 12 })
    for (const inputs of [{ backup: middle }, { backup: middle, 'confirm-target': oldest }]) {
      const refused = await remove(inputs)
      expect({ code: refused.code, rows: (await kit.listed('folder')).length }).toEqual({ code: 1, rows: 3 })
    }
    const stale = await remove({ 'confirm-target': middle })
    expect({ code: stale.code, error: stale.result?.error?.code }).toEqual({ code: 1, error: 'SB002' })

    // The manifest goes, the rest of it cannot: it is no backup any more, and what is left goes with the next try.
    kit.github.failNext({ method: 'DELETE', path: '/actions/artifacts/', status: 500, skip: 1, times: 9 })
    kit.github.failNext({ method: 'DELETE', path: '/releases/', status: 500, times: 9 })
    kit.git.fault = (request) => (isPush(request) ? { kind: 'status', status: 500 } : undefined)
    const cut = await remove({ backup: middle, 'confirm-target': middle })
    expect(cut.code).toBe(1)
    expect(cut.log).toMatch(/::error.*SB\d{3}/)
    kit.github.clearFaults()
    kit.git.fault = undefined
    for (const place of places) {
      const left = await kit.listed(place)
      expect(left.filter((id) => id !== middle)).toEqual([newest, oldest])
    }
    expect(await kit.listed('artifact')).toEqual([newest, oldest])
    expect(await kit.listed('folder')).toEqual([newest, oldest])

    const done = await remove({ backup: middle, 'confirm-target': middle })
    expect({ code: done.code, error: done.result?.error }).toEqual({ code: 0, error: undefined })
    expect(done.outputs['backup-id']).toBe(middle)
    for (const place of places)
      expect({ place, left: await kit.listed(place) }).toEqual({ place, left: [newest, oldest] })
    expect(kit.github.repository.tags.has(`backup-shop-${middle}`)).toBe(false)
    const absent = await remove({ backup: middle, 'confirm-target': middle })
    expect({ code: absent.code, error: absent.result?.error?.code }).toEqual({ code: 1, error: 'SB901' })
  })

  test('F72: a listing that fails in one place deletes nothing in any', async () => {
    const backups = [2, 3].map((age) => earlierBackup(age * day))
    await kit.seed(backups)
    const [newest = '', oldest = ''] = ids(backups)
    for (const path of ['/releases', '/actions/artifacts']) {
      kit.github.failNext({ method: 'GET', path, status: 502, times: 50 })
      const refused = await kit.run({ command: 'delete', destinations, backup: oldest, 'confirm-target': oldest })
      expect({ path, code: refused.code, status: refused.result?.status }).toEqual({ path, code: 1, status: 'failed' })
      const listing = await kit.run({ command: 'list', destinations })
      // What the other places hold is shown; a listing that lacks a place says so and is not green.
      expect({ code: listing.code, status: listing.result?.status }).toEqual({ code: 1, status: 'partial' })
      expect(listing.result?.backups.length).toBe(2 * (places.length - 1))
      kit.github.clearFaults()
    }
    for (const place of places)
      expect({ place, left: await kit.listed(place) }).toEqual({ place, left: [newest, oldest] })
  })
})
