import { existsSync } from 'node:fs'
import { appendFile, mkdtemp, readdir, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { ListedBackup } from '../../src/destinations/destination.ts'
import { type Crash, choosePoints, crashAtMessage } from '../kit/crash/crash-run.ts'
import { orphansOf } from '../kit/crash/end-run.ts'
import { type MessageGate, quiet, startMessageGate } from '../kit/crash/message-gate.ts'
import { day, earlierBackup } from '../kit/history.ts'
import { binDirOf } from '../kit/postgres/programs.ts'
import { type PostgresServer, startPostgres } from '../kit/postgres/server.ts'
import { type CrashPlace, wrongIn } from './crash-places.ts'
import { contentOf } from './restore-setup.ts'

/** CRASH_ALL=1 ends a run at every point, which takes hours; CRASH_SEED chooses other points. */
const isAll = process.env['CRASH_ALL'] === '1'
const seed = Number(process.env['CRASH_SEED'] ?? 20_261_122)
const patience = isAll ? 6 * 60 * 60 * 1000 : 900_000

/** Ends the action at the numbered points of each command that writes to a place, and looks at what is left. */
export function crashSuite(makePlace: (root: string) => Promise<CrashPlace>, name: string): void {
  describe(`${name}: a run that is killed at any write or call`, () => {
    let place: CrashPlace
    let server: PostgresServer
    let root: string
    let temp: string
    let missed = 0

    beforeAll(async () => {
      root = await mkdtemp(join(tmpdir(), 'sb-crash-'))
      temp = await mkdtemp(join(root, 'temp-'))
      place = await makePlace(await mkdtemp(join(root, 'place-')))
      server = await startPostgres({ major: 15, auth: 'scram', password: 'correct horse battery staple' })
      await server.query('create table public.orders as select n, md5(n::text) as words from generate_series(1, 500) n')
    })
    afterAll(async () => {
      await server.stop()
      await place.close()
      await rm(root, { recursive: true, force: true })
    })

    /** Runs a command to its end: it must succeed, list what lies there, and leave nothing of any run behind. */
    const whole = async (inputs: Readonly<Record<string, string>>) => {
      const { run, points } = await place.run({ inputs: { ...place.inputs, ...inputs }, temp })
      expect({ code: run.code, error: run.result?.error, warnings: run.result?.warnings }).toEqual({
        code: 0,
        warnings: []
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
      const file = process.env['CRASH_REPORT']
      const words = `${name} ${command}: ${points} points, ${crashes - missed} ended there, ${missed} not reached`
      if (file !== undefined) await appendFile(file, `${words}\n`)
      // Points that are never reached would prove nothing.
      expect({ words, few: missed <= Math.max(1, crashes / 5) }).toEqual({ words, few: true })
      missed = 0
    }

    test(
      'F37, F53: backup: the whole new one or nothing, and the next run takes one and clears what was left',
      async () => {
        await place.reset()
        const inputs = {
          'database-url': server.url(server.superuser, 'postgres'),
          project: 'shop',
          plaintext: 'private',
          'pg-bin': binDirOf(15),
          verify: 'none'
        }
        // The first one finds nothing there and makes other calls.
        await whole(inputs)
        const { points } = await whole(inputs)
        const crashes = choosePoints(points, 2, seed)
        for (const crash of crashes) {
          const { fresh, at } = await ended(inputs, crash)
          expect({ at, fresh: fresh.length < 2 }).toEqual({ at, fresh: true })
          await whole(inputs)
          // Where it is known at once that the run is dead nothing waits for its day to pass.
          if (name === 'folder' || name === 'release')
            expect({ at, debris: await place.debris() }).toEqual({ at, debris: [] })
        }
        await cleanLater()
        await report('backup', points.length, crashes.length)
      },
      patience
    )

    test(
      'F70: prune: no other backup goes, none is half there, and the next run finishes',
      async () => {
        const inputs = { command: 'prune', 'keep-last': '1' }
        const start = async () => {
          await place.reset()
          const backups = [2, 3, 4].map((days) => earlierBackup(days * day))
          await place.seed(backups)
          return backups.map(({ ref }) => `${ref.project}/${ref.id}`)
        }
        await start()
        const { points } = await whole(inputs)
        const crashes = choosePoints(points, 1, seed + 1)
        for (const crash of crashes) {
          const [newest = '', ...others] = await start()
          const { fresh } = await ended(inputs, crash, others)
          expect(fresh).toEqual([])
          await whole(inputs)
          expect([...(await place.snapshot()).keys()]).toEqual([newest])
          await cleanLater()
        }
        await report('prune', points.length, crashes.length)
      },
      patience
    )

    test(
      'F70: delete: the one backup is there or gone, and what is left of it goes',
      async () => {
        const start = async () => {
          await place.reset()
          const [keep, doomed] = [earlierBackup(2 * day), earlierBackup(3 * day)]
          await place.seed([keep, doomed])
          const { id } = doomed.ref
          return { key: `shop/${id}`, inputs: { command: 'delete', backup: id, 'confirm-target': id } }
        }
        const { points } = await whole((await start()).inputs)
        const crashes = choosePoints(points, 1, seed + 2)
        for (const crash of crashes) {
          const { key, inputs } = await start()
          const { gone } = await ended(inputs, crash, [key])
          await whole(gone.length === 0 ? inputs : { command: 'list' })
          expect((await place.snapshot()).has(key)).toBe(false)
          await cleanLater()
        }
        await report('delete', points.length, crashes.length)
      },
      patience
    )

    test(
      'F37: verify: its record is whole or not there, and the next run writes one',
      async () => {
        await place.reset()
        await place.seed([earlierBackup(2 * day)])
        const inputs = { command: 'verify', verify: 'checksum' }
        const { points } = await whole(inputs)
        const crashes = choosePoints(points, 1, seed + 3)
        for (const crash of crashes) {
          const { fresh } = await ended(inputs, crash)
          expect(fresh).toEqual([])
          const { run } = await whole(inputs)
          expect(run.outputs['verified']).toBe('checksum')
          expect(run.result?.verification?.level).toBe('checksum')
        }
        await cleanLater()
        await report('verify', points.length, crashes.length)
      },
      patience
    )

    test(
      'F37: download: the whole folder or none, and the next run clears what was left',
      async () => {
        await place.reset()
        await place.seed([
          earlierBackup(2 * day, { encryption: { scheme: 'age-x25519', recipients: ['0123456789abcdef'] } })
        ])
        const inputs = { command: 'download' }
        const downloads = async () =>
          (await readdir(join(temp, 'supabase-backup'))).filter((entry) => entry.startsWith('download-'))
        const { points } = await whole(inputs)
        // What it writes to this machine is the same whatever the place.
        const crashes = choosePoints(points, name === 'folder' ? 2 : 1, seed + 6)
        for (const crash of crashes) {
          for (const old of await downloads()) await rm(join(temp, 'supabase-backup', old), { recursive: true })
          await ended(inputs, crash)
          for (const folder of await downloads())
            expect((await readdir(join(temp, 'supabase-backup', folder))).sort()).toEqual([
              'database.dump',
              'manifest.json'
            ])
          await whole(inputs)
        }
        await report('download', points.length, crashes.length)
      },
      patience
    )

    test(
      'F37: list and check: backups stay, pages and badges are whole or the earlier ones, and the next run writes them',
      async () => {
        await place.reset()
        await place.seed([earlierBackup(2 * day), earlierBackup(3 * day)])
        const page = join(temp, 'dashboard.html')
        const commands = [
          { command: 'list', dashboard: place.dashboard ?? page },
          { command: 'check', 'max-age': '30d' }
        ] as const
        /** Runs it to its end; GitHub may show no schedules here, which is a warning. */
        const done = async (inputs: Readonly<Record<string, string>>) => {
          const { run, points } = await place.run({ inputs: { ...place.inputs, ...inputs }, temp })
          expect({ code: run.code, error: run.result?.error }).toEqual({ code: 0 })
          expect(run.result?.backups).toHaveLength(2)
          expect(await leftInTemp()).toEqual([])
          await run.cleanUpFiles()
          return points
        }
        for (const [index, inputs] of commands.entries()) {
          const points = await done(inputs)
          const crashes = choosePoints(points, 1, seed + 7 + index)
          for (const crash of crashes) {
            const { fresh, at } = await ended(inputs, crash)
            expect({ at, fresh }).toEqual({ at, fresh: [] })
            const badges = existsSync(join(temp, 'supabase-backup'))
              ? (await readdir(join(temp, 'supabase-backup'))).filter((entry) => /^badge.*json$/.test(entry))
              : []
            for (const badge of badges)
              expect({ at, badge: JSON.parse(await readFile(join(temp, 'supabase-backup', badge), 'utf8')) }).toEqual({
                at,
                badge: expect.objectContaining({ schemaVersion: 1 })
              })
            const pages = [...(existsSync(page) ? [await readFile(page, 'utf8')] : []), ...(await place.pages())]
            for (const text of pages) expect({ at, end: text.trimEnd().slice(-7) }).toEqual({ at, end: '</html>' })
            await done(inputs)
          }
          await report(inputs.command, points.length, crashes.length)
        }
        await cleanLater()
      },
      patience
    )

    describe('restore', () => {
      let gate: MessageGate
      beforeAll(async () => {
        gate = await startMessageGate(server.port)
        await server.query('create database before')
        await server.query(
          "create table public.orders (n int primary key, words text); insert into public.orders values (1, 'mine'), (7, 'newer'); create table public.notes as select 'stays' as text",
          [],
          undefined,
          'before'
        )
      })
      afterAll(() => gate.close())

      const sessions = async () =>
        Number((await server.query("select count(*) from pg_stat_activity where datname = 'target'")).rows[0].count)
      const anew = async () => {
        await quiet(sessions)
        await server.query('drop database if exists target')
        await server.query('create database target template before')
      }
      /** What there is of tables, their rows, indexes and constraints; when nobody is at work there any more. */
      const state = async () => {
        await quiet(sessions)
        const { rows } = await server.query(
          `select indexdef as x from pg_indexes where schemaname !~ '^pg_'
           union all select conrelid::regclass || ' ' || pg_get_constraintdef(oid) from pg_constraint where conrelid >= 16384
           union all select nspname from pg_namespace where nspname !~ '^pg_' order by 1`,
          [],
          undefined,
          'target'
        )
        return JSON.stringify([[...(await contentOf(server, 'target'))], rows.map((row: { x: string }) => row.x)])
      }

      test(
        'F37, F68: the target is as it was or as the backup, its safety copy whole or not there, and the next start brings it in',
        async () => {
          await place.reset()
          const shared = { plaintext: 'private', 'pg-bin': binDirOf(15) }
          await whole({
            ...shared,
            'database-url': server.url(server.superuser, 'postgres'),
            project: 'shop',
            verify: 'none'
          })
          const inputs = {
            ...shared,
            command: 'restore',
            project: 'shop',
            'target-database-url': server.url(server.superuser, 'target').replace(`:${server.port}/`, `:${gate.port}/`),
            'confirm-target': '127.0.0.1/target',
            'restore-mode': 'replace'
          }
          /** Takes the safety copies away again, so that the place stays as small as it was. */
          const dropCopies = async () => {
            const driver = await place.open()
            try {
              for (const key of (await place.snapshot()).keys()) {
                const [project = '', id = ''] = key.split('/')
                if (project !== 'shop') await driver.delete({ project, id })
              }
            } finally {
              await driver.close()
            }
          }
          const through = async (crashRun: CrashPlace['run']) => {
            const { run, points } = await crashRun({ inputs: { ...place.inputs, ...inputs }, temp })
            expect({ code: run.code, error: run.result?.error }).toEqual({ code: 0 })
            expect(run.result?.restore?.['safetyBackupId']).toBeDefined()
            expect(await leftInTemp()).toEqual([])
            await run.cleanUpFiles()
            return points
          }
          await anew()
          const before = await state()
          // The first one keeps its copy under a label that is new to the place, and makes other calls.
          await through((options) => place.run(options))
          const after = await state()
          expect(after).not.toBe(before)
          const ways: readonly (readonly [string, CrashPlace['run']])[] = [
            ['restore', (options) => place.run(options)],
            // What is sent to the target does not depend on the place.
            ...(name === 'folder'
              ? [
                  [
                    'restore, messages to the target',
                    (options: Parameters<CrashPlace['run']>[0]) =>
                      crashAtMessage(gate, { ...options, env: { ...place.env } })
                  ] as const
                ]
              : [])
          ]
          for (const [index, [what, crashRun]] of ways.entries()) {
            await dropCopies()
            await anew()
            const points = await through(crashRun)
            expect(await state()).toBe(after)
            const crashes = choosePoints(points, 1 + index, seed + 9 + index)
            for (const crash of crashes) {
              await dropCopies()
              await anew()
              const { fresh, at, listed, run } = await ended(inputs, crash, [], crashRun)
              const came = await state()
              expect({ at, came: [before, after].includes(came) ? 'one of both' : came }).toEqual({
                at,
                came: 'one of both'
              })
              // A run that could still speak said which.
              if (run.result !== null)
                expect({ at, status: run.result.status === 'complete' ? after : before }).toEqual({ at, status: came })
              expect({ at, fresh: fresh.length < 2 }).toEqual({ at, fresh: true })
              for (const key of fresh)
                expect(listed.find((one) => `${one.project}/${one.id}` === key)?.project).toMatch(/target/)
              // Nothing is written before the copy is whole.
              if (came === after) expect({ at, fresh: fresh.length }).toEqual({ at, fresh: 1 })
              await through((options) => place.run(options))
              expect(await state()).toBe(after)
              if (name === 'folder' || name === 'release')
                expect({ at, debris: await place.debris() }).toEqual({ at, debris: [] })
            }
            await report(what, points.length, crashes.length)
          }
          await cleanLater()
        },
        patience
      )
    })

    test(
      'F37: pin and unpin: done or not done, and the next run does it',
      async () => {
        await place.reset()
        const backup = earlierBackup(2 * day)
        await place.seed([backup])
        for (const [index, word] of (['pin', 'unpin'] as const).entries()) {
          const inputs = { command: 'list', [word]: backup.ref.id }
          const other = { command: 'list', [word === 'pin' ? 'unpin' : 'pin']: backup.ref.id }
          if (word === 'unpin') await whole(other)
          const { points } = await whole(inputs)
          const crashes = choosePoints(points, 1, seed + 4 + index)
          for (const crash of crashes) {
            await whole(other)
            await ended(inputs, crash)
            const { run } = await whole(inputs)
            expect(run.result?.backups.map((row) => row.pinned)).toEqual([word === 'pin'])
          }
          await report(word, points.length, crashes.length)
        }
        await cleanLater()
      },
      patience
    )
  })
}
