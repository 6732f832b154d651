/**
 * Some writers among many, as a process of their own: each opens a place by its driver and puts backups there, one after the other.
 * Argument: a JSON object, see `WriterTask`. Prints the ids that were committed, one a line.
 */
import { createHash, randomBytes } from 'node:crypto'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Readable } from 'node:stream'
import { setTimeout as delay } from 'node:timers/promises'
import { makeBackupId } from '../../src/archive/backup-id.ts'
import { connectArtifactService } from '../../src/clients/github/artifact-service.ts'
import { connectGithub } from '../../src/clients/github/index.ts'
import type { Context } from '../../src/context.ts'
import { openArtifactDestination } from '../../src/destinations/artifact/index.ts'
import type { Destination, DestinationName } from '../../src/destinations/destination.ts'
import { folderDestination } from '../../src/destinations/folder/index.ts'
import { openReleaseDestination } from '../../src/destinations/release/index.ts'
import { repositoryDestination } from '../../src/destinations/repository/index.ts'

export interface WriterTask {
  readonly place: DestinationName
  readonly rounds: number
  /** Numbers of the writers of this process: the content tells who wrote it. */
  readonly writers: readonly number[]
  readonly folder: string
  readonly token: string
  /** GITHUB_ and ACTIONS_ variables. */
  readonly env: Readonly<Record<string, string>>
}

const task: WriterTask = JSON.parse(process.argv[2] ?? '')
// GitHub's own client for artifacts reads the environment itself.
Object.assign(process.env, task.env)
const temp = await mkdtemp(join(tmpdir(), 'sb-writer-'))
const quiet = () => undefined
const context: Context = {
  clock: {
    now: () => new Date(),
    monotonic: () => performance.now(),
    sleep: (ms, signal) => delay(ms, undefined, signal === undefined ? {} : { signal })
  },
  randomBytes,
  log: { info: quiet, warning: quiet, debug: quiet, progress: quiet, group: (_title, work) => work() },
  signal: new AbortController().signal,
  temp
}

function open(): Destination {
  if (task.place === 'folder') return folderDestination({ path: task.folder }, context)
  const github = connectGithub({ apiUrl: task.env['GITHUB_API_URL'] ?? '', token: task.token, retries: 5, context })
  const serverUrl = task.env['GITHUB_SERVER_URL'] ?? ''
  switch (task.place) {
    case 'release':
      return openReleaseDestination({ github, repository: 'acme/shop', context })
    case 'repository':
      return repositoryDestination(
        {
          serverUrl,
          repository: 'acme/shop',
          branch: 'backups',
          token: task.token,
          retries: 30,
          visibility: () => Promise.resolve('private')
        },
        context
      )
    case 's3':
      throw new Error('no store is started for this writer')
    case 'artifact':
      return openArtifactDestination({
        github,
        repository: 'acme/shop',
        service: () => connectArtifactService(process.env),
        serverUrl,
        runId: '42',
        context
      })
  }
}

const volume = (bytes: Buffer) => ({
  bytes: bytes.length,
  sha256: createHash('sha256').update(bytes).digest('hex'),
  open: () => Readable.from([bytes])
})

async function write(writer: number): Promise<void> {
  for (let round = 0; round < task.rounds; round++) {
    const driver = open()
    const ref = { project: 'shop', id: makeBackupId(context.clock, randomBytes) }
    const file = volume(Buffer.from(`writer ${writer}, round ${round}: ${randomBytes(2_000).toString('hex')}\n`))
    await driver.put(ref, 'database.dump', file)
    const files = [{ name: 'database.dump', bytes: file.bytes, sha256: file.sha256 }]
    await driver.commit(ref, Buffer.from(JSON.stringify({ id: ref.id, project: ref.project, files })))
    await driver.close()
    process.stdout.write(`${ref.id}\n`)
  }
}

try {
  await Promise.all(task.writers.map(write))
} finally {
  await rm(temp, { recursive: true, force: true })
}
