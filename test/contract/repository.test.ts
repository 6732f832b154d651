import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { repositoryDestination } from '../../src/destinations/repository/index.ts'
import { startGitServer } from '../kit/git/git-server.ts'
import { destinationSuite } from './destination-suite.ts'

const token = 'ghs_0123456789abcdefghijklmnopqrstuvwxyz'

destinationSuite(
  'repository',
  async () => {
    const root = await mkdtemp(join(tmpdir(), 'git-server-'))
    const server = await startGitServer({ root, token })
    server.create('owner/store')
    return {
      open: (context) =>
        repositoryDestination(
          {
            serverUrl: server.url,
            repository: 'owner/store',
            token,
            branch: 'backups',
            retries: 3,
            visibility: () => Promise.resolve('private')
          },
          context
        ),
      close: async () => {
        await server.close()
        await rm(root, { recursive: true, force: true })
      }
    }
  },
  { leavesTraces: false }
)
