import { readdirSync, readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { describe, expect, test } from 'vitest'
import { parse } from 'yaml'
import { z } from 'zod'
import { lockfileProblems, mostRuntimePackages } from '../../scripts/lockfile-problems.ts'

const root = fileURLToPath(new URL('../../', import.meta.url))
const folder = `${root}.github/workflows/`
const read = (path: string): string => readFileSync(path, 'utf8')

const permissions = z.record(z.string(), z.enum(['read', 'write', 'none']))
const stepSchema = z.looseObject({
  name: z.string().optional(),
  uses: z.string().optional(),
  run: z.string().optional(),
  with: z.record(z.string(), z.unknown()).optional(),
  env: z.record(z.string(), z.unknown()).optional()
})
const jobSchema = z.looseObject({
  'runs-on': z.string(),
  'timeout-minutes': z.number().min(1).max(360),
  permissions,
  container: z.union([z.string(), z.looseObject({ image: z.string() })]).optional(),
  env: z.record(z.string(), z.unknown()).optional(),
  steps: z.array(stepSchema).min(1)
})
const workflowSchema = z.looseObject({
  on: z.record(z.string(), z.unknown()),
  permissions: z.strictObject({}),
  concurrency: z.looseObject({ group: z.string() }),
  env: z.record(z.string(), z.unknown()).optional(),
  jobs: z.record(z.string(), jobSchema)
})

/** Rights to write that a job may have, with the reason in a comment beside each. Any other one is a change of what is trusted. */
const writers: Readonly<Record<string, readonly string[]>> = {
  'codeql.yml/analyze': ['security-events'],
  'scorecard.yml/scorecard': ['security-events', 'id-token'],
  'release.yml/publish': ['contents', 'id-token', 'attestations']
}

describe.each(readdirSync(folder))('T17: the workflow %s', (file) => {
  const text = read(folder + file)
  const workflow = workflowSchema.parse(parse(text))
  const jobs = Object.entries(workflow.jobs)
  const steps = jobs.flatMap(([, job]) => job.steps)

  test('gives no right to all jobs, and to each only what is known here', () => {
    for (const [name, job] of jobs) {
      const written = Object.entries(job.permissions).filter(([, level]) => level === 'write')
      expect(written.map(([right]) => right)).toEqual(writers[`${file}/${name}`] ?? [])
    }
    // Each right beyond reading the repository says what it is for.
    for (const [line] of text.matchAll(/^ {6}[a-z-]+: (?:read|write)\b.*$/gm))
      if (!/^ {6}contents: read$/.test(line)) expect(line).toMatch(/: (?:read|write) # \S/)
  })

  test('pins every action by a full commit, with its version beside it, and every image by its digest', () => {
    for (const [line, uses] of text.matchAll(/^\s*(?:- )?uses: (.*)$/gm))
      expect(uses, line).toMatch(/^[\w.-]+\/[\w./-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+$/)
    for (const [, job] of jobs) {
      const image = typeof job.container === 'string' ? job.container : job.container?.image
      if (image !== undefined) expect(image).toMatch(/@sha256:[0-9a-f]{64}$/)
    }
  })

  test('leaves no token in the checkout, and takes none from a secret of its own', () => {
    for (const step of steps.filter(({ uses }) => uses?.startsWith('actions/checkout@')))
      expect(step.with?.['persist-credentials']).toBe(false)
    // Neither one by one nor all together (`secrets: inherit`, `toJSON(secrets)`).
    expect(JSON.stringify(workflow)).not.toMatch(/\bsecrets\b/)
    const everywhere = [workflow.env ?? {}, ...jobs.map(([, job]) => job.env ?? {})]
    for (const env of everywhere) expect(JSON.stringify(env)).not.toMatch(/token/i)
  })

  test('is started by nothing that a stranger writes with the rights of the repository', () => {
    for (const event of [
      'pull_request_target',
      'workflow_run',
      'issue_comment',
      'issues',
      'discussion',
      'repository_dispatch'
    ])
      expect(Object.keys(workflow.on)).not.toContain(event)
    expect(text).not.toContain('self-hosted')
    // Who started a run is no proof of anything: a name can be had, and a later push counts as somebody else's.
    expect(text).not.toMatch(/github\.(?:actor|triggering_actor|head_ref)|\.(?:title|body|label|message|email|login)\b/)
  })

  test('puts no expression into the text of a script, and writes no environment for later steps', () => {
    for (const { run, with: given } of steps) {
      expect(run ?? '').not.toContain('${{')
      expect(String(given?.['script'] ?? '')).not.toContain('${{')
      expect(run ?? '').not.toMatch(/GITHUB_ENV|GITHUB_PATH|ACTIONS_ALLOW_UNSECURE/)
      // Packages come by the lockfile alone, and none of their scripts run.
      for (const [call] of (run ?? '').matchAll(/\bnpm (?:ci|i|install)\b[^\n]*/g))
        expect(call).toContain('npm ci --ignore-scripts')
      expect(run ?? '').not.toMatch(/curl|wget|npx /)
    }
  })
})

describe('T17: a release', () => {
  const workflow = workflowSchema.parse(parse(read(`${folder}release.yml`)))
  const stepsOf = (job: string) => workflow.jobs[job]?.steps ?? []

  test('is published only after its bundle was built from nothing, compared, and its origin attested', () => {
    const check = stepsOf('check')
      .map(({ run }) => run ?? '')
      .join('\n')
    expect(check).toContain('rm -rf dist')
    expect(check).toContain('git diff --exit-code')
    expect(check).toContain('merge-base --is-ancestor')
    expect(workflow.jobs['publish']).toMatchObject({ needs: 'check', environment: 'release' })
    const publish = stepsOf('publish')
    const attest = publish.findIndex(({ uses }) => uses?.startsWith('actions/attest-build-provenance@'))
    expect(attest).toBeGreaterThan(-1)
    expect(publish[attest]?.with?.['subject-path']).toContain('dist/*')
    expect(publish.findIndex(({ run }) => run?.includes('gh release create'))).toBeGreaterThan(attest)
  })

  test('takes nothing from a cache, nor does the comparison that everybody relies on', () => {
    for (const file of ['release.yml', 'check-dist.yml']) {
      const built = workflowSchema.parse(parse(read(folder + file)))
      const nodes = Object.values(built.jobs)
        .flatMap(({ steps }) => steps)
        .filter(({ uses }) => uses?.startsWith('actions/setup-node@'))
      expect(nodes).toHaveLength(1)
      for (const { with: given } of nodes) {
        expect(given?.['package-manager-cache']).toBe(false)
        expect(given).not.toHaveProperty('cache')
      }
      expect(JSON.stringify(built)).not.toContain('actions/cache')
    }
  })

  test('carries its attestation as a file, so that it can be checked without asking GitHub', () => {
    const publish = stepsOf('publish').find(({ run }) => run?.includes('gh release create'))
    expect(publish?.env?.['ATTESTATION']).toBe('${{ steps.attest.outputs.bundle-path }}')
    expect(publish?.run).toMatch(/gh release create .*\\\n.*supabase-backup\.intoto\.jsonl/)
  })
})

test('T17: updates of packages and actions wait a week, so that a stolen release is found before it comes in', () => {
  const { updates } = z
    .looseObject({ updates: z.array(z.looseObject({ cooldown: z.looseObject({ 'default-days': z.number() }) })) })
    .parse(parse(read(`${root}.github/dependabot.yml`)))
  expect(updates.length).toBeGreaterThan(0)
  for (const { cooldown } of updates) expect(cooldown['default-days']).toBeGreaterThanOrEqual(7)
})

describe('T17: the packages', () => {
  const lock = (): Record<string, unknown> => JSON.parse(read(`${root}package-lock.json`))
  const manifest = (): Record<string, unknown> => JSON.parse(read(`${root}package.json`))
  const packages = z.looseObject({ packages: z.record(z.string(), z.looseObject({})) })

  test('are few, exact, with a digest, without an address, and run nothing when they are installed', () => {
    expect(lockfileProblems(lock(), manifest())).toEqual([])
    expect(mostRuntimePackages).toBe(15)
  })

  test('each of these is noticed when it is not so', () => {
    const changed = (entry: Readonly<Record<string, unknown>>) => {
      const value = packages.parse(lock())
      Object.assign(value.packages['node_modules/pg'] ?? {}, entry)
      return lockfileProblems(value, manifest())
    }
    expect(changed({ resolved: 'https://example.com/pg.tgz' })).toEqual([expect.stringContaining('names an address')])
    expect(changed({ integrity: undefined })).toEqual([expect.stringContaining('has no digest')])
    expect(changed({ hasInstallScript: true })).toEqual([expect.stringContaining('install script')])
    const loose = z.looseObject({ dependencies: z.record(z.string(), z.string()) }).parse(manifest())
    loose.dependencies['pg'] = '^8.0.0'
    expect(lockfileProblems(lock(), loose)).toEqual(['pg: ^8.0.0 is no exact version'])
    for (const name of ['a', 'b', 'c', 'd']) loose.dependencies[name] = '1.0.0'
    expect(lockfileProblems(lock(), loose)).toContainEqual(expect.stringContaining('at most 15'))
  })
})
