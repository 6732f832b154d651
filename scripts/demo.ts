// The main job for real, on this machine: a PostgreSQL that looks like a Supabase project, a git server that stands for
// GitHub, a fresh key, and dist/index.js started as GitHub's runner starts it. Removes everything at the end.
import { spawn } from 'node:child_process'
import { chmod, mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { createInterface } from 'node:readline'
import { parseArgs } from 'node:util'
import { generateIdentity, identityToRecipient } from 'age-encryption'
import { loadSupabase } from '../test/kit/fixture/load.ts'
import { type GitServer, gitIn, startGitServer } from '../test/kit/git/git-server.ts'
import { majors, runOk } from '../test/kit/postgres/programs.ts'
import { type PostgresServer, startPostgres } from '../test/kit/postgres/server.ts'
import { bundle, prepareRun, readOutputs } from './demo-action.ts'

const repository = 'demo/backups'
const branch = 'backups'
const token = 'token-of-the-demo'

const { values } = parseArgs({
  options: {
    major: { type: 'string', default: '15' },
    keep: { type: 'boolean', default: false },
    bundle: { type: 'string', default: bundle }
  }
})

async function main(): Promise<void> {
  const major = majors.find((known) => String(known) === values.major)
  if (major === undefined) throw new Error(`--major takes one of ${majors.join(', ')}`)
  const folder = await mkdtemp(path.join(tmpdir(), 'supabase-backup-demo-'))
  let server: PostgresServer | undefined
  let git: GitServer | undefined
  try {
    step(`Starting PostgreSQL ${major} and filling it like a Supabase project`)
    server = await startPostgres({ major, auth: 'scram' })
    await loadSupabase(server)
    const counted = await server.query(
      `select (select count(*) from auth.users)::int as users, (select count(*) from pg_policy)::int as policies,
        (select count(*) from pg_class where relkind in ('r', 'p') and relnamespace::regnamespace::text !~ '^(pg_|information_schema)')::int as tables`
    )
    const { users, policies, tables } = counted.rows[0] ?? {}
    say(`${tables} tables, ${policies} policies, ${users} users in auth.users; a role "postgres" that is no superuser`)

    step('Making the place of storage: a private repository on a git server of this machine')
    const root = path.join(folder, 'git')
    await mkdir(root)
    git = await startGitServer({ root, token })
    const stored = git.create(repository)
    say(`${git.url}/${repository}.git, branch ${branch}`)

    step('Making a key pair, as age-keygen does')
    const identity = await generateIdentity()
    const recipient = await identityToRecipient(identity)
    const keyFile = path.join(folder, 'supabase-backup-key.txt')
    await writeFile(keyFile, `${identity}\n`, { mode: 0o600 })
    say(`public key, for the workflow:   ${recipient}`)
    say('private key, kept by the owner: not shown, and not given to the action')

    const inputs = {
      'database-url': server.url('postgres'),
      project: 'demo',
      recipients: recipient,
      destinations: 'repository',
      repository,
      branch,
      'pg-bin': server.binDir
    }
    const place = { inputs, serverUrl: git.url, token }

    step('First run of the action')
    await runOnce({ ...place, folder: path.join(folder, 'run-1'), runId: 1 }, false)

    step('Somebody works in the project: new rows')
    const added = await server.query(
      `insert into public.todos (user_id, title) select id, 'written between two backups' from auth.users returning id`,
      [],
      'postgres'
    )
    say(`${added.rowCount} rows inserted into public.todos`)

    step('Second run of the action, with its summary')
    const backupId = await runOnce({ ...place, folder: path.join(folder, 'run-2'), runId: 2 }, true)

    step(`What lies on the branch "${branch}" now`)
    const listed = gitIn(stored, ['ls-tree', '-r', '--long', '--full-tree', branch]).trimEnd().split('\n')
    for (const line of listed) {
      const [, , , bytes = '', name = ''] = line.split(/\s+/)
      say(`${bytes.padStart(9)}  ${name}`)
    }

    step('Opening the second backup by hand, with age, zstd and pg_restore only')
    await openByHand(stored, backupId, keyFile, server, folder)

    console.log('\nThat was the whole job. Next: README.md, "Quick start".')
  } finally {
    await git?.close()
    await server?.stop()
    if (values.keep) console.log(`\nKept: ${folder}`)
    else await rm(folder, { recursive: true, force: true })
  }
}

/** Runs the bundle as the runner does and shows its log; returns the id of the backup. */
async function runOnce(run: Parameters<typeof prepareRun>[0], showSummary: boolean): Promise<string> {
  const prepared = await prepareRun(run)
  const code = await new Promise<number | null>((resolve, reject) => {
    const child = spawn(process.execPath, [path.resolve(values.bundle)], {
      env: prepared.env,
      stdio: ['ignore', 'pipe', 'pipe']
    })
    for (const stream of [child.stdout, child.stderr]) {
      createInterface({ input: stream }).on('line', (line) => {
        // Commands to the runner mask values and fold groups; a person reads past them.
        if (/^::(add-mask|endgroup|debug)/.test(line)) return
        say(line.replace(/^::group::/, '▸ ').replace(/^::(warning|error|notice)[^:]*::/, '$1: '))
      })
    }
    child.once('error', reject)
    child.once('close', resolve)
  })
  if (showSummary || code !== 0) {
    console.log('\n  ── the job summary, as Markdown ──\n')
    for (const line of (await readFile(prepared.summaryFile, 'utf8')).trimEnd().split('\n')) say(line)
    console.log('\n  ── end of the summary ──')
  }
  const outputs = await readOutputs(prepared.outputFile)
  if (code !== 0) throw new Error(`The action ended with ${code}; its status is "${outputs.status ?? ''}"`)
  const shown = ['backup-id', 'status', 'verified', 'size-bytes', 'duration-ms']
  say(`outputs: ${shown.map((name) => `${name}=${outputs[name] ?? ''}`).join('  ')}`)
  const id = outputs['backup-id']
  if (id === undefined || id === '') throw new Error('The action gave no backup-id')
  return id
}

async function openByHand(
  stored: string,
  backupId: string,
  keyFile: string,
  server: PostgresServer,
  folder: string
): Promise<void> {
  const look = path.join(folder, 'look')
  await mkdir(look)
  await chmod(look, 0o700)
  const script = `
    set -eu
    git --git-dir "$STORED" -c safe.directory='*' archive "$BRANCH" "demo/$ID" | tar -x --strip-components=2
    for first in *.000; do [ ! -e "$first" ] || cat "\${first%.000}".[0-9]* > "\${first%.000}"; done
    age -d -i "$KEY" database.dump.zst.age | zstd -q -d > database.dump
    age -d -i "$KEY" contents.json.zst.age | zstd -q -d > contents.json
    pg_restore --list database.dump > list.txt`
  console.log('    $ age -d -i supabase-backup-key.txt database.dump.zst.age | zstd -d > database.dump')
  console.log('    $ pg_restore --list database.dump')
  await runOk('bash', ['-c', script], {
    cwd: look,
    env: { PATH: `${server.binDir}:/usr/bin:/bin`, STORED: stored, BRANCH: branch, ID: backupId, KEY: keyFile }
  })
  const entries = (await readFile(path.join(look, 'list.txt'), 'utf8')).split('\n').filter((line) => /^\d/.test(line))
  const wanted = / (TABLE DATA public todos|TABLE DATA auth users|TRIGGER auth users|POLICY storage objects) /
  for (const line of entries.filter((entry) => wanted.test(`${entry} `))) say(line)
  say(`... ${entries.length} entries in all`)

  console.log('    $ createdb restored && pg_restore --dbname restored database.dump')
  await server.query('create database restored')
  const restored = await server.run('pg_restore', [
    '--dbname',
    'restored',
    '--exit-on-error',
    path.join(look, 'database.dump')
  ])
  if (restored.code !== 0) throw new Error(`pg_restore ended with ${restored.code}:\n${restored.stderr}`)
  for (const table of ['auth.users', 'public.todos']) {
    const count = async (database: string) =>
      (await server.query(`select count(*)::int as rows from ${table}`, [], server.superuser, database)).rows[0]?.rows
    const [before, after] = [await count('postgres'), await count('restored')]
    say(`${table}: ${before} rows in the project, ${after} in the restored copy`)
    if (before !== after) throw new Error(`The copy of ${table} differs from the project`)
  }
}

let steps = 0

function step(title: string): void {
  steps += 1
  console.log(`\n${steps}. ${title}`)
}

/** A line of what happened, indented; control characters of names are shown, not sent to the terminal. */
function say(line: string): void {
  console.log(`    ${line.replace(/[\u0000-\u001f\u007f-\u009f\u202a-\u202e\u2066-\u2069]/g, '·')}`)
}

await main()
