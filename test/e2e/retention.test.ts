import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { isPush } from '../kit/git/git-server.ts'
import { day, earlierBackup, type SeededBackup } from '../kit/history.ts'
import { type Place, type Places, places, startPlaces } from '../kit/places.ts'

const hour = day / 24

describe('prune through the bundle', () => {
  let kit: Places
  const run = (inputs: Readonly<Record<string, string>>) => kit.run({ command: 'prune', ...inputs })
  const daily = (count: number) => Array.from({ length: count }, (_, index) => earlierBackup((index + 2) * day))
  const ids = (backups: readonly SeededBackup[]) => backups.map((backup) => backup.ref.id)

  beforeAll(async () => {
    kit = await startPlaces()
  })
  beforeEach(() => kit.reset())
  afterAll(async () => {
    await kit.stop()
  })

  test('the same rules in every place: shown first, then done, then nothing more to do', async () => {
    const backups = daily(4)
    await kit.seed(backups)
    const destinations = places.join(',')
    const shown = await run({ destinations, 'keep-last': '2', 'dry-run': 'true' })
    expect({ code: shown.code, error: shown.result?.error }).toEqual({ code: 0 })
    expect(shown.result?.backups).toHaveLength(16)
    for (const place of places) {
      const verdicts = shown.result?.retention?.filter((one) => one.destination === place)
      expect(verdicts?.map(({ id, keep, removed }) => ({ id, keep, removed }))).toEqual([
        { id: backups[0]?.ref.id, keep: true, removed: undefined },
        { id: backups[1]?.ref.id, keep: true, removed: undefined },
        { id: backups[2]?.ref.id, keep: false, removed: false },
        { id: backups[3]?.ref.id, keep: false, removed: false }
      ])
      expect(verdicts?.[0]?.reasons).toEqual(['newest verified backup', 'keep-last 1 of 2'])
    }
    expect(shown.summary).toContain('keep-last 2 of 2')
    const done = await run({ destinations, 'keep-last': '2' })
    expect({ code: done.code, error: done.result?.error, warnings: done.result?.warnings }).toEqual({
      code: 0,
      error: undefined,
      warnings: []
    })
    for (const place of places)
      expect(done.result?.backups.filter((row) => row.destination === place).map((row) => row.id)).toEqual(
        ids(backups.slice(0, 2))
      )
    // The space is free, not only the names gone.
    expect(kit.github.repository.artifacts).toHaveLength(4)
    expect(kit.github.repository.releases.map((release) => release.tag).sort()).toEqual(
      ids(backups.slice(0, 2))
        .map((id) => `backup-shop-${id}`)
        .sort()
    )
    expect([...kit.github.repository.tags.keys()]).toHaveLength(2)
    const again = await run({ destinations, 'keep-last': '2' })
    expect(again.result?.retention?.every((one) => one.keep)).toBe(true)
  })

  test('T9: what is never removed, in every place: young, pinned, safety copies in their time, from the future, not readable', async () => {
    const [newest, older, oldest] = daily(3)
    const known = earlierBackup(9 * day)
    const newer = Buffer.from(
      Buffer.from(known.manifest)
        .toString()
        .replace(/("minReader": *)1/, '$199')
    )
    const named: Readonly<Record<string, SeededBackup | undefined>> = {
      newest,
      older,
      oldest,
      young: earlierBackup(2 * hour, { status: 'partial' }),
      future: earlierBackup(-3 * hour),
      'safety of 3 days': earlierBackup(3.5 * day, { kind: 'safety' }),
      'safety of 8 days': earlierBackup(8 * day, { kind: 'safety' }),
      'from a newer version': { ...known, manifest: newer },
      pinned: earlierBackup(10 * day)
    }
    await kit.seed(Object.values(named).filter((one) => one !== undefined))
    const destinations = places.join(',')
    await kit.run({ command: 'list', destinations, pin: named['pinned']?.ref.id ?? '' })
    const done = await run({ destinations, 'keep-last': '1' })
    expect({ code: done.code, error: done.result?.error }).toEqual({ code: 0, error: undefined })
    for (const place of places) {
      const here = done.result?.backups.filter((row) => row.destination === place) ?? []
      const left = Object.keys(named).filter((name) => here.some((row) => row.id === named[name]?.ref.id))
      expect({ place, left }).toEqual({
        place,
        left: ['newest', 'young', 'future', 'safety of 3 days', 'from a newer version', 'pinned']
      })
      expect(here.find((row) => row.id === named['future']?.ref.id)).toMatchObject({ future: true })
      expect(here.find((row) => row.id === named['from a newer version']?.ref.id)).toMatchObject({
        status: 'unreadable',
        note: expect.stringContaining('install')
      })
    }
    // The one from the future is not the latest, as long as there is another.
    const shown = await kit.run({ command: 'delete', destinations: 'folder', 'dry-run': 'true' })
    expect(shown.result?.retention?.map((one) => one.id)).toEqual([named['young']?.ref.id])
  })

  test('F72: a listing that fails is never taken for nothing: no place loses a backup', async () => {
    const backups = daily(4)
    await kit.seed(backups)
    kit.github.failNext({ method: 'GET', path: '/releases', status: 500, times: 50 })
    const refused = await run({ destinations: 'folder,artifact,repository,release', 'keep-last': '1' })
    expect({ code: refused.code, status: refused.result?.status }).toEqual({ code: 1, status: 'failed' })
    kit.github.clearFaults()
    for (const place of places) expect(await kit.listed(place)).toEqual(ids(backups))
  })

  test('F70: a removal that fails leaves the rest to the next run; other places are not held up', async () => {
    const backups = daily(4)
    await kit.seed(backups)
    const destinations = places.join(',')
    kit.github.failNext({ method: 'DELETE', path: '/actions/artifacts/', status: 500, skip: 3, times: 9 })
    kit.github.failNext({ method: 'DELETE', path: /\/releases\/\d+$/, status: 500, skip: 1, times: 9 })
    kit.git.fault = (request) => (isPush(request) ? { kind: 'status', status: 500 } : undefined)
    const cut = await run({ destinations, 'keep-last': '1' })
    expect({ code: cut.code, error: cut.result?.error?.code }).toEqual({ code: 1, error: 'SB906' })
    expect(cut.result?.warnings.join('\n')).toContain('SB906')
    const left = (place: Place) => cut.result?.backups.filter((row) => row.destination === place).map((row) => row.id)
    expect(left('folder')).toEqual(ids(backups.slice(0, 1)))
    // The oldest went first, and the manifest of the second: it is no backup any more, and what is left of it goes next time.
    expect(left('artifact')).toEqual(ids(backups.slice(0, 2)))
    expect(left('release')).toEqual(ids(backups.slice(0, 2)))
    expect(left('repository')).toEqual(ids(backups))
    kit.github.clearFaults()
    kit.git.fault = undefined
    const again = await run({ destinations, 'keep-last': '1' })
    expect({ code: again.code, error: again.result?.error }).toEqual({ code: 0 })
    for (const place of places)
      expect(again.result?.backups.filter((row) => row.destination === place).map((row) => row.id)).toEqual(
        ids(backups.slice(0, 1))
      )
  })

  test('T10: nothing goes anywhere while an anomalous backup is open, in whichever place it lies', async () => {
    const backups = daily(2)
    await kit.seed(backups)
    const odd = earlierBackup(1.5 * day, { status: 'anomalous' })
    await kit.seed([odd], ['release'])
    const destinations = places.join(',')
    const frozen = await run({ destinations, 'keep-last': '1' })
    expect({ code: frozen.code, status: frozen.outputs['status'], error: frozen.result?.error?.code }).toEqual({
      code: 1,
      status: 'anomalous',
      error: 'SB904'
    })
    expect(frozen.result?.error?.remedy).toContain(`acknowledge: ${odd.ref.id}`)
    expect(frozen.result?.backups).toHaveLength(9)
    expect(frozen.result?.retention?.every((one) => one.keep)).toBe(true)
    const unknown = await run({ destinations, 'keep-last': '1', acknowledge: '20260101T000000Z-aaaaaaaa' })
    expect({ code: unknown.code, error: unknown.result?.error?.code }).toEqual({ code: 1, error: 'SB901' })
    const open = await run({ destinations, 'keep-last': '1', acknowledge: odd.ref.id })
    expect({ code: open.code, error: open.result?.error }).toEqual({ code: 0 })
    expect(open.result?.backups.map((row) => `${row.destination} ${row.id}`).sort()).toEqual(
      [
        `release ${odd.ref.id}`,
        ...['artifact', 'folder', 'repository'].map((place) => `${place} ${backups[0]?.ref.id}`)
      ].sort()
    )
    // It was noted beside the backup: the next run needs no word.
    const later = await run({ destinations: 'release', 'keep-last': '1' })
    expect({ code: later.code, error: later.result?.error }).toEqual({ code: 0 })
  })

  test('T9: with a clock that is wrong nothing goes', async () => {
    const backups = daily(3)
    await kit.seed(backups, ['release', 'repository'])
    const real = kit.github.state.now
    Object.assign(kit.github.state, { now: () => new Date(real().getTime() - 2 * 60 * 60 * 1000) })
    try {
      for (const destinations of ['release', 'repository']) {
        const refused = await run({ destinations, 'keep-last': '1' })
        expect({ code: refused.code, error: refused.result?.error?.code }).toEqual({ code: 1, error: 'SB905' })
        expect(refused.result?.backups).toHaveLength(3)
      }
    } finally {
      Object.assign(kit.github.state, { now: real })
    }
  })
})
