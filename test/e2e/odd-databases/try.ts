import type { ActionRun } from '../../kit/action.ts'
import { loadProject, startProjectServer } from '../../kit/project/load.ts'
import { onlyIn, openDesk, type Place, rowsOf, schemaOf } from '../project-setup.ts'
import type { OddDatabase } from './odd-database.ts'

/** What became of an odd database: the two runs, and what an independent look at source and target found. */
export interface Outcome {
  readonly backup: ActionRun
  readonly restore: ActionRun
  /** Statements of `pg_dump -s` and rows of tables that differ, but for those that may. */
  readonly lost: readonly string[]
  readonly asked: readonly [unknown, unknown]
}

/** A server with a project to copy from, on which many odd databases are tried one after the other. */
export interface Workbench {
  try(odd: OddDatabase): Promise<Outcome>
  stop(): Promise<void>
}

const projectTemplate = 'project_template'

export async function openWorkbench(major: 15 | 17): Promise<Workbench> {
  const server = await startProjectServer(major)
  await loadProject(server, { database: projectTemplate })
  let count = 0
  return {
    async try(odd) {
      count += 1
      const create = odd.create ?? (odd.as === 'postgres' ? `template ${projectTemplate}` : 'template template0')
      const source = { server, database: `source_${count}` }
      const target = { server, database: `target_${count}` }
      const user = odd.as === 'postgres' ? 'postgres' : server.superuser
      const desk = await openDesk(user)
      try {
        for (const { database } of [source, target]) {
          await server.query(`create database ${database} ${create}`)
          if (odd.as === 'postgres') await server.query(`alter database ${database} owner to postgres`)
        }
        await execute(source, server.superuser, odd.before)
        await execute(source, user, odd.sql)
        await execute(source, server.superuser, odd.after)
        await execute(target, server.superuser, odd.target)
        const backup = await desk.backup(source, odd.inputs)
        await new Promise((resolve) => setTimeout(resolve, odd.pauseMs ?? 0))
        const restore = await desk.restore(target, {
          'safety-backup': 'false',
          ...(backup.outputs['backup-id'] === undefined ? {} : { backup: backup.outputs['backup-id'] }),
          ...odd.restoreInputs
        })
        return {
          backup,
          restore,
          lost: await lostBetween(source, target, odd),
          asked: [await ask(source, odd.ask), await ask(target, odd.ask)]
        }
      } finally {
        await desk.stop()
        await execute(source, server.superuser, odd.undo)
        for (const { database } of [source, target]) await server.query(`drop database ${database} with (force)`)
      }
    },
    stop: () => server.stop()
  }
}

async function execute(place: Place, user: string, sql: string | undefined): Promise<void> {
  if (sql === undefined || sql === '') return
  const client = await place.server.connect(user, place.database)
  try {
    await client.query(sql.replaceAll('$database', place.database))
  } finally {
    await client.end()
  }
}

async function ask({ server, database }: Place, question: string | undefined): Promise<unknown> {
  if (question === undefined) return null
  try {
    return (await server.query(question, [], server.superuser, database)).rows
  } catch (error) {
    return error instanceof Error ? error.message : error
  }
}

async function lostBetween(source: Place, target: Place, odd: OddDatabase): Promise<string[]> {
  const [here, there] = [await schemaOf(source), await schemaOf(target)]
  const statements = [
    ...onlyIn(here, there).map((text) => `- ${text}`),
    ...onlyIn(there, here).map((text) => `+ ${text}`)
  ].filter((text) => odd.differs?.test(text) !== true)
  const rows = await rowsOf(target)
  const tables = [...(await rowsOf(source))]
    .filter(([name, content]) => rows.get(name) !== content && odd.otherRows?.test(name) !== true)
    .map(([name, content]) => `rows of ${name}: ${content}, but ${rows.get(name) ?? 'no table'}`)
  return [...statements, ...tables]
}
