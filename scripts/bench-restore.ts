import { mkdir, readdir, readFile, rm } from 'node:fs/promises'
import path from 'node:path'
import { generateIdentity, identityToRecipient } from 'age-encryption'
import { z } from 'zod'
import type { PostgresServer } from '../test/kit/postgres/server.ts'
import { type DatabaseName, descriptions, makeDatabase } from './bench-databases.ts'
import { type Measured, measure, median } from './bench-measure.ts'
import { prepareRun } from './demo-action.ts'

export interface BenchRestoreOptions {
  readonly server: PostgresServer
  readonly database: DatabaseName
  readonly repeats: number
  readonly folder: string
  /** The file that is run as the action. */
  readonly bundle: string
}

const resultSchema = z.looseObject({
  status: z.literal('complete'),
  restore: z.looseObject({ databaseMs: z.number() })
})

/**
 * One archive into fresh databases of one server, by `pg_restore -j2` and by the action, in turns: a Markdown table of medians, the ratios taken within a
 * turn. The action also starts, opens the sealed backup, and compares every row afterwards; without the safety backup, which pg_restore has no like of.
 */
export async function benchRestore(options: BenchRestoreOptions): Promise<string> {
  const { server, database, repeats, folder, bundle } = options
  console.error(`Making ${descriptions[database]} ...`)
  await makeDatabase(server, database)
  const stored = path.join(folder, 'kept')
  const identity = await generateIdentity()
  const kept = { destinations: 'folder', folder: stored, project: 'bench', 'pg-bin': server.binDir }
  const turnOf = async (inputs: Readonly<Record<string, string>>) => {
    const place = path.join(folder, 'run')
    await rm(place, { recursive: true, force: true })
    await mkdir(place)
    const { env } = await prepareRun({ folder: place, inputs: { ...kept, ...inputs } })
    const measured = await measure(`"${process.execPath}" "${bundle}" >&2`, env, place)
    return { measured, place }
  }
  await turnOf({
    'database-url': server.url(server.superuser, database, '127.0.0.1'),
    recipients: await identityToRecipient(identity),
    verify: 'none'
  })
  const archive = path.join(folder, 'same.dump')
  const dumped = await server.run('pg_dump', ['-Fc', '-Z0', '-f', archive], { database })
  if (dumped.code !== 0) throw new Error(dumped.stderr)
  await server.query(`drop database ${database}`)

  const theirs: Measured[] = []
  const ours: (Measured & { databaseSeconds: number })[] = []
  const fresh = async () => {
    await server.query('drop database if exists restored')
    await server.query('create database restored template template0')
    await server.query('checkpoint')
  }
  for (let turn = 0; turn <= repeats; turn += 1) {
    const one = async () => {
      await fresh()
      const place = path.join(folder, 'run')
      await rm(place, { recursive: true, force: true })
      await mkdir(place)
      const env = server.env(server.superuser, 'restored')
      const measured = await measure(`"${server.binDir}/pg_restore" -j2 -d restored "${archive}"`, env, place)
      if (turn > 0) theirs.push(measured)
      console.error(`  turn ${turn}: pg_restore -j2: ${measured.wallSeconds.toFixed(2)} s`)
    }
    const other = async () => {
      await fresh()
      const { measured, place } = await turnOf({
        command: 'restore',
        identity,
        'target-database-url': server.url(server.superuser, 'restored', '127.0.0.1'),
        'confirm-target': '127.0.0.1/restored',
        'safety-backup': 'false'
      })
      const databaseSeconds = (await resultBelow(place)).restore.databaseMs / 1000
      if (turn > 0) ours.push({ ...measured, databaseSeconds })
      console.error(`  turn ${turn}: this action: ${measured.wallSeconds.toFixed(2)} s`)
    }
    // Turn 0 warms the caches and is not counted.
    for (const way of turn % 2 === 0 ? [one, other] : [other, one]) await way()
  }
  await server.query('drop database if exists restored')
  const ratio = (of: (index: number) => number) =>
    median(ours.map((_, index) => of(index) / (theirs[index]?.wallSeconds ?? Number.NaN))).toFixed(2)
  const row = (name: string, list: readonly Measured[], times: string) =>
    `| ${name} | ${median(list.map((one) => one.wallSeconds)).toFixed(2)} | ${times} | ${median(list.map((one) => one.cpuSeconds)).toFixed(2)} | ${(median(list.map((one) => one.peakBytes)) / 1e6).toFixed(0)} MB |`
  return [
    `### Restoring ${descriptions[database]}`,
    '',
    '| way | wall s | x pg_restore -j2 | CPU s of the client | peak memory |',
    '|---|---:|---:|---:|---:|',
    row('pg_restore -j2', theirs, '1.00'),
    row(
      'supabase-backup, whole run',
      ours,
      ratio((index) => ours[index]?.wallSeconds ?? Number.NaN)
    ),
    `| of that the database, rows compared | ${median(ours.map((one) => one.databaseSeconds)).toFixed(2)} | ${ratio((index) => ours[index]?.databaseSeconds ?? Number.NaN)} | | |`,
    ''
  ].join('\n')
}

async function resultBelow(place: string): Promise<z.output<typeof resultSchema>> {
  const folder = path.join(place, 'temp', 'supabase-backup')
  const name = (await readdir(folder)).find((file) => file.startsWith('result') && file.endsWith('.json'))
  if (name === undefined) throw new Error(`there is no result in ${folder}`)
  return resultSchema.parse(JSON.parse(await readFile(path.join(folder, name), 'utf8')))
}
