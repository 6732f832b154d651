// Whole backups against plain dumps: every way on every database, in turns, so that noise of the machine meets all of
// them. Prints a Markdown table of medians and of ratios to the floor; asserts nothing.
import { mkdir, mkdtemp, readdir, rm, stat } from 'node:fs/promises'
import { availableParallelism, tmpdir } from 'node:os'
import path from 'node:path'
import { parseArgs } from 'node:util'
import { generateIdentity, identityToRecipient } from 'age-encryption'
import { majors } from '../test/kit/postgres/programs.ts'
import { startPostgres } from '../test/kit/postgres/server.ts'
import { type DatabaseName, databaseNames, descriptions, makeDatabase } from './bench-databases.ts'
import { benchIncremental } from './bench-incremental.ts'
import { type Measured, measure, median } from './bench-measure.ts'
import { benchRestore } from './bench-restore.ts'
import { waysOf } from './bench-ways.ts'
import { bundle } from './demo-action.ts'

interface Sample extends Measured {
  readonly storedBytes: number
}

interface Row {
  readonly way: string
  readonly samples: readonly Sample[]
}

const usage = `npm run bench -- [options]
  --quick            the 100 MB database only
  --only NAMES       some of: ${databaseNames.join(', ')} (commas)
  --repeats N        how often each way runs on each database (3)
  --without-others   this action and the floor alone
  --proof            also the whole backup with its proof by restoring
  --restore          restores instead of backups: pg_restore -j2 and this action, the same archive into the same server
                     (--only: mixed)
  --incremental      what leaves the database when little of it changed: the prototype of increments beside whole backups and a
                     chunked dump, on 200 tables of together --megabytes N (100)
  --major N          PostgreSQL version: ${majors.join(', ')} (15; the others need: sh scripts/install-parts)
  --bundle FILE      another build of the action (dist/index.js)
  --json             all samples as JSON instead of tables`

const { values } = parseArgs({
  options: {
    quick: { type: 'boolean', default: false },
    only: { type: 'string' },
    repeats: { type: 'string', default: '3' },
    proof: { type: 'boolean', default: false },
    'without-others': { type: 'boolean', default: false },
    restore: { type: 'boolean', default: false },
    incremental: { type: 'boolean', default: false },
    megabytes: { type: 'string', default: '100' },
    major: { type: 'string', default: '15' },
    bundle: { type: 'string', default: bundle },
    json: { type: 'boolean', default: false },
    help: { type: 'boolean', default: false }
  }
})

