import { execFile, spawn } from 'node:child_process'
import { existsSync } from 'node:fs'
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { promisify } from 'node:util'
import { S3Client } from '@aws-sdk/client-s3'

const run = promisify(execFile)

/**
 * Two releases of Ceph as two kinds of store. The old one (of Debian 12 itself) takes conditional writes, lock headers of multipart
 * uploads and checksums, and silently ignores all three; the new one does with them what AWS documents.
 */
export type CephRelease = 'old' | 'new'

/** Who may do what there: a key of its own for each. */
export interface S3Keys {
  readonly accessKeyId: string
  readonly secretAccessKey: string
}

/** A real S3 server that enforces object locks: one monitor, one disk in memory, one gateway, all on this machine. */
export interface Ceph {
  /** `http://127.0.0.1:<port>` */
  readonly endpoint: string
  /** The keys of the owner of all buckets. */
  readonly owner: S3Keys
  /** Makes a further user, and returns its keys. */
  addUser(name: string): Promise<S3Keys>
  /** The tool itself, for what only an administrator does. */
  admin(...words: readonly string[]): Promise<string>
  /** A client of the tests' own. */
  client(keys?: S3Keys): S3Client
  /** What a version of the gateway says of itself. */
  readonly version: string
  stop(): Promise<void>
}

interface Programs {
  readonly bin: string
  /** More lines for the section of all programs: where its plug-ins lie. */
  readonly settings: readonly string[]
}

/** The programs of a release; undefined where they are not installed. */
export function cephPrograms(release: CephRelease): Programs | undefined {
  if (release === 'old') return existsSync('/usr/bin/radosgw') ? { bin: '/usr/bin', settings: [] } : undefined
  const tree = join(import.meta.dirname, '../../../.parts/ceph-20')
  if (!existsSync(join(tree, 'complete'))) return undefined
  return {
    bin: join(tree, 'bin'),
    settings: [
      `erasure code dir = ${tree}/lib/ceph/erasure-code`,
      `osd class dir = ${tree}/lib/rados-classes`,
      `plugin dir = ${tree}/lib/ceph`
    ]
  }
}

/** Repeats what now and then fails right after the monitor started. */
async function insist<T>(work: () => Promise<T>): Promise<T> {
  for (let left = 10; ; left -= 1) {
    try {
      return await work()
    } catch (error) {
      if (left === 0) throw error
      await delay(150)
    }
  }
}

/** A run of free ports; the programs ask for numbers, not for free ones. */
async function freePorts(): Promise<number> {
  for (;;) {
    const first = 20_000 + Math.floor(Math.random() * 400) * 100
    const free = await Promise.all([0, 1, 10, 11, 12, 13].map((offset) => isFree(first + offset)))
    if (free.every(Boolean)) return first
  }
}

function isFree(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const server = createServer()
    server.once('error', () => resolve(false))
    server.listen(port, '127.0.0.1', () => server.close(() => resolve(true)))
  })
}

