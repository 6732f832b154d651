import { createHash } from 'node:crypto'
import { existsSync } from 'node:fs'
import { readdir, readFile, rm, utimes } from 'node:fs/promises'
import { join } from 'node:path'
import { Readable } from 'node:stream'
import { connectArtifactService } from '../../src/clients/github/artifact-service.ts'
import { connectGithub } from '../../src/clients/github/index.ts'
import { openArtifactDestination } from '../../src/destinations/artifact/index.ts'
import type { Body, Destination, DestinationName } from '../../src/destinations/destination.ts'
import { folderDestination } from '../../src/destinations/folder/index.ts'
import { isJournalName } from '../../src/destinations/names.ts'
import { openReleaseDestination } from '../../src/destinations/release/index.ts'
import { parseJournalTag } from '../../src/destinations/release/tags.ts'
import { repositoryDestination } from '../../src/destinations/repository/index.ts'
import { manifestBytes, testContext } from '../contract/destination-suite.ts'
import { type CrashedRun, type CrashRunOptions, crashAtCall, crashAtFile } from '../kit/crash/crash-run.ts'
import { createRepository, gitHandler, gitIn } from '../kit/git/git-server.ts'
import { type Github, startGithub } from '../kit/github/server.ts'
import { type SeededBackup, seedAmongArtifacts, seedBackup } from '../kit/history.ts'

/** A place in which runs are ended, and what lies there, read without the code that is tested. */
export interface CrashPlace {
  readonly name: DestinationName
  readonly inputs: Readonly<Record<string, string>>
  readonly env: Readonly<Record<string, string>>
  /** Runs the action and counts, or ends it. */
  run(options: Omit<CrashRunOptions, 'env'>): Promise<CrashedRun>
  /** A driver on this place, as a stranger to all runs so far has it. */
  open(): Promise<Destination>
  seed(backups: readonly SeededBackup[]): Promise<void>
  /** Puts a pack into the pool of `shop`, as it was put there so many ms ago. Only where there is a pool. */
  seedPool(pack: SeededPack, ageMs: number): Promise<void>
  /** Committed backups by `project/id`, each with a digest over all its files; records beside it are left out. */
  snapshot(): Promise<ReadonlyMap<string, string>>
  /** What lies there and belongs to no committed backup. */
  debris(): Promise<readonly string[]>
  /** Damage of the place itself; nothing when it is whole. */
  damage(): string
  /** The input `dashboard` for a page that lies in this place; undefined where none does. */
  readonly dashboard?: string
  /** Dashboards that lie in it. */
  pages(): Promise<readonly string[]>
  /** Empties it. */
  reset(): Promise<void>
  close(): Promise<void>
}

export interface SeededPack extends PackName {
  readonly content: Uint8Array
}
/** As a manifest names it under `shared`. */
interface PackName {
  readonly name: string
  readonly bytes: number
  readonly sha256: string
}

/** What may lie beside a backup without being part of it: records, and those that are being written. */
const isRecord = (name: string) => /^(?:keep|acknowledged|verification-.*|\.partial-.*)$/.test(name)
const digestOf = (lines: readonly string[]) =>
  createHash('sha256')
    .update([...lines].sort().join('\n'))
    .digest('hex')

interface Found {
  readonly key: string
  readonly file: string
  readonly line: string
}

/** Backups of a list of files: those that have a manifest. */
function committed(files: readonly Found[]): Map<string, string> {
  const keys = new Set(files.filter(({ file }) => file === 'manifest.json').map(({ key }) => key))
  return new Map(
    [...keys].map((key) => [
      key,
      digestOf(files.filter((one) => one.key === key && !isRecord(one.file)).map(({ file, line }) => `${file} ${line}`))
    ])
  )
}

function uncommitted(files: readonly Found[]): string[] {
  const there = committed(files)
  // A record of the journal stays whatever becomes of the backup: what a run left is none.
  const isOfJournal = ({ key, file }: Found) => key.endsWith('/journal') && isJournalName(file)
  return files.filter((one) => !there.has(one.key) && !isOfJournal(one)).map(({ key, file }) => `${key} ${file}`)
}

