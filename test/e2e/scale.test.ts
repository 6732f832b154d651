import { execFileSync } from 'node:child_process'
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { githubArtifacts } from '../../src/clients/github/artifacts.ts'
import { connectGithub } from '../../src/clients/github/index.ts'
import { renderIndex } from '../../src/destinations/artifact/remembered-index.ts'
import { renderReleaseBody } from '../../src/destinations/release/body.ts'
import { testContext } from '../contract/destination-suite.ts'
import { runAction } from '../kit/action.ts'
import { createRepository, gitHandler } from '../kit/git/git-server.ts'
import { type Github, startGithub } from '../kit/github/server.ts'
import { seedArtifact } from '../kit/github/state.ts'
import { day, earlierBackup, type SeededBackup, seedAmongArtifacts } from '../kit/history.ts'

describe('F74: a thousand backups', () => {
  let github: Github
  let root: string
  let gitRequests: readonly unknown[]
  const backups = Array.from({ length: 1000 }, (_, index) => earlierBackup((index + 2) * day))

  beforeAll(async () => {
    root = await mkdtemp(join(tmpdir(), 'sb-scale-'))
    github = await startGithub({ repository: 'acme/shop', visibility: 'private', artifacts: true })
    const git = gitHandler({ root, token: github.token })
    gitRequests = git.requests
    github.mount('/acme/shop.git/', git.handle)
    createRepository(root, 'acme/shop')
    await seedEverywhere()
  })
  afterAll(async () => {
    await github.stop()
    await rm(root, { recursive: true, force: true })
  })

  async function seedEverywhere(): Promise<void> {
    for (const backup of backups.toReversed()) {
      seedAmongArtifacts(github.state, github.repository, backup)
      for (const file of ['contents.json.zst.age', 'roles.sql.zst.age', 'RESTORE.md', 'functions.tar.zst.age'])
        seedArtifact(github.state, github.repository, {
          name: `shop.${backup.ref.id}.${file}`,
          content: file,
          createdAt: backup.createdAt,
          expiresAt: new Date(Date.now() + 400 * day)
        })
    }
    for (const backup of backups) {
      github.repository.releases.push(releaseOf(backup))
      const folder = join(root, 'folder', 'shop', backup.ref.id)
      await mkdir(folder, { recursive: true })
      await writeFile(join(folder, 'database.dump'), backup.file)
      await writeFile(join(folder, 'manifest.json'), backup.manifest)
    }
    // What the last run saw.
    const seen = await githubArtifacts(
      connectGithub({
        apiUrl: github.env['GITHUB_API_URL'] ?? '',
        token: github.token,
        retries: 0,
        context: await testContext(root)
      }),
      'acme/shop'
    ).list()
    expect(seen).toHaveLength(6000)
    seedArtifact(github.state, github.repository, {
      name: 'shop.manifests.7-0a1b2c3d',
      content: await renderIndex({
        files: backups.map((backup) => backup.manifest),
        snapshot: { at: new Date(), artifacts: seen }
      }),
      expiresAt: new Date(Date.now() + 90 * day)
    })
    const commit = [
      'commit refs/heads/backups',
      'committer Backup <backup@localhost> 1700000000 +0000',
      'data 5',
      'made',
      ''
    ]
    const files = backups.flatMap(({ ref, manifest, file }) =>
      [['manifest.json', manifest] as const, ['database.dump', file] as const].map(
        ([name, content]) =>
          `M 100644 inline shop/${ref.id}/${name}\ndata ${content.length}\n${Buffer.from(content).toString()}\n`
      )
    )
    execFileSync('git', ['fast-import', '--quiet'], {
      cwd: join(root, 'acme/shop.git'),
      input: `${commit.join('\n')}${files.join('')}`
    })
  }

  function releaseOf(backup: SeededBackup): Github['repository']['releases'][number] {
    const { ref, createdAt } = backup
    const asset = (name: string, content: Uint8Array) => ({
      id: github.state.nextId(),
      name,
      state: 'uploaded' as const,
      content: Buffer.from(content),
      createdAt
    })
    return {
      id: github.state.nextId(),
      tag: `backup-${ref.project}-${ref.id}`,
      name: `Backup ${ref.id}`,
      body: renderReleaseBody(ref, new Map([['manifest.json', backup.manifest]])),
      draft: false,
      prerelease: false,
      makeLatest: 'false',
      target: 'main',
      immutable: false,
      madeAt: createdAt,
      publishedAt: createdAt,
      assets: [asset('database.dump', backup.file), asset('manifest.json', backup.manifest)]
    }
  }

  test.each(['artifact', 'release', 'repository', 'folder'])(
    '%s: listed and planned in less than 60 requests',
    async (destination) => {
      github.forgetCalls()
      const before = gitRequests.length
      const run = await runAction({
        inputs: {
          command: 'prune',
          'dry-run': 'true',
          'keep-daily': '30',
          'keep-yearly': '5',
          destinations: destination,
          folder: join(root, 'folder'),
          token: github.token
        },
        env: github.env
      })
      expect({ code: run.code, error: run.result?.error }).toEqual({ code: 0 })
      expect(run.result?.retention).toHaveLength(1000)
      expect(run.result?.backups[0]?.id).toBe(backups[0]?.ref.id)
      expect(run.result?.retention?.filter((one) => one.keep).length).toBeLessThan(36)
      expect(github.calls.length + gitRequests.length - before).toBeLessThan(60)
      expect(Buffer.byteLength(run.summary)).toBeLessThan(900_000)
      await run.cleanUp()
    }
  )
})