/** Starts the server. `store`: where bytes lie, in memory for what is quick and small. */
export async function startCeph(release: CephRelease, store: 'memory' | 'disk' = 'memory'): Promise<Ceph> {
  const programs = cephPrograms(release)
  if (programs === undefined) throw new Error('Ceph is not installed: run `sh scripts/install-parts`')
  const folder = await mkdtemp(join(tmpdir(), 'sb-ceph-'))
  const port = await freePorts()
  const configuration = join(folder, 'ceph.conf')
  const env = { PATH: `${programs.bin}:/usr/bin:/bin:/usr/sbin:/sbin`, CEPH_CONF: configuration, LC_ALL: 'C' }
  const call = async (program: string, ...words: readonly string[]): Promise<string> => {
    // The tool of the monitor is a script, and the machine's own speaks to both releases.
    const path = program === 'ceph' ? '/usr/bin/ceph' : join(programs.bin, program)
    return (await run(path, [...words], { env, timeout: 20_000, maxBuffer: 1e8 })).stdout
  }
  const ceph = (...words: readonly string[]) => insist(() => call('ceph', '--connect-timeout', '5', ...words))
  const admin = (...words: readonly string[]) => insist(() => call('radosgw-admin', ...words))
  const fsid = '5f0b3f0e-9c1d-4c5b-8a39-6d1c8a6b9f10'
  const disk = '0a6f8c8e-7b6a-4a31-9a55-3c4e5d6f7a80'

  await mkdir(join(folder, 'mon'))
  await mkdir(join(folder, 'osd'))
  await writeFile(
    configuration,
    [
      '[global]',
      `fsid = ${fsid}`,
      `mon host = v1:127.0.0.1:${port + 1}`,
      'mon initial members = a',
      'public addr = 127.0.0.1',
      'cluster addr = 127.0.0.1',
      'auth cluster required = none',
      'auth service required = none',
      'auth client required = none',
      'ms bind msgr2 = false',
      `ms bind port min = ${port + 10}`,
      `ms bind port max = ${port + 60}`,
      'osd pool default size = 1',
      'osd pool default min size = 1',
      'osd pool default pg num = 4',
      'osd pool default pgp num = 4',
      'osd pool default pg autoscale mode = off',
      'mon allow pool size one = true',
      'osd crush chooseleaf type = 0',
      'osd crush update on start = false',
      'osd class update on start = false',
      'mon data avail warn = 2',
      'mon data avail crit = 1',
      'mon max pg per osd = 1000',
      `run dir = ${folder}`,
      `admin socket = ${folder}/$name.asok`,
      `pid file = ${folder}/$name.pid`,
      `log file = ${folder}/$name.log`,
      `keyring = ${folder}/keyring`,
      `crash dir = ${folder}`,
      ...programs.settings,
      '[mon]',
      `mon data = ${folder}/mon`,
      'paxos propose interval = 0.05',
      'paxos min wait = 0.01',
      '[osd]',
      `osd data = ${folder}/osd`,
      ...(store === 'memory'
        ? ['osd objectstore = memstore', 'memstore device bytes = 4294967296']
        : [
            'osd objectstore = bluestore',
            'bluestore block size = 8589934592',
            'osd memory target = 939524096',
            'bluestore cache autotune = false',
            'bluestore cache size = 67108864'
          ]),
      '[client.rgw.a]',
      `rgw frontends = beast endpoint=127.0.0.1:${port}`,
      'rgw thread pool size = 32',
      'rgw gc obj min wait = 5',
      ''
    ].join('\n')
  )
  const endpoint = `http://127.0.0.1:${port}`
  const owner = { accessKeyId: 'OWNERKEY000000000000', secretAccessKey: 'owner-secret-of-the-test-server-0000000' }
  const stop = async () => {
    for (const name of ['client.rgw.a', 'osd.0', 'mon.a']) await kill(join(folder, `${name}.pid`))
    await rm(folder, { recursive: true, force: true })
  }
  try {
    const keyring = join(folder, 'keyring')
    await call('ceph-authtool', '--create-keyring', keyring, '--gen-key', '-n', 'mon.', '--cap', 'mon', 'allow *')
    await call('ceph-authtool', keyring, '--gen-key', '-n', 'client.admin', '--cap', 'mon', 'allow *')
    const map = join(folder, 'monmap')
    await call('monmaptool', '--create', '--addv', 'a', `[v1:127.0.0.1:${port + 1}]`, '--fsid', fsid, map)
    await call('ceph-mon', '--mkfs', '-i', 'a', '--monmap', map, '--keyring', keyring)
    await call('ceph-mon', '-i', 'a')
    await ceph('osd', 'new', disk)
    await call('ceph-osd', '-i', '0', '--mkfs', '--osd-uuid', disk)
    await call('ceph-osd', '-i', '0')
    await ceph('osd', 'crush', 'add', 'osd.0', '1.0', 'root=default', 'host=h')
    const makeUser = async (name: string, keys: S3Keys) => {
      await admin(
        'user',
        'create',
        `--uid=${name}`,
        `--display-name=${name}`,
        `--access-key=${keys.accessKeyId}`,
        `--secret-key=${keys.secretAccessKey}`
      )
      return keys
    }
    await makeUser('owner', owner)
    await call('radosgw', '-n', 'client.rgw.a')
    watch(folder)
    await answers(endpoint)
    return {
      endpoint,
      owner,
      addUser: (name) =>
        makeUser(name, {
          accessKeyId: `${name.toUpperCase()}KEY`.padEnd(20, '0'),
          secretAccessKey: `${name}-secret-of-the-test-server`.padEnd(40, '0')
        }),
      admin,
      client: (keys = owner) =>
        new S3Client({
          endpoint,
          region: 'us-east-1',
          forcePathStyle: true,
          credentials: keys,
          requestChecksumCalculation: 'WHEN_REQUIRED',
          responseChecksumValidation: 'WHEN_REQUIRED'
        }),
      version: (await call('radosgw', '--version')).trim(),
      stop
    }
  } catch (error) {
    await stop()
    throw error
  }
}

async function answers(endpoint: string): Promise<void> {
  for (let left = 200; ; left -= 1) {
    try {
      await (await fetch(endpoint)).arrayBuffer()
      return
    } catch (error) {
      if (left === 0) throw error
      await delay(50)
    }
  }
}

/** Takes the server down when this process has ended without doing so. */
function watch(folder: string): void {
  const script = `while kill -0 ${process.pid} 2>/dev/null; do [ -d "$0" ] || exit 0; sleep 1; done; for f in "$0"/*.pid; do kill -9 "$(cat "$f")"; done; rm -rf "$0"`
  spawn('/bin/sh', ['-c', script, folder], { detached: true, stdio: 'ignore' }).unref()
}

/** Ends a program at once and waits until it is gone: what lingers would spoil the next server on the same ports. */
async function kill(pidFile: string): Promise<void> {
  if (!existsSync(pidFile)) return
  const pid = Number(await readFile(pidFile, 'utf8'))
  try {
    process.kill(pid, 'SIGKILL')
    for (;;) {
      process.kill(pid, 0)
      await delay(20)
    }
  } catch {
    // It is gone.
  }
}
