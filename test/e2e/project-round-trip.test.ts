import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { ActionRun } from '../kit/action.ts'
import type { PostgresServer } from '../kit/postgres/server.ts'
import { startProjectServer } from '../kit/project/load.ts'
import { type Desk, makeProject, onlyIn, openDesk, type Place, rowsOf, schemaOf, withIcu } from './project-setup.ts'

/** Applications take minutes: they go round in the night. */
const nightly = process.env['SUPABASE_BACKUP_NIGHTLY'] !== undefined

// They take minutes: they go round in the night.
const applications = [
  { application: 'shop', main: 'shop.orders', key: 'id', schema: 'shop' },
  { application: 'workshop', main: 'public.places', key: 'id', schema: 'public' }
] as const

/** What a run said of itself, without the notes that say what was never to be in a backup. */
function verdict(run: ActionRun): object {
  const { status, verified } = run.outputs
  return { status, verified, error: run.result?.error?.message }
}

/** Subjects and details of what a run could not prove, or left to do. */
function told(run: ActionRun, kind: string): string[] {
  return (run.result?.findings ?? []).flatMap((finding) =>
    finding.kind === kind ? [`${finding.subject}: ${finding.detail}`] : []
  )
}

/** What the two databases hold otherwise, statement by statement and table by table, but for what `accepted` names. */
async function differencesOf(source: Place, target: Place, accepted: RegExp): Promise<string[]> {
  const [here, there] = [await schemaOf(source), await schemaOf(target)]
  const rows = await rowsOf(target)
  return [
    ...onlyIn(here, there).map((text) => `- ${text}`),
    ...onlyIn(there, here).map((text) => `+ ${text}`),
    ...[...(await rowsOf(source))].flatMap(([name, content]) =>
      rows.get(name) === content ? [] : [`rows of ${name}: ${content}, but ${rows.get(name)}`]
    )
  ].filter((line) => !accepted.test(line))
}

/** What hangs on an extension that the runner has not. */
const lacked = /supabase_vault|pgjwt|pg_net|pgmq|pg_cron|pg_graphql|net\.|cron|vault/

// Vault makes ids and nonces anew, jobs come paused, the logs of the platform stay with it.
const ownWays = /^rows of (vault\.secrets|cron\.job(_run_details)?|net\.\S+|realtime\.messages\S*):/
// What takes the library supautils is listed, not made: policies on the platform's tables, partitions of Realtime's.
const refused =
  /POLICY .* ON (storage|realtime)\.|realtime[._]messages|supabase_functions|EVENT TRIGGER ensure_rls|to_secret/

describe.each([15, 17] as const)(
  'a project on PostgreSQL %i goes there and back with the defaults, as postgres',
  (major) => {
    let servers: [PostgresServer, PostgresServer]
    let desk: Desk
    beforeAll(async () => {
      servers = [await startProjectServer(major), await startProjectServer(major)]
      desk = await openDesk()
    })
    afterAll(async () => {
      await desk.stop()
      for (const server of servers) await server.stop()
    })

    test('when it is new', async () => {
      const source = await makeProject(servers[0], 'fresh')
      const target = await makeProject(servers[1], 'fresh')
      const backup = await desk.backup(source, { project: 'fresh' })
      expect(verdict(backup)).toEqual({ status: 'complete', verified: 'restore' })
      expect(told(backup, 'notProven').filter((line) => !lacked.test(line))).toEqual([])
      expect(verdict(await desk.restore(target, { project: 'fresh' }))).toMatchObject({ status: 'complete' })
      expect(await differencesOf(source, target, /(?!)/)).toEqual([])
    })

    describe.each(nightly ? applications : [])(
      'with the application $application',
      ({ application, main, key, schema }) => {
        let source: Place
        let target: Place
        const project = { project: application }
        const query = async (sql: string) => (await target.server.query(sql, [], undefined, target.database)).rows[0]
        const count = async () => (await query(`select count(*)::int as n from ${main}`)).n
        let whole = 0

        beforeAll(async () => {
          source = await makeProject(servers[0], application, application)
          target = await makeProject(
            servers[1],
            application,
            undefined,
            application === 'workshop' ? withIcu : undefined
          )
        })

        test('it is backed up and proven', async () => {
          const backup = await desk.backup(source, project)
          expect(told(backup, 'notProven').filter((line) => !lacked.test(line))).toEqual([])
          if (application === 'shop') expect(verdict(backup)).toEqual({ status: 'complete', verified: 'restore' })
          else expect(['complete', 'unproven']).toContain(backup.outputs['status'])
        })

        test('it comes back into a new project', async () => {
          const restore = await desk.restore(target, { ...project, backup: await newest(desk, project) })
          expect(['complete', 'partial']).toContain(restore.outputs['status'])
          const accepted = new RegExp(`${ownWays.source}|${refused.source}`)
          expect(await differencesOf(source, target, accepted)).toEqual([])
          whole = await count()
        })

        test('rows, one table and everything are brought back over what is there', async () => {
          const backup = await newest(desk, project)
          await query(`with gone as (delete from ${main} where ${key} % 7 = 0 returning 1) select count(*) from gone`)
          await query(`create table public.later (id int)`)
          expect(await count()).toBeLessThan(whole)
          const missing = await desk.restore(target, {
            ...project,
            backup,
            tables: main,
            'restore-mode': 'missing-rows'
          })
          expect(verdict(missing)).toMatchObject({ status: 'complete' })
          expect(await count()).toBe(whole)

          await query(`with gone as (delete from ${main} where ${key} % 5 = 0 returning 1) select count(*) from gone`)
          const left = await count()
          const one = await desk.restore(target, { ...project, backup, tables: main, 'restore-mode': 'replace' })
          expect(['complete', 'partial']).toContain(one.outputs['status'])
          expect(await count()).toBe(whole)

          const beside = await desk.restore(target, {
            ...project,
            backup,
            schemas: schema,
            'restore-mode': 'side-schema'
          })
          expect(['complete', 'partial']).toContain(beside.outputs['status'])
          const made = await query(`select nspname from pg_namespace where nspname ~ '^restored_'`)
          expect(await query(`select count(*)::int as n from ${made?.nspname}.${main.split('.')[1]}`)).toEqual({
            n: whole
          })
          await query(`drop schema ${made?.nspname} cascade`)

          // The undo of the one table: the safety copy that was made before it.
          const undo = await desk.restore(target, {
            ...project,
            backup: String(one.result?.restore?.['safetyBackupId']),
            project: String(one.result?.restore?.['safetyProject']),
            tables: main,
            'restore-mode': 'replace'
          })
          expect(['complete', 'partial']).toContain(undo.outputs['status'])
          expect(await count()).toBe(left)

          const all = await desk.restore(target, { ...project, backup, 'restore-mode': 'replace' })
          expect(['complete', 'partial']).toContain(all.outputs['status'])
          const accepted = new RegExp(`${ownWays.source}|${refused.source}|public\\.later`)
          expect(await differencesOf(source, target, accepted)).toEqual([])
        })
      }
    )
  }
)

/** The newest backup of a project by its id: `latest` is only for those that are proven. */
async function newest(desk: Desk, inputs: Readonly<Record<string, string>>): Promise<string> {
  const listed = await desk.list(inputs)
  const backups: readonly { id: string; kind: string }[] = JSON.parse(listed.outputs['backups'] ?? '[]')
  return backups.find(({ kind }) => kind !== 'safety')?.id ?? 'none'
}