export async function folderPlace(root: string): Promise<CrashPlace> {
  const folder = join(root, 'place')
  const files = async (): Promise<Found[]> => {
    const found: Found[] = []
    if (!existsSync(folder)) return found
    for (const entry of await readdir(folder, { recursive: true, withFileTypes: true })) {
      if (!entry.isFile()) continue
      const path = join(entry.parentPath, entry.name)
      const [project = '', id = ''] = path.slice(folder.length + 1).split('/')
      const line = createHash('sha256')
        .update(await readFile(path))
        .digest('hex')
      // What is being written has a name of its own and counts for nothing.
      const key = id.startsWith('.partial-') ? `unfinished ${project}/${id}` : `${project}/${id}`
      found.push({ key, file: entry.name === 'manifest.json' && key.startsWith('u') ? 'a manifest' : entry.name, line })
    }
    return found
  }
  const open = async () => folderDestination({ path: folder }, await testContext(root))
  const place: CrashPlace = {
    name: 'folder',
    inputs: { destinations: 'folder', folder },
    env: {},
    run: (options) => crashAtFile([folder], { ...options, env: {} }),
    open,
    seed: (backups) => seedAll(place, backups),
    seedPool: async (pack, ageMs) => {
      await putPack(await open(), pack)
      const at = new Date(Date.now() - ageMs)
      await utimes(join(folder, 'shop', 'objects', pack.name), at, at)
    },
    snapshot: async () => committed(await files()),
    debris: async () => {
      const all = await files()
      const hidden = all.filter(({ file }) => file.startsWith('.partial-')).map(({ key, file }) => `${key} ${file}`)
      const empty = existsSync(folder)
        ? (await readdir(folder, { recursive: true })).filter((name) => /\/\.partial-[^/]*$/.test(name))
        : []
      return [...uncommitted(all), ...hidden, ...empty]
    },
    damage: () => '',
    pages: () => Promise.resolve([]),
    reset: () => rm(folder, { recursive: true, force: true }),
    close: () => rm(root, { recursive: true, force: true })
  }
  return place
}

export async function githubPlace(name: Exclude<DestinationName, 'folder' | 's3'>, root: string): Promise<CrashPlace> {
  const github = await startGithub({ repository: 'acme/shop', visibility: 'private', artifacts: name === 'artifact' })
  const bare = createRepository(root, 'acme/shop')
  const git = gitHandler({ root, token: github.token })
  github.mount('/acme/shop.git/', git.handle)
  const parts = { artifact: artifactPart, release: releasePart, repository: repositoryPart }[name](github, bare)
  /** A driver whose clock goes `behindMs` behind. */
  const open = async (behindMs = 0): Promise<Destination> => {
    const own = await testContext(root)
    const context = { ...own, clock: { ...own.clock, now: () => new Date(Date.now() - behindMs) } }
    const client = connectGithub({
      apiUrl: github.env['GITHUB_API_URL'] ?? '',
      token: github.token,
      retries: 0,
      context
    })
    const serverUrl = github.env['GITHUB_SERVER_URL'] ?? ''
    if (name === 'release') return openReleaseDestination({ github: client, repository: 'acme/shop', context })
    if (name === 'artifact')
      return openArtifactDestination({
        github: client,
        repository: 'acme/shop',
        service: () => connectArtifactService({ ...github.env }),
        serverUrl,
        runId: '42',
        context
      })
    return repositoryDestination(
      {
        serverUrl,
        repository: 'acme/shop',
        branch: 'backups',
        token: github.token,
        retries: 0,
        visibility: () => Promise.resolve('private')
      },
      context
    )
  }
  const place: CrashPlace = {
    name,
    inputs: { destinations: name, token: github.token, retries: '0' },
    env: github.env,
    ...(name === 'release' ? {} : { dashboard: name }),
    run: async (options) => {
      const done = await crashAtCall(github, { ...options, env: github.env })
      if (github.defects.length > 0) throw new Error(github.defects.join('\n'))
      return done
    },
    open: () => open(),
    seed: async (backups) => {
      if (name === 'artifact') for (const backup of backups) seedAmongArtifacts(github.state, github.repository, backup)
      else await seedAll(place, backups)
    },
    seedPool: async (pack, ageMs) => {
      await putPack(await open(ageMs), pack)
      const shelves = github.repository.releases.filter(({ tag }) => tag.startsWith('backup-shop-objects-'))
      for (const asset of shelves.flatMap(({ assets }) => assets))
        if (asset.name === pack.name) asset.createdAt = new Date(Date.now() - ageMs)
    },
    ...parts,
    close: async () => {
      await github.stop()
      await rm(root, { recursive: true, force: true })
    }
  }
  return place
}

type Parts = Pick<CrashPlace, 'snapshot' | 'debris' | 'damage' | 'pages' | 'reset'>

function releasePart(github: Github): Parts {
  const { repository } = github
  const ours = () => repository.releases.filter((release) => /^backup-/.test(release.tag))
  const keyOf = (tag: string) => tag.replace(/^backup-(.*)-(\d{8}T\d{6}Z-.{8})$/, '$1/$2')
  const files = () =>
    ours()
      .filter((release) => !release.draft)
      .flatMap((release) =>
        release.assets
          .filter((asset) => asset.state === 'uploaded')
          .map((asset) => ({
            key: keyOf(release.tag),
            file: asset.name,
            line: digestOf([asset.content.toString('hex')])
          }))
      )
  return {
    snapshot: () => Promise.resolve(committed(files())),
    debris: () => {
      const there = committed(files())
      const isStray = (tag: string) => !there.has(keyOf(tag)) && parseJournalTag(tag) === null
      const bad = ours().filter((release) => release.draft || isStray(release.tag))
      const tags = [...repository.tags.keys()].filter(isStray)
      return Promise.resolve([
        ...bad.map((release) => `${release.draft ? 'draft' : 'release'} ${release.tag}`),
        ...tags.map((tag) => `tag ${tag}`)
      ])
    },
    damage: () => '',
    pages: () => Promise.resolve([]),
    reset: () => {
      repository.releases.length = 0
      repository.tags.clear()
      return Promise.resolve()
    }
  }
}

