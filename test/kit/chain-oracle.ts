// A chain of increments must give back, at each of its backups, what a whole dump of the same snapshot gives: row by row, as COPY writes them.
import type pg from 'pg'
import { type Captured, capture, type Index } from '../../scripts/spike-incremental/capture.ts'
import { copyOut } from '../../scripts/spike-incremental/copy-out.ts'
import { openIndex, sealIndex } from '../../scripts/spike-incremental/index-file.ts'
import { restoreChain } from '../../scripts/spike-incremental/restore.ts'
import { beginning, cast, lieAbout, randomOf, stepOf } from './random-history.ts'

export interface Played {
  readonly states: number
  readonly tables: number
  readonly rows: number
  /** Rows that a full backup of each state would have read. */
  readonly fullRows: number
  readonly byPlace: number
  readonly lies: number
  readonly failedSteps: number
  /** Differences, in words. None is right. */
  readonly misses: readonly string[]
}

/** Settings under which text and hashes are the same whoever asks. */
export const sessionSettings = `set timezone = 'UTC'; set datestyle = 'ISO'; set intervalstyle = 'postgres'; set extra_float_digits = 3; set bytea_output = 'hex';
set synchronize_seqscans = off; set max_parallel_workers_per_gather = 0; set row_security = off; set jit = off`

/** One history in a schema of its own. */
export async function play(client: pg.Client, seed: number): Promise<Played> {
  const random = randomOf(seed)
  const schema = `history_${seed}`
  const played = {
    states: 0,
    tables: 0,
    rows: 0,
    fullRows: 0,
    byPlace: 0,
    lies: 0,
    failedSteps: 0,
    misses: [] as string[]
  }
  const chosen = cast(random)
  await client.query(`${beginning(schema, chosen)} ${sessionSettings}`)
  const chain: Captured[] = []
  let index: Index | null = null
  const told: string[] = []
  const states = 3 + random(4)
  for (let state = 0; state < states; state += 1) {
    const steps = state === 0 ? 6 : 1 + random(4)
    for (let at = 0; at < steps; at += 1) {
      const step = stepOf(random, chosen)
      told.push(step.what)
      for (const statement of step.statements) {
        await client.query(statement).catch(async () => {
          played.failedSteps += 1
          await client.query('rollback')
        })
      }
    }
    const lying = index !== null && random(4) === 0
    if (lying && index !== null) {
      index = { ...index, nextXid: lieAbout(index.nextXid, random) }
      played.lies += 1
    }
    told.push(lying ? '| captured, xids not to be trusted' : '| captured')
    await client.query('begin isolation level repeatable read read only; set local search_path = pg_catalog')
    const captured: Captured = await capture(client, [schema], index)
    const tables = captured.deltas.map(({ table }) => table)
    const copies = await copyOut(
      client,
      tables.map((table) => `copy (select ${table.columns.join(', ')} from only ${table.name}) to stdout`)
    )
    await client.query('commit')
    chain.push(captured)
    index = openIndex(sealIndex(captured.index, 'the password', 16), 'the password', 16)
    if (index === null) throw new Error('the index does not open')
    played.states += 1
    played.rows += captured.statistics.fetched
    played.byPlace += captured.statistics.byPlace
    const restored = restoreChain(chain)
    for (const [at, table] of tables.entries()) {
      const expected = (copies[at] ?? []).map((line) => line.toString('latin1')).sort()
      const found = [...(restored.get(table.oid)?.rows ?? [])].sort()
      played.tables += 1
      played.fullRows += expected.length
      const equal = expected.length === found.length && expected.every((line, row) => line === found[row])
      if (!equal || captured.deltas[at]?.rows !== String(expected.length))
        played.misses.push(
          `seed ${seed}, state ${state}, ${table.name}: ${found.length} rows restored, ${expected.length} dumped; ${told.join(', ')}`
        )
    }
  }
  await client.query(`reset search_path; drop schema ${schema} cascade`)
  return played
}
