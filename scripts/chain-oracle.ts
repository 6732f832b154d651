// Plays random histories through increments and compares each state with a whole dump of the same snapshot.
//
//   node scripts/chain-oracle.ts [first seed] [last seed]      1 to 1000 when left out

import { type Played, play } from '../test/kit/chain-oracle.ts'
import { startPostgres } from '../test/kit/postgres/server.ts'

const [first = '1', last = '1000'] = process.argv.slice(2)
const server = await startPostgres({ major: 15, settings: { autovacuum: 'off' } })
try {
  const client = await server.connect()
  await client.query('set client_min_messages = error')
  const sum: Record<string, number> = { histories: 0, misses: 0 }
  for (let seed = Number(first); seed <= Number(last); seed += 1) {
    const played: Played = await play(client, seed)
    for (const miss of played.misses) console.log(miss)
    for (const [name, value] of Object.entries(played))
      if (typeof value === 'number') sum[name] = (sum[name] ?? 0) + value
    sum.histories = (sum.histories ?? 0) + 1
    sum.misses = (sum.misses ?? 0) + played.misses.length
    if (seed % 50 === 0) console.error(JSON.stringify(sum))
  }
  console.log(JSON.stringify(sum))
  if (sum.misses !== 0) process.exitCode = 1
  await client.end()
} finally {
  await server.stop()
}
