import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { createServer } from 'node:net'
import { fileURLToPath } from 'node:url'
import {
  BlobSASPermissions,
  BlobServiceClient,
  generateBlobSASQueryParameters,
  StorageSharedKeyCredential
} from '@azure/storage-blob'

const account = 'devstoreaccount1'
// The account key that azurite documents for everyone; it opens nothing else.
const key = 'Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw=='
const container = 'artifacts'

/** The real blob server azurite, behind the storage port of the double. */
export interface BlobServer {
  readonly port: number
  /** A signed address of a blob under `origin`, for reading or writing. */
  sign(origin: string, blob: string, permission: 'read' | 'write'): string
  /** Size of a blob; `null` when there is none. */
  size(blob: string): Promise<number | null>
  stop(): Promise<void>
}

async function freePort(): Promise<number> {
  const server = createServer()
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const address = server.address()
  server.close()
  if (address === null || typeof address === 'string') throw new Error('No port')
  return address.port
}

async function started(child: ChildProcess): Promise<void> {
  let output = ''
  await new Promise<void>((resolve, reject) => {
    const read = (chunk: Buffer): void => {
      output += chunk.toString()
      if (output.includes('successfully listens')) resolve()
    }
    child.stdout?.on('data', read)
    child.stderr?.on('data', read)
    child.on('error', reject)
    child.on('exit', (code) => reject(new Error(`azurite ended with ${code}: ${output}`)))
  })
}

export async function startBlobServer(): Promise<BlobServer> {
  const port = await freePort()
  const main = fileURLToPath(new URL('../../../node_modules/azurite/dist/src/blob/main.js', import.meta.url))
  const child = spawn(
    process.execPath,
    // prettier-ignore
    [
      main,
      '--inMemoryPersistence',
      '--skipApiVersionCheck',
      '--disableTelemetry',
      '--blobHost',
      '127.0.0.1',
      '--blobPort',
      String(port)
    ],
    { stdio: ['ignore', 'pipe', 'pipe'] }
  )
  await started(child)
  const credential = new StorageSharedKeyCredential(account, key)
  const client = new BlobServiceClient(`http://127.0.0.1:${port}/${account}`, credential).getContainerClient(container)
  await client.create()
  return {
    port,
    sign(origin, blob, permission) {
      const query = generateBlobSASQueryParameters(
        {
          containerName: container,
          blobName: blob,
          permissions: BlobSASPermissions.parse(permission === 'read' ? 'r' : 'cw'),
          expiresOn: new Date(Date.now() + 3_600_000)
        },
        credential
      )
      return `${origin}/${account}/${container}/${encodeURIComponent(blob)}?${query.toString()}`
    },
    async size(blob) {
      const one = client.getBlobClient(blob)
      if (!(await one.exists())) return null
      return (await one.getProperties()).contentLength ?? 0
    },
    async stop() {
      const gone = once(child, 'exit')
      child.kill('SIGKILL')
      await gone
    }
  }
}
