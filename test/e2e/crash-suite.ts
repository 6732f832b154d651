import { existsSync } from 'node:fs'
import { readdir, readFile, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { choosePoints, crashAtMessage } from '../kit/crash/crash-run.ts'
import { type MessageGate, quiet, startMessageGate } from '../kit/crash/message-gate.ts'
import { day, earlierBackup } from '../kit/history.ts'
import { binDirOf } from '../kit/postgres/programs.ts'
import { type PostgresServer, startPostgres } from '../kit/postgres/server.ts'
import { type CrashDesk, crashPatience, crashSeed, openCrashDesk } from './crash-desk.ts'
import type { CrashPlace } from './crash-places.ts'
import { contentOf } from './restore-setup.ts'

/** Ends the action at the numbered points of each command that writes to a place, and looks at what is left. */
export function crashSuite(makePlace: (root: string) => Promise<CrashPlace>, name: string): void {
  describe(`${name}: a run that is killed at any write or call`, () => {
    let desk: CrashDesk
    let server: PostgresServer

    beforeAll(async () => {
      desk = await openCrashDesk(makePlace, name)
      server = await startPostgres({ major: 15, auth: 'scram', password: 'correct horse battery staple' })
      await server.query('create table public.orders as select n, md5(n::text) as words from generate_series(1, 500) n')
    })
    afterAll(async () => {
      await server.stop()
      await desk.close()
    })

    test(
      'F37, F53: backup: the whole new one or nothing, and the next run takes one and clears what was left',
      async () => {
        const { place, whole, ended, cleanLater, report } = desk
        await place.reset()
        const inputs = {
          'database-url': server.url(server.superuser, 'postgres'),
          project: 'shop',
          plaintext: 'private',
          'pg-bin': binDirOf(15),
          verify: 'read'
        }
        // The first one finds nothing there and makes other calls.
        await whole(inputs)
        const { points } = await whole(inputs)
        const crashes = choosePoints(points, 2, crashSeed)
        for (const crash of crashes) {
          const { fresh, at } = await ended(inputs, crash)
          expect({ at, fresh: fresh.length < 2 }).toEqual({ at, fresh: true })
          await whole(inputs)
          // Where it is known at once that the run is dead nothing waits for its day to pass.
          if (name === 'folder' || name === 'release' || name === 's3')
            expect({ at, debris: await place.debris() }).toEqual({ at, debris: [] })
        }
        await cleanLater()
        await report('backup', points.length, crashes.length)
      },
      crashPatience
    )

    test(
      'F70: prune: no other backup goes, none is half there, and the next run finishes',
      async () => {
        const { place, whole, ended, cleanLater, report } = desk
        const inputs = { command: 'prune', 'keep-last': '1' }
        const start = async () => {
          await place.reset()
          const backups = [2, 3, 4].map((days) => earlierBackup(days * day))
          await place.seed(backups)
          return backups.map(({ ref }) => `${ref.project}/${ref.id}`)
        }
        await start()
        const { points } = await whole(inputs)
        const crashes = choosePoints(points, 1, crashSeed + 1)
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
      crashPatience
    )

    test(
      'F70: delete: the one backup is there or gone, and what is left of it goes',
      async () => {
        const { place, whole, ended, cleanLater, report } = desk
        const start = async () => {
          await place.reset()
          const [keep, doomed] = [earlierBackup(2 * day), earlierBackup(3 * day)]
          await place.seed([keep, doomed])
          const { id } = doomed.ref
          return { key: `shop/${id}`, inputs: { command: 'delete', backup: id, 'confirm-target': id } }
        }
        const { points } = await whole((await start()).inputs)
        const crashes = choosePoints(points, 1, crashSeed + 2)
        for (const crash of crashes) {
          const { key, inputs } = await start()
          const { gone } = await ended(inputs, crash, [key])
          await whole(gone.length === 0 ? inputs : { command: 'list' })
          expect((await place.snapshot()).has(key)).toBe(false)
          await cleanLater()
        }
        await report('delete', points.length, crashes.length)
      },
      crashPatience
    )

    test(
      'F37: verify: its record is whole or not there, and the next run writes one',
      async () => {
        const { place, whole, ended, cleanLater, report } = desk
        await place.reset()
        await place.seed([earlierBackup(2 * day)])
        const inputs = { command: 'verify', verify: 'checksum' }
        const { points } = await whole(inputs)
        const crashes = choosePoints(points, 1, crashSeed + 3)
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
      crashPatience
    )

    test(
      'F37: download: the whole folder or none, and the next run clears what was left',
      async () => {
        const { place, temp, whole, ended, report } = desk
        await place.reset()
        await place.seed([
          earlierBackup(2 * day, { encryption: { scheme: 'age-x25519', recipients: ['0123456789abcdef'] } })
        ])
        const inputs = { command: 'download' }
        const downloads = async () =>
          (await readdir(join(temp, 'supabase-backup'))).filter((entry) => entry.startsWith('download-'))
        const { points } = await whole(inputs)
        // What it writes to this machine is the same whatever the place.
        const crashes = choosePoints(points, name === 'folder' ? 2 : 1, crashSeed + 6)
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
      crashPatience
    )

    test(
      'F37: list and check: backups stay, pages and badges are whole or the earlier ones, and the next run writes them',
      async () => {
        const { place, temp, ended, leftInTemp, cleanLater, report } = desk
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
          const crashes = choosePoints(points, 1, crashSeed + 7 + index)
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
      crashPatience
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
          const { place, temp, whole, ended, leftInTemp, cleanLater, report } = desk
          await place.reset()
          const shared = { plaintext: 'private', 'pg-bin': binDirOf(15) }
          await whole({
            ...shared,
            'database-url': server.url(server.superuser, 'postgres'),
            project: 'shop',
            verify: 'read'
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
            const crashes = choosePoints(points, 1 + index, crashSeed + 9 + index)
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
              if (name === 'folder' || name === 'release' || name === 's3')
                expect({ at, debris: await place.debris() }).toEqual({ at, debris: [] })
            }
            await report(what, points.length, crashes.length)
          }
          await cleanLater()
        },
        crashPatience
      )
    })

    test(
      'F37: pin and unpin: done or not done, and the next run does it',
      async () => {
        const { place, whole, ended, cleanLater, report } = desk
        await place.reset()
        const backup = earlierBackup(2 * day)
        await place.seed([backup])
        for (const [index, word] of (['pin', 'unpin'] as const).entries()) {
          const inputs = { command: 'list', [word]: backup.ref.id }
          const other = { command: 'list', [word === 'pin' ? 'unpin' : 'pin']: backup.ref.id }
          if (word === 'unpin') await whole(other)
          const { points } = await whole(inputs)
          const crashes = choosePoints(points, 1, crashSeed + 4 + index)
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
      crashPatience
    )
  })
}