function artifactPart(github: Github): Parts {
  const { artifacts } = github.repository
  const files = () =>
    artifacts
      .filter((one) => one.finalized)
      .flatMap(({ name, id, digest, size }): Found[] => {
        const [, project = '', backup = '', file = ''] =
          // A name that this run has used already gets a number behind it.
          /^([a-z0-9-]+)\.(\d{8}T\d{6}Z-[a-z2-7]{8})\.(.+?)(?:~\d+)?$/.exec(name) ?? []
        return project === '' ? [] : [{ key: `${project}/${backup}`, file, line: `${id} ${digest} ${size}` }]
      })
  return {
    snapshot: () => Promise.resolve(committed(files())),
    debris: () => Promise.resolve(uncommitted(files())),
    damage: () => '',
    // The service ends an upload only when its size is what was said: a page that shows is whole.
    pages: () => Promise.resolve([]),
    reset: () => {
      artifacts.length = 0
      return Promise.resolve()
    }
  }
}

function repositoryPart(_github: Github, bare: string): Parts {
  const files = (): Found[] => {
    if (gitIn(bare, ['for-each-ref', 'refs/heads/backups']) === '') return []
    return gitIn(bare, ['ls-tree', '-r', 'backups'])
      .split('\n')
      .flatMap((line) => {
        const [, oid = '', project = '', id = '', file = ''] =
          /^\d+ blob (\S+)\t([^/]+)\/([^/]+)\/([^/]+)$/.exec(line) ?? []
        return file === '' ? [] : [{ key: `${project}/${id}`, file, line: oid }]
      })
  }
  const refs = () => gitIn(bare, ['for-each-ref', '--format=%(refname)']).split('\n').filter(Boolean)
  return {
    snapshot: () => Promise.resolve(committed(files())),
    debris: () =>
      Promise.resolve([
        ...uncommitted(files()),
        ...refs().filter((ref) => ref !== 'refs/heads/backups' && ref !== 'refs/heads/main')
      ]),
    pages: () =>
      Promise.resolve(
        gitIn(bare, ['for-each-ref', 'refs/heads/backups']) !== '' &&
          gitIn(bare, ['ls-tree', '--name-only', 'backups']).split('\n').includes('dashboard.html')
          ? [gitIn(bare, ['show', 'backups:dashboard.html'])]
          : []
      ),
    damage: () => gitIn(bare, ['fsck', '--full', '--strict', '--no-dangling', '--no-progress']).trim(),
    reset: () => {
      for (const ref of refs()) gitIn(bare, ['update-ref', '-d', ref])
      return Promise.resolve()
    }
  }
}

async function seedAll(place: CrashPlace, backups: readonly SeededBackup[]): Promise<void> {
  const driver = await place.open()
  try {
    for (const backup of backups) await seedBackup(driver, backup)
  } finally {
    await driver.close()
  }
}

async function putPack(driver: Destination, { name, bytes, sha256, content }: SeededPack): Promise<void> {
  try {
    if (driver.pool === undefined) throw new Error(`${driver.name} has no pool`)
    await driver.pool.put('shop', name, { bytes, sha256, open: () => Readable.from([content]) })
  } finally {
    await driver.close()
  }
}

/** Fetches every file that a backup's manifest names, packs of the pool too, and compares digests; returns what is wrong. */
export async function wrongIn(driver: Destination, key: string): Promise<string[]> {
  const [project = '', id = ''] = key.split('/')
  const wrong: string[] = []
  for await (const backup of driver.list(project)) {
    if (backup.id !== id) continue
    const manifest: {
      files: { name: string; sha256: string; volumes?: { name: string; sha256: string }[] }[]
      /** Left out by those who write backups without a pool. */
      shared?: PackName[]
    } = JSON.parse(manifestBytes(backup).toString())
    if (manifest.files.length === 0) wrong.push(`${key}: no files`)
    const check = async (file: { name: string; sha256: string }, body: Body | undefined) => {
      const digest = createHash('sha256')
      for await (const chunk of body?.open() ?? []) digest.update(chunk)
      if (digest.digest('hex') !== file.sha256) wrong.push(`${key}: ${file.name} has other bytes`)
    }
    for (const file of manifest.files.flatMap((one) => one.volumes ?? [one]))
      await check(file, await driver.get({ project, id }, file.name))
    for (const pack of manifest.shared ?? []) await check(pack, await driver.pool?.get(project, pack.name))
    return wrong
  }
  return [`${key}: not listed`]
}
