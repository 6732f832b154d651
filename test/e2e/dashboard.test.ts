import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { generateIdentity, identityToRecipient } from 'age-encryption'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { DashboardData } from '../../src/ui/dashboard/data.ts'
import { dashboardMark } from '../../src/ui/dashboard/render.ts'
import { type ActionRun, runAction, shown } from '../kit/action.ts'
import { startBrowser } from '../kit/browser.ts'
import { commitAs, createRepository, type GitHandler, gitHandler, gitIn, isPush } from '../kit/git/git-server.ts'
import { type Github, startGithub } from '../kit/github/server.ts'
import { day, earlierBackup, seedAmongArtifacts } from '../kit/history.ts'
import { type PostgresServer, startPostgres } from '../kit/postgres/server.ts'

const places = 'artifact,release,repository,folder'

describe('the dashboard through the bundle', () => {
  let server: PostgresServer
  let github: Github
  let git: GitHandler
  let root: string
  let repository: string
  let recipients: string
  const runs: ActionRun[] = []

  const run = async (inputs: Readonly<Record<string, string>>): Promise<ActionRun> => {
    const done = await runAction({
      inputs: { token: github.token, folder: join(root, 'folder'), ...inputs },
      env: github.env
    })
    runs.push(done)
    expect(github.defects).toEqual([])
    return done
  }
  const backup = (inputs: Readonly<Record<string, string>>): Promise<ActionRun> =>
    run({ command: 'backup', 'database-url': server.url(), recipients, verify: 'read', ...inputs })
  const dataOf = (page: string): DashboardData => {
    expect(page.startsWith(dashboardMark)).toBe(true)
    const [, json] = /<script type="application\/json" id="data">([^<]*)<\/script>/.exec(page) ?? []
    return JSON.parse(json ?? '')
  }
  const onBranch = (path: string): string => gitIn(repository, ['show', `backups:${path}`])

  beforeAll(async () => {
    root = await mkdtemp(join(tmpdir(), 'sb-dashboard-'))
    server = await startPostgres({ major: 15, auth: 'scram', password: 'correct horse battery staple' })
    await server.query('create table public.orders_of_the_shop (id int primary key)')
    await server.query('insert into public.orders_of_the_shop select generate_series(1, 250)')
    github = await startGithub({ repository: 'acme/shop', visibility: 'private', artifacts: true })
    repository = createRepository(root, 'acme/shop')
    git = gitHandler({ root, token: github.token })
    github.mount('/acme/shop.git/', git.handle)
    recipients = await identityToRecipient(await generateIdentity())
    github.repository.workflows.push({ id: 1, name: 'Backup', path: '.github/workflows/backup.yml', state: 'active' })
    github.repository.files.set(
      '.github/workflows/backup.yml',
      "on: {schedule: [{cron: '17 3 * * *'}]}\njobs: {a: {steps: [{uses: acme/supabase-backup@v1, with: {project: shop}}]}}\n"
    )
    // A project of other runs: the page shows all that the places hold.
    seedAmongArtifacts(github.state, github.repository, earlierBackup(3 * day, { project: 'blog' }, { rows: 12 }))
  })
  afterAll(async () => {
    for (const done of runs) await done.cleanUp()
    await server?.stop()
    await github?.stop()
    await rm(root, { recursive: true, force: true })
  })

  test('a backup writes all projects of all its places to a path, and nothing of the project inside', async () => {
    const path = join(root, 'site', 'backups.html')
    const done = await backup({ project: 'shop', destinations: places, dashboard: path })
    expect({ code: done.code, error: done.result?.error }).toEqual({ code: 0 })
    expect(done.result?.dashboard).toEqual({ place: `the file ${path}`, url: null })
    expect(await readdir(dirname(path))).toEqual(['backups.html'])
    const page = await readFile(path, 'utf8')
    const data = dataOf(page)
    expect(data.projects.map((project) => project.label)).toEqual(['blog', 'shop'])
    expect(data.backups.map((one) => [one.project, one.copies.length])).toEqual([
      ['shop', 4],
      ['blog', 1]
    ])
    const [newest] = data.backups
    expect(newest).toMatchObject({ id: done.outputs['backup-id'], rows: 250, verified: 'read', status: 'complete' })
    expect(data.places.map((place) => place.name)).toEqual(['artifact', 'release', 'repository', 'folder'])
    const ofShop = data.projects.find((project) => project.label === 'shop')
    expect(ofShop?.nextRuns?.[0]).toMatch(/T03:17:00.000Z$/)
    expect(data.projects.find((project) => project.label === 'blog')?.nextRuns).toBeNull()
    for (const secret of ['orders_of_the_shop', 'battery', github.token, recipients]) expect(page).not.toContain(secret)
  })

  test('that page, opened from disk, shows the project', async () => {
    const browser = await startBrowser()
    try {
      const page = await browser.newPage()
      const complaints: string[] = []
      page.on('console', (message) => complaints.push(message.text()))
      page.on('pageerror', (error) => complaints.push(String(error)))
      await page.goto(pathToFileURL(join(root, 'site', 'backups.html')).href)
      expect(await page.locator('.card h2').allTextContents()).toContain('shop')
      await page.goto(`${page.url()}#backups?project=shop`)
      expect(await page.locator('tbody tr').count()).toBe(1)
      expect(await page.locator('tbody tr').textContent()).toContain('artifact, release, repository, folder')
      expect(complaints).toEqual([])
    } finally {
      await browser.close()
    }
  })

  test('to the branch of the repository: files of others and the backups stay, a race is tried again', async () => {
    commitAs(repository, 'backups', { 'README.md': 'by hand\n', 'site/index.html': '<p>mine' })
    let raced = 0
    git.fault = (request) => {
      if (isPush(request) && raced === 0) {
        raced += 1
        commitAs(repository, 'backups', { 'late.txt': 'pushed in between\n' })
      }
      return undefined
    }
    const done = await run({ command: 'list', destinations: 'repository,folder', dashboard: 'repository' })
    git.fault = undefined
    expect({ code: done.code, error: done.result?.error, raced }).toEqual({ code: 0, raced: 1 })
    expect(done.result?.warnings).toEqual([])
    expect(done.result?.dashboard?.url).toMatch(/\/acme\/shop\/blob\/backups\/dashboard\.html$/)
    expect(dataOf(onBranch('dashboard.html')).projects.map((project) => project.label)).toEqual(['shop'])
    expect(gitIn(repository, ['ls-tree', '--name-only', 'backups']).trim().split('\n')).toEqual([
      'README.md',
      'dashboard.html',
      'late.txt',
      'shop',
      'site'
    ])
    expect(onBranch('README.md')).toBe('by hand\n')
    expect(gitIn(repository, ['log', '-1', '--format=%s', 'backups']).trim()).toBe('Dashboard')
  })

  test('the next backup replaces it, with itself in it; the listing of the branch is not disturbed', async () => {
    const done = await backup({ project: 'wiki', destinations: 'repository', dashboard: 'repository' })
    expect({ code: done.code, error: done.result?.error }).toEqual({ code: 0 })
    const data = dataOf(onBranch('dashboard.html'))
    expect(data.backups.map((one) => one.project)).toEqual(['wiki', 'shop'])
    expect(data.backups[0]?.id).toBe(done.outputs['backup-id'])
    const listed = await run({ command: 'list', destinations: 'repository' })
    expect(JSON.parse(listed.outputs['backups'] ?? '')).toHaveLength(2)
  })

  test('two runs at once: the page that stays holds both backups', async () => {
    const both = await Promise.all(
      ['left', 'right'].map((project) => backup({ project, destinations: 'repository', dashboard: 'repository' }))
    )
    for (const done of both) expect({ code: done.code, error: done.result?.error }).toEqual({ code: 0 })
    const ids = dataOf(onBranch('dashboard.html')).backups.map((one) => one.id)
    for (const done of both) expect(ids).toContain(done.outputs['backup-id'])
  })

  test('as an artifact, which opens by itself', async () => {
    const ids = async () =>
      JSON.parse((await run({ command: 'list', destinations: 'artifact' })).outputs['backups'] ?? '').map(
        (row: { id: string }) => row.id
      )
    const listed = await ids()
    const before = github.repository.artifacts.length
    const done = await run({ command: 'list', project: 'shop', destinations: 'artifact', dashboard: 'artifact' })
    expect({ code: done.code, error: done.result?.error }).toEqual({ code: 0 })
    const added = github.repository.artifacts.slice(before)
    expect(added.map((artifact) => artifact.name)).toEqual([
      expect.stringMatching(/^dashboard-shop-\d{8}T\d{6}Z\.html$/)
    ])
    expect(done.result?.dashboard?.url).toMatch(new RegExp(`/acme/shop/actions/runs/\\d+/artifacts/${added[0]?.id}$`))
    expect(await ids()).toEqual(listed)
  })

  test('a folder gets index.html', async () => {
    const folder = join(root, 'pages')
    await mkdir(folder)
    await writeFile(join(folder, 'other.html'), 'mine')
    const done = await run({ command: 'list', destinations: 'folder', dashboard: folder })
    expect(done.code).toBe(0)
    expect((await readdir(folder)).sort()).toEqual(['index.html', 'other.html'])
  })

  test('what cannot be written is a warning, and the backup is kept', async () => {
    const file = join(root, 'a-file')
    await writeFile(file, '')
    const done = await backup({ project: 'shop', destinations: 'folder', dashboard: join(file, 'page.html') })
    expect({ code: done.code, status: done.outputs['status'] }).toEqual({ code: 0, status: 'complete' })
    expect(done.result?.dashboard).toBeUndefined()
    expect(done.result?.warnings.join()).toContain('SB931: The dashboard could not be written')
    expect(done.log).toMatch(/^::warning/m)
    expect(done.result?.backups.map((row) => row.id)).toContain(done.outputs['backup-id'])
    expect(await readFile(file, 'utf8')).toBe('')
  })

  test('a dashboard.html of somebody else stays', async () => {
    commitAs(repository, 'mine', { 'dashboard.html': '<h1>Sales</h1>' })
    const done = await run({ command: 'list', destinations: 'folder', dashboard: 'repository', branch: 'mine' })
    expect(done.code).toBe(0)
    expect(done.result?.warnings.join()).toContain('SB931')
    expect(gitIn(repository, ['show', 'mine:dashboard.html'])).toBe('<h1>Sales</h1>')
  })

  test('a place that cannot be read is named on the page', async () => {
    const path = join(root, 'narrow.html')
    const done = await backup({
      project: 'shop',
      destinations: 'folder,repository',
      branch: 'backups',
      retries: '0',
      dashboard: path,
      repository: 'acme/gone'
    })
    expect(done.outputs['status']).toBe('partial')
    const data = dataOf(await readFile(path, 'utf8'))
    expect(data.places.map((place) => [place.name, place.error === undefined])).toEqual([
      ['folder', true],
      ['repository', false]
    ])
    expect(shown(done.log)).not.toContain('battery')
  })
})
