// The pictures of docs/images/: a job summary and a dashboard that dist/index.js wrote in a real run, as GitHub and a browser show them. The
// project that is backed up, GitHub and the history before are parts of this machine.
//
//   npm run screenshots [-- --bundle FILE] [-- --out FOLDER]
import { spawnSync } from 'node:child_process'
import { mkdir, mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'
import { parseArgs } from 'node:util'
import { generateIdentity, identityToRecipient } from 'age-encryption'
import { micromark } from 'micromark'
import { gfm, gfmHtml } from 'micromark-extension-gfm'
import type { Browser, Page } from 'playwright-core'
import { makeBackupId } from '../src/archive/backup-id.ts'
import { type Manifest, parseManifest, renderManifest, withDigest } from '../src/archive/manifest.ts'
import { bundlePath, runAction } from '../test/kit/action.ts'
import { startBrowser } from '../test/kit/browser.ts'
import { loadSupabase } from '../test/kit/fixture/load.ts'
import { commitAs, createRepository, gitHandler, gitIn } from '../test/kit/git/git-server.ts'
import { startGithub } from '../test/kit/github/server.ts'
import { startPostgres } from '../test/kit/postgres/server.ts'
import { samplePlaces } from '../test/kit/sample-history.ts'

const { values } = parseArgs({
  options: {
    bundle: { type: 'string', default: bundlePath() },
    out: { type: 'string', default: fileURLToPath(new URL('../docs/images', import.meta.url)) }
  }
})

const day = 24 * 60 * 60 * 1000
const nights = 60

interface Made {
  readonly summary: string
  readonly dashboard: string
}

/** A backup of a project that was backed up every night before, with its summary and the dashboard. */
async function makePages(folder: string): Promise<Made> {
  const server = await startPostgres({ major: 15, auth: 'scram' })
  const github = await startGithub({ repository: 'acme/shop', visibility: 'private' })
  try {
    await loadSupabase(server)
    const root = path.join(folder, 'git')
    await mkdir(root)
    const git = gitHandler({ root, token: github.token })
    for (const name of ['shop', 'first']) {
      github.mount(`/acme/${name}.git/`, git.handle)
      if (name !== 'shop') github.addRepository(`acme/${name}`, { visibility: 'private' })
    }
    const [stored, first] = ['acme/shop', 'acme/first'].map((name) => createRepository(root, name))
    if (stored === undefined || first === undefined) throw new Error('no repository')
    const at = new Date(Date.now() - 5 * 60_000)
    github.repository.workflows.push({ id: 1, name: 'Backup', path: '.github/workflows/backup.yml', state: 'active' })
    github.repository.files.set(
      '.github/workflows/backup.yml',
      `on: {schedule: [{cron: '${at.getUTCMinutes()} ${at.getUTCHours()} * * *'}]}\njobs: {a: {steps: [{uses: acme/supabase-backup@v1}]}}\n`
    )
    const recipients = await identityToRecipient(await generateIdentity())
    const page = path.join(folder, 'dashboard.html')
    const backup = async (more: Readonly<Record<string, string>>) => {
      const done = await runAction({
        bundle: path.resolve(values.bundle),
        inputs: {
          command: 'backup',
          'database-url': server.url('postgres'),
          project: 'shop',
          recipients,
          destinations: 'repository',
          token: github.token,
          'pg-bin': server.binDir,
          ...more
        },
        env: github.env
      })
      await done.cleanUp()
      if (done.code !== 0) throw new Error(`the action ended with ${done.code}:\n${done.log}`)
      return done
    }
    const before = await backup({ repository: 'acme/first' })
    const manifest = parseManifest(
      Buffer.from(gitIn(first, ['show', `backups:shop/${before.outputs['backup-id']}/manifest.json`]))
    )
    if (manifest.kind !== 'ok') throw new Error('the first backup has no manifest')
    commitAs(stored, 'backups', historyBefore(manifest.manifest, new Date()))
    const done = await backup({ dashboard: page })
    return { summary: done.summary, dashboard: await readFile(page, 'utf8') }
  } finally {
    await github.stop()
    await server.stop()
  }
}

/** The files of earlier nights on the branch: of this project as its manifest tells it, a little smaller each, and of three others. */
function historyBefore(manifest: Manifest, now: Date): Record<string, Uint8Array> {
  const files: Record<string, Uint8Array> = {}
  for (let night = 1; night <= nights; night += 1) {
    const at = new Date(now.getTime() - night * day + (night % 4) * 60_000)
    const share = 1 - night * 0.005 - (night % 3) * 0.001
    const id = makeBackupId({ now: () => at, monotonic: () => 0, sleep: () => Promise.resolve() }, (length) =>
      Uint8Array.from({ length }, (_, index) => (night * 7 + index * 11) % 32)
    )
    const scaled = (counts: Readonly<Record<string, number>>) =>
      Object.fromEntries(
        Object.entries(counts).map(([name, value]) => [
          name,
          name === 'rows' || name === 'bytes' || name === 'objects' ? Math.round(value * share) : value
        ])
      )
    files[`shop/${id}/manifest.json`] = renderManifest(
      withDigest({
        ...manifest,
        id,
        createdAt: at.toISOString(),
        durationMs: Math.round(manifest.durationMs * (0.9 + (night % 5) * 0.04)),
        parts: manifest.parts.map((part) => ({ ...part, counts: scaled(part.counts) })),
        files: manifest.files.map((file) => ({ ...file, bytes: Math.round(file.bytes * share) })),
        verification: {
          ...manifest.verification,
          at: new Date(at.getTime() + 60_000).toISOString(),
          durationMs: Math.round((manifest.verification.durationMs ?? 10_000) * (0.85 + (night % 6) * 0.05))
        }
      })
    )
    if (night === 2)
      files[`shop/${id}/verification-20260101T000000Z.json`] = Buffer.from(
        JSON.stringify({
          format: 1,
          id,
          project: 'shop',
          tool: manifest.tool,
          outcome: 'passed',
          openedBy: manifest.encryption.recipients,
          verification: { ...manifest.verification, at: new Date(at.getTime() + day / 2).toISOString() }
        })
      )
  }
  for (const { ref, manifest: other, records } of samplePlaces(now)[0]?.entries ?? []) {
    if (other === null || ref.project === 'shop') continue
    files[`${ref.project}/${ref.id}/manifest.json`] = renderManifest(other)
    records.forEach((record, index) => {
      files[`${ref.project}/${ref.id}/verification-2026010${index + 1}T000000Z.json`] = Buffer.from(
        JSON.stringify(record)
      )
    })
  }
  return files
}

/** The summary as a page, with GitHub's own styles. */
async function summaryPage(markdown: string): Promise<string> {
  const style = await readFile(
    createRequire(import.meta.url).resolve('github-markdown-css/github-markdown.css'),
    'utf8'
  )
  const body = micromark(markdown, { allowDangerousHtml: true, extensions: [gfm()], htmlExtensions: [gfmHtml()] })
  return `<!doctype html><meta charset="utf-8"><title>Summary</title><style>${style}
    body { margin: 0; background: var(--bgColor-default); } .markdown-body { max-width: 920px; padding: 28px 32px; }
    @media (prefers-color-scheme: dark) { body { background: #0d1117; } }</style>
    <body><article class="markdown-body">${body}</article></body>`
}

async function shoot(browser: Browser, folder: string, made: Made): Promise<void> {
  await writeFile(path.join(folder, 'summary.html'), await summaryPage(made.summary))
  const pageOf = (name: string, hash = '') => `${pathToFileURL(path.join(folder, name)).href}${hash}`
  for (const colorScheme of ['light', 'dark'] as const) {
    const shot = async (
      name: string,
      address: string,
      width: number,
      height: number,
      prepare?: (page: Page) => Promise<void>
    ) => {
      const context = await browser.newContext({
        viewport: { width, height },
        colorScheme,
        locale: 'en-GB',
        timezoneId: 'UTC',
        reducedMotion: 'reduce'
      })
      const page = await context.newPage()
      await page.goto(address)
      await prepare?.(page)
      const file = path.join(values.out, `${name}-${colorScheme}.png`)
      await page.screenshot({ path: file, animations: 'disabled' })
      await context.close()
      // 256 colours are plenty for a page, and a third of the bytes.
      spawnSync('pngquant', ['--force', '--strip', '--skip-if-larger', '--output', file, '--', file], {
        stdio: 'ignore'
      })
      console.log(`${path.basename(file)}: ${Math.round((await stat(file)).size / 1000)} kB`)
    }
    const drawn = (page: Page) => page.locator('.plot canvas').nth(3).waitFor()
    await shot('summary', pageOf('summary.html'), 984, 1120)
    await shot('dashboard', pageOf('dashboard.html'), 1200, 860)
    await shot('dashboard-growth', pageOf('dashboard.html', '#growth'), 1200, 860, drawn)
    await shot('dashboard-details', pageOf('dashboard.html', '#backups?project=shop'), 1200, 860, (page) =>
      page.locator('tbody tr button').first().click()
    )
  }
}

const folder = await mkdtemp(path.join(tmpdir(), 'supabase-backup-pictures-'))
try {
  const made = await makePages(folder)
  await mkdir(values.out, { recursive: true })
  const browser = await startBrowser()
  try {
    await shoot(browser, folder, made)
  } finally {
    await browser.close()
  }
} finally {
  await rm(folder, { recursive: true, force: true })
}
