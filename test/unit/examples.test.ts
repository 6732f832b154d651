import { readdirSync, readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { generateIdentity, identityToRecipient } from 'age-encryption'
import { beforeAll, describe, expect, it } from 'vitest'
import { parse } from 'yaml'
import { z } from 'zod'
import { matrixOf } from '../../src/commands/plan.ts'
import { UserError } from '../../src/errors.ts'
import { readInputs } from '../../src/inputs/index.ts'
import { readProjects } from '../../src/inputs/read-projects.ts'
import { fillIn } from '../kit/workflows/expressions.ts'

const root = fileURLToPath(new URL('../../', import.meta.url))
const action = 'OWNER/supabase-backup@v1'

const projectsFile = readFileSync(`${root}examples/projects.yaml`, 'utf8')

const values = z.record(z.string(), z.union([z.string(), z.number(), z.boolean()]))
const permissions = z.record(z.string(), z.enum(['read', 'write', 'none']))
const stepSchema = z.strictObject({
  id: z.string().optional(),
  name: z.string().optional(),
  if: z.string().optional(),
  uses: z.string().optional(),
  run: z.string().optional(),
  with: values.optional(),
  env: values.optional()
})
const jobSchema = z.looseObject({
  'timeout-minutes': z.number().min(1).max(360),
  permissions,
  env: values.optional(),
  steps: z.array(stepSchema).min(1)
})
const workflowSchema = z.looseObject({
  name: z.string(),
  on: z.record(z.string(), z.unknown()),
  permissions,
  env: values.optional(),
  concurrency: z.strictObject({
    group: z.string(),
    'cancel-in-progress': z.boolean(),
    queue: z.string()
  }),
  jobs: z.record(z.string(), jobSchema)
})
type Step = z.infer<typeof stepSchema>

const actionSchema = z.looseObject({
  inputs: z.record(z.string(), z.looseObject({})),
  outputs: z.record(z.string(), z.looseObject({}))
})
const definition = actionSchema.parse(parse(readFileSync(`${root}action.yml`, 'utf8')))

/** The choices of by-hand.yml. */
const formCommands = ['backup', 'list', 'check', 'verify', 'restore', 'download', 'prune', 'delete'] as const

/** What one step needs of the job's token: the tables of README.md as code. */
function neededBy(step: Step): Record<string, 'read' | 'write'> {
  if (step.uses?.startsWith('actions/checkout@')) return { contents: 'read' }
  if (step.uses !== action) return {}
  const inputs = step.with ?? {}
  // A form may start any of its choices.
  if (String(inputs.command).includes('inputs.command'))
    return neededByAll(formCommands.map((command) => ({ ...step, with: { ...inputs, command } })))
  const command = String(inputs.command ?? 'backup')
  const needed: Record<string, 'read' | 'write'> = {}
  // It reads one file of the workspace, and no destination.
  if (command === 'plan') return needed
  // Writes there: backups, verification records, safety copies of a target, records of what was restored.
  const writes =
    ['backup', 'verify', 'prune', 'delete'].includes(command) ||
    (command === 'restore' && (inputs['safety-backup'] !== false || inputs['dry-run'] !== true))
  const ownToken = inputs.token === undefined
  for (const destination of String(inputs.destinations ?? 'artifact').split(',')) {
    if (['release', 'repository'].includes(destination) && ownToken) needed.contents = writes ? 'write' : 'read'
    if (destination === 'artifact') needed.actions = ['prune', 'delete'].includes(command) ? 'write' : 'read'
  }
  if (command === 'check') needed.actions = 'read'
  if (inputs['notify-issue'] === true) needed.issues = 'write'
  return needed
}

function neededByAll(steps: readonly Step[]): Record<string, 'read' | 'write'> {
  const all: Record<string, 'read' | 'write'> = {}
  for (const step of steps) {
    for (const [scope, level] of Object.entries(neededBy(step))) {
      if (all[scope] !== 'write') all[scope] = level
    }
  }
  return all
}

const project = 'abcdefghijklmnopqrst'
const connection = `postgresql://postgres.${project}:secret@aws-0-eu-central-1.pooler.supabase.com:5432/postgres`
const form = {
  command: 'backup',
  verify: 'auto',
  'restore-mode': 'empty',
  acknowledge: '',
  confirm: '',
  what: 'whole project into an empty one',
  backup: 'latest',
  when: '',
  tables: '',
  'confirm-target': project,
  'dry-run': true
}
let keys = { identity: '', recipient: '' }

beforeAll(async () => {
  const identity = await generateIdentity()
  keys = { identity, recipient: await identityToRecipient(identity) }
})

/** What a person puts in where an example has an expression; `inputs` are those of a manual run. */
function filledIn(text: string, inputs: object): string {
  return fillIn(text, {
    secrets: {
      SUPABASE_DB_URL: connection,
      TARGET_DB_URL: connection,
      DRILL_DB_URL: connection,
      SHOP_DB_URL: connection,
      DATABASE_URL: 'postgresql://backup:secret@db.example:5432/shop',
      SUPABASE_SECRET_KEY: `sb_secret_${'a'.repeat(22)}_${'b'.repeat(8)}`,
      SUPABASE_ACCESS_TOKEN: `sbp_${'0'.repeat(40)}`,
      TARGET_SECRET_KEY: `sb_secret_${'c'.repeat(22)}_${'d'.repeat(8)}`,
      TARGET_ACCESS_TOKEN: `sbp_${'1'.repeat(40)}`,
      BACKUP_RECIPIENTS: keys.recipient,
      BACKUP_IDENTITY: keys.identity,
      BACKUP_TOKEN: 'github_pat_of_a_test',
      S3_ACCESS_KEY_ID: 'AKIAOFATEST000000000',
      S3_SECRET_ACCESS_KEY: 'the-secret-of-a-test'
    },
    vars: {
      BACKUP_REPOSITORY: 'acme/vault',
      DRILL_PROJECT_REF: project,
      BACKUP_BUCKET: 'acme-backups',
      SUPABASE_PROJECT_REF: project
    },
    matrix: matrixOf(readProjects(projectsFile, 'projects.yaml')).include[0] ?? {},
    inputs
  })
}

/** The inputs of a step as the action reads them. */
function inputsOf(step: Step, inputs: object = form) {
  return readInputs((name) => {
    const value = step.with?.[name] ?? (name === 'token' ? 'ghs_of_the_job' : '')
    return filledIn(String(value), inputs)
  })
}

const files = readdirSync(`${root}examples`).filter((name) => name.endsWith('.yml'))

it('knows every example', () => {
  expect(files.sort()).toEqual([
    'artifact-only.yml',
    'before-a-migration.yml',
    'by-hand.yml',
    'check-freshness.yml',
    'hourly.yml',
    'many-databases.yml',
    'nightly-to-private-repository.yml',
    'nightly-to-releases.yml',
    'restore-drill.yml',
    'restore.yml',
    's3-locked.yml',
    'self-hosted.yml',
    'team.yml',
    'verify-weekly.yml'
  ])
})

describe.each(files)('%s', (file) => {
  const text = readFileSync(`${root}examples/${file}`, 'utf8')
  const workflow = workflowSchema.parse(parse(text))
  const jobs = Object.values(workflow.jobs)
  const steps = jobs.flatMap((job) => job.steps)
  const ours = steps.filter((step) => step.uses === action)

  it('uses the action with inputs that exist', () => {
    expect(ours.length).toBeGreaterThan(0)
    for (const step of ours) {
      const unknown = Object.keys(step.with ?? {}).filter((name) => !(name in definition.inputs))
      expect(unknown).toEqual([])
    }
  })

  it('gives inputs that the action accepts, without a warning', () => {
    for (const step of ours) expect(inputsOf(step).warnings).toEqual([])
  })

  it('reads only outputs that exist', () => {
    const ids = steps.filter((step) => step.uses === action && step.id !== undefined).map((step) => step.id)
    for (const [, id, output] of text.matchAll(/steps\.([\w-]+)\.outputs\.([\w-]+)/g)) {
      expect(ids).toContain(id)
      expect(Object.keys(definition.outputs)).toContain(output)
    }
  })

  it('pins every other action by a full commit SHA', () => {
    for (const step of steps) {
      if (step.uses !== undefined && step.uses !== action) expect(step.uses).toMatch(/^[\w.-]+\/[\w./-]+@[0-9a-f]{40}$/)
    }
  })

  it('T18: gives no permission to all jobs, and to each job exactly what its steps need', () => {
    expect(workflow.permissions).toEqual({})
    for (const job of jobs) expect(job.permissions).toEqual(neededByAll(job.steps))
  })

  it('F75: waits for the run before it, and loses none that waits', () => {
    expect(workflow.concurrency['cancel-in-progress']).toBe(false)
    expect(workflow.concurrency.queue).toBe('max')
    expect(workflow.concurrency.group).not.toContain('github.run_id')
  })

  it('is not scheduled on the full hour', () => {
    const schedule = z.array(z.strictObject({ cron: z.string() })).parse(workflow.on.schedule ?? [])
    for (const { cron } of schedule) expect(cron).toMatch(/^([1-9]|[1-5]\d) /)
  })

  it('T16: is never started by a pull request', () => {
    for (const event of Object.keys(workflow.on)) {
      expect(['schedule', 'workflow_dispatch', 'push']).toContain(event)
    }
  })

  it('puts nothing of inputs, events or secrets into the text of a script', () => {
    for (const step of steps) expect(step.run ?? '').not.toContain('${{')
  })

  it('hands secrets to single steps only', () => {
    expect(JSON.stringify(workflow.env ?? {})).not.toContain('secrets')
    for (const job of jobs) expect(JSON.stringify(job.env ?? {})).not.toContain('secrets')
    for (const step of steps) {
      expect(step.if ?? '').not.toContain('secrets')
      if (step.uses === action) expect(step.env).toBeUndefined()
    }
  })

  it('takes every credential of the action from a secret', () => {
    const credentials =
      /^(database-url|.*-database-url|service-role-key|target-service-role-key|.*access-token|token|identity|passphrase|smtp-url)$/
    for (const step of ours) {
      for (const [name, value] of Object.entries(step.with ?? {})) {
        // The password of a container that lives as long as the job, on its own machine alone.
        if (name === 'verify-database-url' && /^postgresql:\/\/postgres:thrown-away@127\.0\.0\.1:/.test(String(value)))
          continue
        if (credentials.test(name))
          expect(String(value)).toMatch(
            /^\$\{\{ secrets(\.[A-Z_]+( \|\| secrets\.[A-Z_]+)?|\[matrix\.secrets\.[a-z-]+\]) \}\}$/
          )
      }
    }
  })

  it('never leaves a backup unencrypted', () => {
    for (const step of ours) {
      if ((step.with?.command ?? 'backup') === 'backup') {
        expect(step.with?.recipients).toBe('${{ secrets.BACKUP_RECIPIENTS }}')
      }
      expect(step.with?.plaintext).toBeUndefined()
    }
  })
})

describe('many-databases.yml', () => {
  const text = readFileSync(`${root}examples/many-databases.yml`, 'utf8')

  it('hands on every input and secret that its projects file sets', () => {
    for (const { project: _, priority: _priority, secrets, ...inputs } of matrixOf(
      readProjects(projectsFile, 'projects.yaml')
    ).include) {
      for (const name of Object.keys(inputs)) expect(text).toContain(`${name}: \${{ matrix.${name} }}`)
      for (const name of Object.keys(Object(secrets)))
        expect(text).toContain(`${name}: \${{ secrets[matrix.secrets.${name}] }}`)
    }
  })
})

describe('the form of restore.yml', () => {
  const text = readFileSync(`${root}examples/restore.yml`, 'utf8')
  const field = z.looseObject({ default: z.unknown().optional(), options: z.array(z.string()).optional() })
  const fields = z
    .looseObject({ on: z.object({ workflow_dispatch: z.object({ inputs: z.record(z.string(), field) }) }) })
    .parse(parse(text)).on.workflow_dispatch.inputs
  const workflow = workflowSchema.parse(parse(text))
  const stepOf = (job: string): Step =>
    workflow.jobs[job]?.steps.find((one) => one.uses === action) ?? expect.fail(`${job} has no step of the action`)

  it('changes nothing unless somebody types the target', () => {
    expect(fields['confirm-target']).toMatchObject({ type: 'string', default: '' })
    expect(stepOf('plan').with).toMatchObject({ 'dry-run': true, 'safety-backup': false })
    expect(stepOf('plan').with).not.toHaveProperty('confirm-target')
    expect(workflow.jobs['restore']).toMatchObject({
      needs: 'plan',
      environment: 'restore',
      if: "inputs.confirm-target != '' && inputs.what != 'show me what is missing'"
    })
  })

  it('begins with what is missing, in the whole database, from the newest good backup', () => {
    const first = Object.fromEntries(Object.entries(fields).map(([name, one]) => [name, one.default]))
    expect(fields.what?.options?.[0]).toBe(first['what'])
    const inputs = inputsOf(stepOf('plan'), first)
    expect(inputs).toMatchObject({ command: 'restore', dryRun: true, mode: 'missing-rows' })
  })

  it('plans what it does: both jobs give the same inputs but for the target and the plan', () => {
    const shared = ({
      'dry-run': _,
      'safety-backup': _safety,
      'confirm-target': _target,
      ...rest
    }: Step['with'] & object) => rest
    expect(shared(stepOf('plan').with ?? {})).toEqual(shared(stepOf('restore').with ?? {}))
  })

  it('describes every field', () => {
    for (const one of Object.values(fields)) expect(one.description).toEqual(expect.any(String))
  })

  it('does for each choice what the choice says', () => {
    const modes = (fields.what?.options ?? []).map((what) => {
      const tables = what.startsWith('one table') ? 'public.orders' : ''
      const inputs = inputsOf(stepOf('restore'), { ...form, what, tables })
      if (inputs.command !== 'restore') throw new Error(`the command is ${inputs.command}`)
      expect(inputs).toMatchObject({ dryRun: false, safetyBackup: true, confirmTarget: project })
      expect(inputs.selection.tables).toHaveLength(tables === '' ? 0 : 1)
      return [what, inputs.mode, inputs.include.sources.join()]
    })
    expect(modes).toEqual([
      ['show me what is missing', 'missing-rows', 'database'],
      ['only the rows that are missing', 'missing-rows', 'database'],
      ['one table or a few, beside the live ones', 'side-schema', 'database'],
      ['one table or a few, in place of the live ones', 'replace', 'database'],
      ['whole project into an empty one', 'empty', 'database,storage,functions,config'],
      ['whole project in place of what is there', 'replace', 'database,storage,functions,config'],
      ['Storage files that are missing or changed', 'replace', 'storage'],
      ['undo a restore', 'replace', 'database']
    ])
  })
})

describe('the form of by-hand.yml', () => {
  const text = readFileSync(`${root}examples/by-hand.yml`, 'utf8')
  const field = z.looseObject({
    description: z.string(),
    default: z.union([z.string(), z.boolean()]),
    options: z.array(z.string()).optional()
  })
  const fields = z
    .looseObject({ on: z.object({ workflow_dispatch: z.object({ inputs: z.record(z.string(), field) }) }) })
    .parse(parse(text)).on.workflow_dispatch.inputs
  const defaults = Object.fromEntries(Object.entries(fields).map(([name, one]) => [name, one.default]))
  const step = Object.values(workflowSchema.parse(parse(text)).jobs)
    .flatMap((job) => job.steps)
    .find((one) => one.uses === action)
  const read = (inputs: object) => inputsOf(step ?? {}, { ...defaults, ...inputs })
  const refusal = (inputs: object): string => {
    try {
      read(inputs)
    } catch (thrown) {
      if (thrown instanceof UserError) return `${thrown.code}: ${thrown.message}`
      throw thrown
    }
    return expect.fail('nothing was refused')
  }

  it('offers the commands that a person starts, and a field of its own for what they need', () => {
    expect(fields['command']?.options).toEqual(formCommands)
    expect(Object.keys(fields).length).toBeLessThanOrEqual(10)
    expect(fields['dry-run']?.default).toBe(true)
  })

  it.each(formCommands)('%s runs with the defaults of the form', (command) => {
    const inputs = read({ command })
    expect(inputs.command).toBe(command)
    expect(inputs.warnings).toEqual([])
    if ('dryRun' in inputs) expect(inputs.dryRun).toBe(true)
    if (inputs.command === 'backup') expect(inputs.keep).toBeUndefined()
  })

  it.each(formCommands)('%s runs with every field filled in for another command', (command) => {
    const filled = {
      command,
      tables: 'public.orders',
      confirm: command === 'delete' ? '20261122T161908Z-k2m7q5xa' : project,
      'restore-mode': 'side-schema',
      verify: 'read',
      acknowledge: '20261122T161908Z-k2m7q5xa'
    }
    expect(read(filled).command).toBe(command)
  })

  it('says in one sentence what is missing', () => {
    expect(refusal({ command: 'restore', 'dry-run': false })).toMatch(/^SB003: Input `confirm-target` is missing/)
    expect(refusal({ command: 'delete', 'dry-run': false })).toMatch(/^SB003: Input `confirm-target` is missing/)
    expect(refusal({ command: 'restore', backup: 'yesterday' })).toMatch(/^SB001: .*`backup`/)
  })
})
