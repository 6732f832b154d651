import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { choosePoints } from '../kit/crash/crash-run.ts'
import { day, earlierBackup, sha256 } from '../kit/history.ts'
import { type StorageDouble, startStorage } from '../kit/supabase/storage.ts'
import { type CrashDesk, crashPatience, crashSeed, openCrashDesk } from './crash-desk.ts'
import { type CrashPlace, type SeededPack, wrongIn } from './crash-places.ts'

const key = 'sb_secret_3Qm7tTzL0pKc9vXy2WbNq5RsDfGhJk_8aBcDeF'

function packOf(words: string): SeededPack {
  const content = Buffer.from(words)
  const digest = sha256(content)
  return { name: `objects-${digest.slice(0, 16)}.tar`, bytes: content.length, sha256: digest, content }
}

/** Ends the action at the numbered points of commands that write Storage packs: to the pool, where the place has one. */
export function crashObjectsSuite(makePlace: (root: string) => Promise<CrashPlace>, name: CrashPlace['name']): void {
  describe(`${name}: a run that is killed at any write or call, with Storage files`, () => {
    let desk: CrashDesk
    let storage: StorageDouble

    beforeAll(async () => {
      desk = await openCrashDesk(makePlace, `${name} with files`)
      storage = await startStorage({ key })
      storage.addBucket('papers')
      storage.put('papers', 'old/report.txt', Buffer.from('written once'))
      storage.put('papers', 'old/large.bin', Buffer.alloc(300_000, 'large '))
    })
    afterAll(async () => {
      await storage.stop()
      await desk.close()
    })

    /** What is wrong with any backup that lies there: a file or pack that is gone or has other bytes. */
    const wrong = async () => {
      const driver = await desk.place.open()
      try {
        const found: string[] = []
        for (const each of (await desk.place.snapshot()).keys()) found.push(...(await wrongIn(driver, each)))
        return found
      } finally {
        await driver.close()
      }
    }
    const poolOf = async () => {
      const driver = await desk.place.open()
      try {
        return ((await driver.pool?.list('shop')) ?? []).map((file) => file.name).sort()
      } finally {
        await driver.close()
      }
    }

    test(
      'F37, F53: backup: the whole new one with all its files or nothing, earlier ones keep theirs, and the next run takes one',
      async () => {
        const { place, whole, ended, report } = desk
        const inputs = {
          include: 'storage',
          'supabase-url': storage.url,
          'service-role-key': key,
          project: 'shop',
          plaintext: 'private',
          verify: 'read'
        }
        const warnings = name === 'artifact' ? [expect.stringContaining('keeps nothing across runs')] : []
        let version = 0
        /** One file has changed and one is new since the last backup. */
        const change = () => {
          version += 1
          storage.put('papers', 'changing.txt', Buffer.from(`version ${version}`))
          storage.put('papers', `new/${version}.txt`, Buffer.from(`file ${version}`))
        }
        const start = async () => {
          await place.reset()
          change()
          await whole(inputs, warnings)
          change()
        }
        await start()
        const { points } = await whole(inputs, warnings)
        const crashes = choosePoints(points, 1, crashSeed + 11)
        for (const crash of crashes) {
          await start()
          const { fresh, at } = await ended(inputs, crash)
          expect({ at, fresh: fresh.length < 2, wrong: await wrong() }).toEqual({ at, fresh: true, wrong: [] })
          const { run } = await whole(inputs, warnings)
          const part = run.result?.backup?.parts.find(({ source }) => source === 'storage')
          expect({ at, files: part?.counts?.['objects'] }).toEqual({ at, files: storage.objects.size })
          expect({ at, wrong: await wrong() }).toEqual({ at, wrong: [] })
        }
        await report('backup', points.length, crashes.length)
      },
      crashPatience
    )

    if (name !== 'artifact')
      test(
        'F70: prune: no pack goes that a backup needs, and the next run takes the others away',
        async () => {
          const { place, whole, ended, report } = desk
          const inputs = { command: 'prune', 'keep-last': '1' }
          const [unneeded, passing, needed] = [packOf('of nothing'), packOf('of one backup alone'), packOf('of two')]
          const start = async () => {
            await place.reset()
            for (const pack of [unneeded, passing, needed]) await place.seedPool(pack, 5 * day)
            const backups = [needed, needed, passing].map(({ content: _, ...pack }, index) =>
              earlierBackup((index + 2) * day, {
                parts: [
                  { source: 'database', status: 'captured', counts: {} },
                  { source: 'storage', status: 'captured', counts: {} }
                ],
                shared: [pack]
              })
            )
            await place.seed(backups)
            return backups.map(({ ref }) => `${ref.project}/${ref.id}`)
          }
          await start()
          expect(await poolOf()).toHaveLength(3)
          const { points } = await whole(inputs)
          // What only a removed backup needed goes with the run after.
          expect(await poolOf()).toEqual([passing.name, needed.name].sort())
          const crashes = choosePoints(points, 1, crashSeed + 12)
          for (const crash of crashes) {
            const [newest = '', ...others] = await start()
            const { fresh, at } = await ended(inputs, crash, others)
            expect({ at, fresh, wrong: await wrong() }).toEqual({ at, fresh: [], wrong: [] })
            await whole(inputs)
            await whole(inputs)
            expect({ at, left: [...(await place.snapshot()).keys()], pool: await poolOf() }).toEqual({
              at,
              left: [newest],
              pool: [needed.name]
            })
            expect({ at, wrong: await wrong() }).toEqual({ at, wrong: [] })
          }
          await report('prune', points.length, crashes.length)
        },
        crashPatience
      )
  })
}
