import { execFile } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { cp, mkdtemp, readdir, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { generateIdentity, identityToRecipient } from 'age-encryption'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { parse } from 'yaml'
import { z } from 'zod'
import { type ActionRun, runAction } from '../kit/action.ts'
import { loadSupabase } from '../kit/fixture/load.ts'
import { createRepository, gitHandler } from '../kit/git/git-server.ts'
import { type Github, startGithub } from '../kit/github/server.ts'
import { binDirOf } from '../kit/postgres/programs.ts'
import { type PostgresServer, startPostgres } from '../kit/postgres/server.ts'
import { fillIn } from '../kit/workflows/expressions.ts'

// Each workflow as it stands: its `with:` is read from the file, secrets are filled in by local parts, and the bundle runs.

const root = fileURLToPath(new URL('../../', import.meta.url))
const uses = 'OWNER/supabase-backup@v1'
const values = z.record(z.string(), z.union([z.string(), z.number(), z.boolean()]))
const workflowSchema = z.looseObject({
  on: z.looseObject({
    workflow_dispatch: z
      .looseObject({ inputs: z.record(z.string(), z.looseObject({ default: z.unknown().optional() })).optional() })
      .nullish()
  }),
  jobs: z.record(
    z.string(),
    z.looseObject({ steps: z.array(z.looseObject({ uses: z.string().optional(), with: values.optional() })) })
  )
})
type Workflow = z.infer<typeof workflowSchema>

const example = (name: string): Workflow => workflowSchema.parse(parse(readFileSync(`${root}examples/${name}`, 'utf8')))

/** The quick start of README.md. */
function quickStart(): Workflow {
  const blocks = [...readFileSync(`${root}README.md`, 'utf8').matchAll(/^( *)```yaml\n([\s\S]*?)^\1```$/gm)]
  const texts = blocks.map(([, indent = '', text = '']) => text.replaceAll(new RegExp(`^${indent}`, 'gm'), ''))
  return workflowSchema.parse(parse(texts.find((text) => /^jobs:/m.test(text)) ?? ''))
}

describe('the examples through the bundle', () => {
  let source: PostgresServer
  let spare: PostgresServer
  let github: Github
  let folder: string
  let secrets: Record<string, string>
  const vars = { BACKUP_REPOSITORY: 'acme/vault', DRILL_PROJECT_REF: '127.0.0.1/postgres' }
  const runs: ActionRun[] = []

  /** Runs the step of a job that uses this action. `local` stands in for what only the machine of the example has. */
  async function run(
    workflow: Workflow,
    job: string,
    options: { readonly form?: object; readonly local?: Readonly<Record<string, string>> } = {}
  ): Promise<ActionRun> {
    const step = workflow.jobs[job]?.steps.find((one) => one.uses === uses)
    if (step === undefined) throw new Error(`no step of ${job} uses the action`)
    const fields = workflow.on.workflow_dispatch?.inputs ?? {}
    const inputs = {
      ...Object.fromEntries(Object.entries(fields).map(([name, field]) => [name, field.default])),
      ...options.form
    }
    const given = Object.entries(step.with ?? {}).map(([name, value]) => [
      name,
      fillIn(String(value), { secrets, vars, inputs })
    ])
    const done = await runAction({
      inputs: { token: github.token, 'pg-bin': binDirOf(15), ...Object.fromEntries(given), ...options.local },
      env: github.env
    })
    runs.push(done)
    expect(github.defects).toEqual([])
    return done
  }
  /** docs/by-hand.md to the letter, on a backup whose dump lies in two volumes. */
  async function byHand(disk: string, id: string): Promise<string> {
    const section = readFileSync(`${root}docs/by-hand.md`, 'utf8')
    const commands = /```sh\n# 1\.[\s\S]*?\ncd backup\n([\s\S]*?)```/.exec(section)?.[1] ?? ''
    expect(commands).toContain('# 5. Look inside')
    const [label = ''] = await readdir(disk)
    const work = join(folder, 'backup')
    await cp(join(disk, label, id), work, { recursive: true })
    await writeFile(join(work, 'supabase-backup-key.txt'), `${secrets['BACKUP_IDENTITY']}\n`, { mode: 0o600 })
    const env = { PATH: `${binDirOf(15)}:${process.env['PATH']}` }
    const run = async (script: string) =>
      (await promisify(execFile)('bash', ['-euc', script], { cwd: work, env, maxBuffer: 1e8 })).stdout
    const whole = await run(commands)
    await run(
      'rm database.dump && split -b 20000 -d -a 3 database.dump.zst.age database.dump.zst.age. && rm database.dump.zst.age'
    )
    const joined = await run(commands)
    expect(joined).toBe(whole)
    expect(joined.match(/: OK$/gm)?.length).toBeGreaterThan(3)
    return joined
  }
  const ended = (done: ActionRun) => ({ code: done.code, error: done.result?.error })
  const green = { code: 0, error: undefined }

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'sb-examples-'))
    source = await startPostgres({ major: 15, auth: 'scram', password: 'password of the source' })
    await loadSupabase(source, { users: 12 })
    spare = await startPostgres({ major: 15, auth: 'scram', password: 'password of the spare' })
    await loadSupabase(spare, { user: false })
    github = await startGithub({ repository: 'acme/shop', visibility: 'private', artifacts: true })
    github.addRepository('acme/vault', { visibility: 'private' })
    createRepository(folder, 'acme/vault')
    github.mount('/acme/vault.git/', gitHandler({ root: folder, token: github.token }).handle)
    const identity = await generateIdentity()
    secrets = {
      SUPABASE_DB_URL: source.url('postgres', 'postgres'),
      DATABASE_URL: source.url('postgres', 'postgres'),
      DRILL_DB_URL: spare.url('postgres', 'postgres'),
      TARGET_DB_URL: spare.url('postgres', 'postgres'),
      BACKUP_RECIPIENTS: await identityToRecipient(identity),
      BACKUP_IDENTITY: identity,
      BACKUP_TOKEN: github.token
    }
  })
  afterAll(async () => {
    for (const done of runs) await done.cleanUp()
    await source.stop()
    await spare.stop()
    await github.stop()
    await rm(folder, { recursive: true, force: true })
  })

  test('the quick start: one secret, a public key in the file, and the backup is proven', async () => {
    // The other examples name no label, so that a second one would make them ask which is meant.
    const local = { recipients: secrets['BACKUP_RECIPIENTS'] ?? '', project: '' }
    const done = await run(quickStart(), 'backup', { local })
    expect(ended(done)).toEqual(green)
    expect(done.outputs['verified']).toBe('restore')
    expect(done.summary).toMatch(
      /^## ✅ <code>127-0-0-1-postgres[-0-9a-f]*<\/code> is backed up, and proven by restoring it$/m
    )
  })

  test('nightly-to-releases.yml, and verify-weekly.yml and check-freshness.yml after it', async () => {
    expect(ended(await run(example('nightly-to-releases.yml'), 'backup'))).toEqual(green)
    const verified = await run(example('verify-weekly.yml'), 'verify')
    expect(ended(verified)).toEqual(green)
    expect(verified.outputs['verified']).toBe('restore')
    expect(ended(await run(example('check-freshness.yml'), 'check'))).toEqual(green)
  })

  test('team.yml: what has no key yet is skipped and said, the rest is kept in order and verified on Sunday', async () => {
    const backup = await run(example('team.yml'), 'backup')
    expect(ended(backup)).toEqual(green)
    expect(backup.result?.backup?.parts.map(({ source: name, status }) => [name, status])).toEqual([
      ['storage', 'skipped'],
      ['functions', 'skipped'],
      ['config', 'skipped'],
      ['database', 'captured']
    ])
    expect(backup.result?.retention?.length).toBeGreaterThan(0)
    expect(ended(await run(example('team.yml'), 'verify'))).toEqual(green)
  })

  test('artifact-only.yml and nightly-to-private-repository.yml', async () => {
    expect(ended(await run(example('artifact-only.yml'), 'backup'))).toEqual(green)
    const vault = await run(example('nightly-to-private-repository.yml'), 'backup')
    expect(ended(vault)).toEqual(green)
    expect(vault.result?.destinations.map(({ place }) => place).join()).toContain('acme/vault')
  })

  test('self-hosted.yml: into a folder, proven in the server beside the job', async () => {
    const proof = await startPostgres({ major: 15, auth: 'scram', password: 'thrown-away' })
    try {
      const disk = join(folder, 'disk')
      const done = await run(example('self-hosted.yml'), 'backup', {
        local: { folder: disk, 'verify-database-url': proof.url(proof.superuser, 'postgres') }
      })
      expect(ended(done)).toEqual(green)
      expect(done.outputs['verified']).toBe('restore')
      expect(await byHand(disk, done.outputs['backup-id'] ?? '')).toMatch(/TABLE DATA auth users/)
    } finally {
      await proof.stop()
    }
  })

  test('by-hand.yml: each command with what the form begins with', async () => {
    const workflow = example('by-hand.yml')
    const results: Record<string, unknown> = {}
    for (const command of ['backup', 'list', 'check', 'verify', 'restore', 'download', 'prune', 'delete']) {
      const done = await run(workflow, 'run', { form: { command } })
      results[command] = done.result?.error ?? done.outputs['status']
      expect(done.summary).toMatch(/^## (?:✅|🔍) /)
    }
    expect(results).toEqual({
      backup: 'complete',
      list: 'complete',
      check: 'complete',
      verify: 'complete',
      restore: 'complete',
      download: 'complete',
      prune: 'complete',
      delete: 'complete'
    })
  })

  test('restore.yml: a plan first, then the restore, then its undoing', async () => {
    const workflow = example('restore.yml')
    const users = async () => (await spare.query('select count(*)::int as n from auth.users')).rows[0]?.n
    const form = { what: 'whole project into an empty one', 'confirm-target': '127.0.0.1/postgres' }
    expect(ended(await run(workflow, 'plan', { form }))).toEqual(green)
    expect(await users()).toBe(0)
    const restored = await run(workflow, 'restore', { form })
    expect(ended(restored)).toEqual(green)
    expect(await users()).toBe(12)
    // As the summary of the restore says it.
    const undo = {
      what: 'undo a restore',
      when: String(restored.result?.restore?.['safetyBackupId']),
      'confirm-target': 'same:127.0.0.1/postgres'
    }
    expect(restored.summary).toContain(`backup: ${undo.when}`)
    expect(restored.summary).toContain(`confirm-target: ${undo['confirm-target']}`)
    expect(ended(await run(workflow, 'restore', { form: undo }))).toEqual(green)
    expect(await users()).toBe(0)
    // As it stands the form shows what is missing and changes nothing.
    const missing = await run(workflow, 'plan')
    expect(ended(missing)).toEqual(green)
    expect(missing.summary).toContain('nothing was changed')
    expect(await users()).toBe(0)
  })

  test('restore-drill.yml: the newest backup into the spare project, in place of what is there', async () => {
    const done = await run(example('restore-drill.yml'), 'drill')
    expect(ended(done)).toEqual(green)
    expect((await spare.query('select count(*)::int as n from auth.users')).rows[0]?.n).toBe(12)
  })
})
