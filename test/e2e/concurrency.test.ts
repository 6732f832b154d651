import { execFile } from 'node:child_process'
import { mkdtemp } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { DestinationName } from '../../src/destinations/destination.ts'
import type { WriterTask } from '../kit/writer.ts'
import { type CrashPlace, folderPlace, githubPlace, wrongIn } from './crash-places.ts'

/** CONCURRENCY_ROUNDS=20 and CONCURRENCY_PROCESSES=20 make the full thing: 400 backups in each place. */
const rounds = Number(process.env['CONCURRENCY_ROUNDS'] ?? 1)
const writers = Number(process.env['CONCURRENCY_WRITERS'] ?? 20)
const processes = Number(process.env['CONCURRENCY_PROCESSES'] ?? 4)
const run = promisify(execFile)

describe.each<Exclude<DestinationName, 's3'>>(['folder', 'release', 'artifact', 'repository'])(
  '%s: many writers at once',
  (name) => {
    let place: CrashPlace
    let root: string

    beforeAll(async () => {
      root = await mkdtemp(join(tmpdir(), 'sb-many-'))
      place = name === 'folder' ? await folderPlace(root) : await githubPlace(name, root)
    })
    afterAll(() => place.close())

    test(
      `F49, F52, F54: ${writers} writers, ${rounds} times: none is lost, each can be restored, the place is whole`,
      async () => {
        // Starting a process costs more than writing: some writers share one.
        const tasks = Array.from(
          { length: processes },
          (_, first): WriterTask => ({
            place: name,
            rounds,
            writers: Array.from({ length: writers }, (_each, writer) => writer).filter((n) => n % processes === first),
            folder: place.inputs['folder'] ?? '',
            token: place.inputs['token'] ?? '',
            env: place.env
          })
        )
        const outcomes = await Promise.allSettled(
          tasks.map((task) =>
            run(process.execPath, [join(import.meta.dirname, '../kit/writer.ts'), JSON.stringify(task)])
          )
        )
        const written = outcomes.flatMap((one) => {
          if (one.status === 'rejected') throw one.reason
          return one.value.stdout.split('\n').filter((line) => /^\d{8}T\d{6}Z-[a-z2-7]{8}$/.test(line))
        })
        expect(new Set(written).size).toBe(writers * rounds)
        expect([...(await place.snapshot()).keys()].sort()).toEqual(written.map((id) => `shop/${id}`).sort())
        expect(await place.debris()).toEqual([])
        expect(place.damage()).toBe('')
        const driver = await place.open()
        try {
          for (const id of written) expect(await wrongIn(driver, `shop/${id}`)).toEqual([])
        } finally {
          await driver.close()
        }
      },
      30 * 60 * 1000
    )
  }
)