async function main(): Promise<void> {
  if (values.help) return console.log(usage)
  const repeats = Number(values.repeats)
  const major = majors.find((known) => String(known) === values.major)
  const usual = values.restore ? ['mixed'] : databaseNames.filter((name) => name !== 'mixed')
  const wanted = values.quick ? ['medium'] : (values.only?.split(',') ?? usual)
  const names = databaseNames.filter((name) => wanted.includes(name))
  if (!Number.isInteger(repeats) || repeats < 1 || major === undefined || names.length !== wanted.length) {
    throw new Error(usage)
  }
  const folder = await mkdtemp(path.join(tmpdir(), 'supabase-backup-bench-'))
  if (values.incremental) {
    const recipient = await identityToRecipient(await generateIdentity())
    const options = { megabytes: Number(values.megabytes), folder, recipient, bundle: path.resolve(values.bundle) }
    console.log(await benchIncremental(options).finally(() => rm(folder, { recursive: true, force: true })))
    return
  }
  const server = await startPostgres({
    major,
    settings: { shared_buffers: '512MB', max_locks_per_transaction: 256, max_wal_size: '4GB', autovacuum: 'off' }
  })
  try {
    if (values.restore) {
      for (const database of names)
        console.log(await benchRestore({ server, database, repeats, folder, bundle: path.resolve(values.bundle) }))
      return
    }
    const ways = waysOf({
      server,
      recipient: await identityToRecipient(await generateIdentity()),
      proof: values.proof,
      others: !values['without-others'],
      bundle: path.resolve(values.bundle)
    })
    const results: { database: DatabaseName; serverBytes: number; rows: Row[] }[] = []
    for (const database of names) {
      console.error(`Making ${descriptions[database]} ...`)
      await makeDatabase(server, database)
      const size = await server.query('select pg_database_size($1)::text as bytes', [database])
      const samples = new Map<string, Sample[]>(ways.map((way) => [way.name, []]))
      // The first turn warms the caches and is not counted.
      for (let turn = 0; turn <= repeats; turn += 1) {
        for (const way of turn === 0 ? ways.slice(0, 2) : rotate(ways, turn)) {
          const place = path.join(folder, 'run')
          await rm(place, { recursive: true, force: true })
          await mkdir(place)
          const { script, env } = await way.prepare(database, place)
          await mkdir(place, { recursive: true })
          const measured = await measure(script, env, place)
          const storedBytes = await bytesBelow(path.join(place, 'stored'))
          if (turn > 0) samples.get(way.name)?.push({ ...measured, storedBytes })
          console.error(
            `  ${turn === 0 ? 'warm-up' : `turn ${turn}`}: ${way.name}: ${measured.wallSeconds.toFixed(2)} s`
          )
        }
      }
      results.push({
        database,
        serverBytes: Number(size.rows[0]?.bytes),
        rows: ways.map((way) => ({ way: way.name, samples: samples.get(way.name) ?? [] }))
      })
      await server.query(`drop database ${database}`)
    }
    if (values.json) console.log(JSON.stringify({ major, repeats, cores: availableParallelism(), results }, null, 2))
    else {
      console.log(
        `PostgreSQL ${major}, ${availableParallelism()} cores, ${repeats} turns; medians. Ratios are taken within a turn.\n`
      )
      for (const { database, serverBytes, rows } of results) console.log(table(database, serverBytes, rows))
    }
  } finally {
    await server.stop()
    await rm(folder, { recursive: true, force: true })
  }
}

/** Each turn starts with another way, so that none always runs after the same one. */
function rotate<T>(list: readonly T[], by: number): readonly T[] {
  const shift = by % list.length
  return [...list.slice(shift), ...list.slice(0, shift)]
}

async function bytesBelow(folder: string): Promise<number> {
  let sum = 0
  for (const entry of await readdir(folder, { recursive: true, withFileTypes: true }).catch(() => [])) {
    if (entry.isFile()) sum += (await stat(path.join(entry.parentPath, entry.name))).size
  }
  return sum
}

function table(database: DatabaseName, serverBytes: number, rows: readonly Row[]): string {
  const floor = rows[0]?.samples ?? []
  const lines = [
    `### ${descriptions[database]} (${megabytes(serverBytes)} in the server)`,
    '',
    '| way | wall s | x floor | over floor s | CPU s | peak memory | stored |',
    '|---|---:|---:|---:|---:|---:|---:|'
  ]
  for (const { way, samples } of rows) {
    const pick = (of: (sample: Sample) => number) => median(samples.map(of))
    const against = (of: (mine: number, base: number) => number) =>
      median(samples.map((sample, turn) => of(sample.wallSeconds, floor[turn]?.wallSeconds ?? Number.NaN)))
    lines.push(
      `| ${[
        way.replaceAll('|', '\\|'),
        pick((sample) => sample.wallSeconds).toFixed(2),
        against((mine, base) => mine / base).toFixed(2),
        against((mine, base) => mine - base).toFixed(2),
        pick((sample) => sample.cpuSeconds).toFixed(2),
        megabytes(pick((sample) => sample.peakBytes)),
        megabytes(pick((sample) => sample.storedBytes))
      ].join(' | ')} |`
    )
  }
  return `${lines.join('\n')}\n`
}

function megabytes(bytes: number): string {
  return `${(bytes / 1_000_000).toFixed(1)} MB`
}

await main()
