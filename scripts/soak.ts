/**
 * Goes round in circles for some minutes: backup, verify, prune of one small project in all four places, with faults by chance, and looks after
 * each round that nothing is lost. Prints its numbers. `npm run soak -- --minutes 10 [--seed 1]`; SUPABASE_BACKUP_BUNDLE tries another build.
 */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { type ActionRun, runAction } from '../test/kit/action.ts'
import { random } from '../test/kit/crash/crash-run.ts'
import { createRepository, gitHandler, gitIn, isPush } from '../test/kit/git/git-server.ts'
import { startGithub } from '../test/kit/github/server.ts'
import { binDirOf } from '../test/kit/postgres/programs.ts'
import { startPostgres } from '../test/kit/postgres/server.ts'
import { startProxy } from '../test/kit/proxy.ts'

const { values } = parseArgs({
  options: { minutes: { type: 'string', default: '10' }, seed: { type: 'string', default: '20261122' } }
})
const minutes = Number(values.minutes)
const seed = Number(values.seed)
if (!(minutes > 0) || !Number.isInteger(seed))
  throw new Error('npm run soak -- --minutes <number> [--seed <whole number>]')

const chance = random(seed)
const places = 'folder,release,repository,artifact'
const root = await mkdtemp(join(tmpdir(), 'sb-soak-'))
const temp = await mkdtemp(join(root, 'temp-'))
const server = await startPostgres({ major: 15, auth: 'scram', password: 'correct horse battery staple' })
const proxy = await startProxy({ target: server })
const github = await startGithub({ repository: 'acme/shop', visibility: 'private', artifacts: true })
const bare = createRepository(root, 'acme/shop')
const git = gitHandler({ root, token: github.token })
github.mount('/acme/shop.git/', git.handle)
await server.query('create table public.orders (n bigint primary key, words text)')

const address = new URL(server.url(server.superuser, 'postgres'))
address.port = String(proxy.port)
const common = {
  destinations: places,
  folder: join(root, 'place'),
  token: github.token,
  'pg-bin': binDirOf(15),
  retries: '2'
}
const commands: Readonly<Record<string, Readonly<Record<string, string>>>> = {
  backup: { ...common, 'database-url': address.href, project: 'shop', verify: 'none' },
  verify: { ...common, command: 'verify', verify: 'read' },
  prune: { ...common, command: 'prune', 'keep-last': '5' }
}

/** What goes wrong in a run, or nothing. */
const faults: Readonly<Record<string, (start: { kill?: NodeJS.Signals }) => void>> = {
  none: () => undefined,
  'connection cut': () => proxy.cutAfter(Math.floor(chance() * 40_000), 'down', 1),
  'API answers 500': () =>
    void github.failNext({ status: 500, skip: Math.floor(chance() * 30), times: 1 + Math.floor(chance() * 3) }),
  'answer lost': () => void github.failNext({ method: 'POST', when: 'after', skip: Math.floor(chance() * 10) }),
  'push refused': () => {
    git.fault = (request) => (isPush(request) && chance() < 0.7 ? { kind: 'status', status: 500 } : undefined)
  },
  'answer of a push lost': () => {
    let lost = false
    git.fault = (request) => {
      if (!isPush(request) || lost) return undefined
      lost = true
      return { kind: 'loseAnswer' }
    }
  },
  killed: (start) => {
    start.kill = 'SIGKILL'
  },
  cancelled: (start) => {
    start.kill = 'SIGINT'
  }
}

const tally = new Map<string, number>()
const count = (what: string) => tally.set(what, (tally.get(what) ?? 0) + 1)
const troubles: string[] = []
/** Ids by place that a run which succeeded has shown and no prune has removed since. */
let known = new Map<string, ReadonlySet<string>>()

async function once(command: string, fault: string): Promise<ActionRun> {
  const start: { kill?: NodeJS.Signals } = {}
  faults[fault]?.(start)
  const done = await runAction({
    inputs: commands[command] ?? {},
    env: github.env,
    temp,
    onStart: (child) => {
      const { kill } = start
      if (kill !== undefined) setTimeout(() => child.kill(kill), 100 + chance() * 2_500).unref()
    }
  })
  proxy.cutAfter(Number.MAX_SAFE_INTEGER)
  github.clearFaults()
  git.fault = undefined
  count(`${command}, ${fault}: ${done.code === 0 ? 'succeeded' : 'failed'}`)
  if (done.code !== 0 && done.signal === null && !/^::error /m.test(done.log))
    troubles.push(`${command}, ${fault}: failed without a word`)
  if (done.log.includes('SB999')) troubles.push(`${command}, ${fault}: a bug: ${/SB999.*/.exec(done.log)?.[0] ?? ''}`)
  await done.cleanUpFiles()
  return done
}

/** Lists all places without faults: what was there before must be there still, but for what a prune may remove. */
async function look(mayLose: boolean): Promise<void> {
  const done = await runAction({ inputs: { ...common, command: 'list' }, env: github.env, temp })
  await done.cleanUpFiles()
  if (done.code !== 0 || done.result === null) {
    troubles.push(`list failed: ${done.result?.error?.message ?? done.log.slice(-300)}`)
    return
  }
  const now = new Map<string, Set<string>>()
  for (const row of done.result.backups) {
    now.set(row.destination, (now.get(row.destination) ?? new Set()).add(row.id))
    if (row.status !== 'complete') troubles.push(`${row.destination} ${row.id} is ${row.status}`)
  }
  if (!mayLose)
    for (const [place, ids] of known)
      for (const id of ids) if (now.get(place)?.has(id) !== true) troubles.push(`${place} ${id} is lost`)
  known = now
}

const until = performance.now() + minutes * 60_000
const started = performance.now()
let rounds = 0
let rows = 0
try {
  while (performance.now() < until) {
    rounds += 1
    rows += 50
    await server.query(`insert into public.orders select n, md5(n::text) from generate_series(${rows - 49}, ${rows}) n`)
    for (const command of ['backup', 'verify', 'prune']) {
      const names = Object.keys(faults)
      await once(command, chance() < 0.4 ? 'none' : (names[Math.floor(chance() * names.length)] ?? 'none'))
      await look(command === 'prune')
    }
  }
  // At the end, without faults: a backup is taken, and all that is there opens.
  const last = await once('backup', 'none')
  const proof = await runAction({
    inputs: { ...common, command: 'verify', verify: 'read', backup: 'all' },
    env: github.env,
    temp
  })
  if (last.code !== 0) troubles.push(`the last backup failed: ${last.result?.error?.message}`)
  if (proof.code !== 0) troubles.push(`the last verification failed: ${proof.result?.error?.message}`)
  const damage = gitIn(bare, ['fsck', '--full', '--no-dangling', '--no-progress']).trim()
  if (damage !== '') troubles.push(`git fsck: ${damage}`)
  for (const line of [
    `${rounds} rounds in ${((performance.now() - started) / 60_000).toFixed(1)} minutes, seed ${seed}`,
    ...[...tally].sort().map(([what, times]) => `${String(times).padStart(5)}  ${what}`),
    `${proof.result?.backups.length ?? 0} copies at the end, all read to the last byte: ${proof.code === 0 ? 'yes' : 'no'}`,
    `git fsck: ${damage === '' ? 'clean' : 'damaged'}`,
    troubles.length === 0 ? 'nothing lost' : `TROUBLES:\n${troubles.join('\n')}`
  ])
    process.stdout.write(`${line}\n`)
} finally {
  await proxy.close()
  await server.stop()
  await github.stop()
  await rm(root, { recursive: true, force: true })
}
process.exitCode = troubles.length === 0 ? 0 : 1
