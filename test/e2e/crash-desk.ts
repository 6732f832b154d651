import { existsSync } from 'node:fs'
import { appendFile, mkdtemp, readdir, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect } from 'vitest'
import type { ListedBackup } from '../../src/destinations/destination.ts'
import type { Crash, CrashedRun } from '../kit/crash/crash-run.ts'
import { orphansOf } from '../kit/crash/end-run.ts'
import { day } from '../kit/history.ts'
import { type CrashPlace, wrongIn } from './crash-places.ts'

/** CRASH_ALL=1 ends a run at every point, which takes hours; CRASH_SEED chooses other points. */
const isAll = process.env['CRASH_ALL'] === '1'
export const crashSeed = Number(process.env['CRASH_SEED'] ?? 20_261_122)
export const crashPatience = isAll ? 6 * 60 * 60 * 1000 : 900_000

export type CrashDesk = Awaited<ReturnType<typeof openCrashDesk>>

/** A place, and what is done to it in every test that ends runs: run to the end, end at a point, look at what is left. */
export async function openCrashDesk(makePlace: (root: string) => Promise<CrashPlace>, name: string) {
  const root = await mkdtemp(join(tmpdir(), 'sb-crash-'))
  const temp = await mkdtemp(join(root, 'temp-'))
  const place = await makePlace(await mkdtemp(join(root, 'place-')))
  let missed = 0

  /** Runs a command to its end: it must succeed, with no warnings but those that are given, list what lies there, and leave nothing of any run behind. */
  const whole = async (inputs: Readonly<Record<string, string>>, warnings: readonly unknown[] = []) => {
    const { run, points } = await place.run({ inputs: { ...place.inputs, ...inputs }, temp })
    expect({
      code: run.code,
      error: run.result?.error,
      warnings: run.result?.warnings.filter((warning) => !warning.startsWith('This backup is not encrypted'))
    }).toEqual({
      code: 0,
      warnings
    })
    expect(run.result?.backups.map((row) => `${row.project}/${row.id}`).sort()).toEqual(
      [...(await place.snapshot()).keys()].sort()
    )
    expect(await leftInTemp()).toEqual([])
    return { run, points }
  }
  const leftInTemp = async () =>
    existsSync(join(temp, 'supabase-backup'))
      ? (await readdir(join(temp, 'supabase-backup'))).filter(
          (entry) => !/^result-.*\.json$|^download-[^.]*$|^badge(?:-[a-z0-9-]+)?\.json$/.test(entry)
        )
      : []
  /** Ends a run at a point. Returns what it leaves: earlier backups as they were, but those that may go. */
  const ended = async (
    inputs: Readonly<Record<string, string>>,
    crash: Crash,
    mayGo: readonly string[] = [],
    crashRun: CrashPlace['run'] = (options) => place.run(options)
  ) => {
    const before = await place.snapshot()
    const { run, fired } = await crashRun({ inputs: { ...place.inputs, ...inputs }, temp, crash })
    const at = `${crash.ending} ${crash.point.phase} ${crash.point.number} ${crash.point.what}`
    // How many calls there are differs a little with what lies there: a run that never comes to the point must have ended well.
    if (!fired) {
      missed += 1
      expect({ at, code: run.code, error: run.result?.error }).toEqual({ at, code: 0 })
    } else if (crash.ending === 'SIGKILL') expect({ at, signal: run.signal }).toEqual({ at, signal: 'SIGKILL' })
    expect({ at, orphans: await orphansOf(temp, 20_000) }).toEqual({ at, orphans: [] })
    const after = await place.snapshot()
    for (const [key, digest] of before)
      if (!mayGo.includes(key) || after.has(key))
        expect({ at, key, digest: after.get(key) }).toEqual({ at, key, digest })
    expect({ at, damage: place.damage() }).toEqual({ at, damage: '' })
    // A stranger sees the same, and can read every byte of it.
    const driver = await place.open()
    try {
      const fresh = [...after.keys()].filter((key) => !before.has(key))
      for (const key of fresh) expect({ at, wrong: await wrongIn(driver, key) }).toEqual({ at, wrong: [] })
      const listed: ListedBackup[] = []
      for await (const one of driver.list()) listed.push(one)
      expect({ at, listed: listed.map((one) => `${one.project}/${one.id}`).sort() }).toEqual({
        at,
        listed: [...after.keys()].sort()
      })
      for (const { name: record, content } of listed.flatMap((one) => [...one.records]))
        if (record.startsWith('verification-'))
          expect(JSON.parse(Buffer.from(content).toString())).toHaveProperty('verification.level')
        else expect(content.byteLength).toBeGreaterThan(0)
      await run.cleanUpFiles()
      return { fresh, gone: [...before.keys()].filter((key) => !after.has(key)), at, listed, run }
    } finally {
      await driver.close()
    }
  }
  /** What is left when a day has passed: nothing but committed backups. */
  const cleanLater = async () => {
    const driver = await place.open()
    try {
      await driver.clean(new Date(Date.now() + 2 * day))
    } finally {
      await driver.close()
    }
    expect(await place.debris()).toEqual([])
  }
  const report = async (command: string, points: number, crashes: number) => {
    const words = `${name} ${command}: ${points} points, ${crashes - missed} ended there, ${missed} not reached`
    await note(words)
    // Points that are never reached would prove nothing.
    expect({ words, few: missed <= Math.max(1, crashes / 5) }).toEqual({ words, few: true })
    missed = 0
  }
  return {
    root,
    temp,
    place,
    whole,
    ended,
    leftInTemp,
    cleanLater,
    report,
    async close() {
      await place.close()
      await rm(root, { recursive: true, force: true })
    }
  }
}

/** A run that was ended, and where. One that never came to the point must have ended well: how many calls there are differs a little. */
export async function endedAt(
  crash: Crash,
  temp: string,
  run: () => Promise<CrashedRun>
): Promise<{ readonly at: string; readonly ended: CrashedRun['run']; readonly fired: boolean }> {
  const { run: ended, fired } = await run()
  const at = `${crash.ending} ${crash.point.phase} ${crash.point.number} ${crash.point.what}`
  expect({ at, fine: fired || ended.code === 0 }).toEqual({ at, fine: true })
  expect({ at, orphans: await orphansOf(temp, 20_000) }).toEqual({ at, orphans: [] })
  return { at, ended, fired }
}

/** Notes what was done in CRASH_REPORT, where that is asked for. */
export async function note(words: string): Promise<void> {
  const file = process.env['CRASH_REPORT']
  if (file !== undefined) await appendFile(file, `${words}\n`)
}
