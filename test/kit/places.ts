import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { connectGithub } from '../../src/clients/github/index.ts'
import type { Destination } from '../../src/destinations/destination.ts'
import { folderDestination } from '../../src/destinations/folder/index.ts'
import { openReleaseDestination } from '../../src/destinations/release/index.ts'
import { repositoryDestination } from '../../src/destinations/repository/index.ts'
import { testContext } from '../contract/destination-suite.ts'
import { type ActionRun, runAction } from './action.ts'
import { createRepository, type GitHandler, gitHandler } from './git/git-server.ts'
import { type Github, startGithub } from './github/server.ts'
import { type SeededBackup, seedAmongArtifacts, seedBackup } from './history.ts'

export const places = ['artifact', 'release', 'repository', 'folder'] as const
export type Place = (typeof places)[number]

/** All four destinations for runs of the bundle, with servers of their own. */
export interface Places {
  readonly github: Github
  readonly git: GitHandler
  readonly root: string
  /** Where the backups of `folder` lie. */
  folder(): string
  branch(): string
  /** Runs the bundle against them, without retries. */
  run(inputs: Readonly<Record<string, string>>): Promise<ActionRun>
  /** Ids that `command: list` shows of one place. */
  listed(place: Place): Promise<string[]>
  /** Puts backups there as earlier runs would have left them. */
  seed(backups: readonly SeededBackup[], into?: readonly Place[]): Promise<void>
  /** Empties all of them and takes faults away. */
  reset(): void
  stop(): Promise<void>
}

export async function startPlaces(): Promise<Places> {
  const root = await mkdtemp(join(tmpdir(), 'sb-places-'))
  const github = await startGithub({ repository: 'acme/shop', visibility: 'private', artifacts: true })
  createRepository(root, 'acme/shop')
  const git = gitHandler({ root, token: github.token })
  github.mount('/acme/shop.git/', git.handle)
  const runs: ActionRun[] = []
  let number = 0
  const folder = () => join(root, `folder-${number}`)
  const branch = () => `backups-${number}`

  async function run(inputs: Readonly<Record<string, string>>): Promise<ActionRun> {
    const done = await runAction({
      inputs: { token: github.token, folder: folder(), branch: branch(), retries: '0', ...inputs },
      env: github.env
    })
    runs.push(done)
    if (github.defects.length > 0) throw new Error(`calls against the documentation: ${github.defects.join('; ')}`)
    return done
  }

  async function open(place: Exclude<Place, 'artifact'>): Promise<Destination> {
    const context = await testContext(root)
    switch (place) {
      case 'release':
        return openReleaseDestination({
          github: connectGithub({
            apiUrl: github.env['GITHUB_API_URL'] ?? '',
            token: github.token,
            retries: 0,
            context
          }),
          repository: 'acme/shop',
          context
        })
      case 'repository':
        return repositoryDestination(
          {
            serverUrl: github.env['GITHUB_SERVER_URL'] ?? '',
            repository: 'acme/shop',
            branch: branch(),
            token: github.token,
            retries: 0,
            visibility: () => Promise.resolve('private')
          },
          context
        )
      case 'folder':
        return folderDestination({ path: folder() }, context)
    }
  }

  return {
    github,
    git,
    root,
    folder,
    branch,
    run,
    async listed(place) {
      const rows: { id: string }[] = JSON.parse(
        (await run({ command: 'list', destinations: place })).outputs['backups'] ?? '[]'
      )
      return rows.map((row) => row.id)
    },
    async seed(backups, into = places) {
      for (const place of into) {
        if (place === 'artifact') {
          for (const backup of backups) seedAmongArtifacts(github.state, github.repository, backup)
          continue
        }
        const driver = await open(place)
        for (const backup of backups) await seedBackup(driver, backup)
        await driver.close()
      }
    },
    reset() {
      number += 1
      github.repository.artifacts.length = 0
      github.repository.releases.length = 0
      github.repository.tags.clear()
      github.clearFaults()
      git.fault = undefined
    },
    async stop() {
      for (const done of runs) await done.cleanUp()
      await github.stop()
      await rm(root, { recursive: true, force: true })
    }
  }
}
