import { spawn } from 'node:child_process'
import { createHash, randomBytes } from 'node:crypto'
import { access, mkdtemp, readdir, readFile, rm, stat, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Readable, type Writable } from 'node:stream'
import { zstdCompressSync } from 'node:zlib'
import { generateX25519Identity, identityToRecipient } from 'age-encryption'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import type { Compression } from '../../src/archive/compression.ts'
import { describeEncryption, type Encryption, encryptionFor, keysOf } from '../../src/archive/encryption.ts'
import type { Content, RunningProducer } from '../../src/archive/files.ts'
import { type Manifest, parseManifest, renderManifest, type StoredFile } from '../../src/archive/manifest.ts'
import { createPacker, type Packer } from '../../src/archive/pack.ts'
import { openStoredFile } from '../../src/archive/stored-bytes.ts'
import { foreignNames, type OpenedBackup, openBackup } from '../../src/archive/unpack.ts'
import { createCompression, findZstd } from '../../src/clients/process/zstd.ts'
import { UserError } from '../../src/errors.ts'
import { exampleManifest } from '../unit/archive/manifests.ts'

let temp: string
beforeEach(async () => {
  temp = await mkdtemp(join(tmpdir(), 'archive-'))
})
afterEach(async () => {
  await rm(temp, { recursive: true, force: true })
})

const never = new AbortController().signal
const zstd = await findZstd()
const codecs = {
  'zstd program': () => createCompression({ method: 'zstd', zstd, home: temp }),
  'zstd of Node': () => createCompression({ method: 'zstd', zstd: null, home: temp }),
  gzip: () => createCompression({ method: 'gzip', zstd, home: temp }),
  none: () => createCompression({ method: 'none', zstd, home: temp })
}
const identity = await generateX25519Identity()
const encrypted = encryptionFor([await identityToRecipient(identity)])
const plain: Encryption = { scheme: 'none' }

function packerFor(encryption: Encryption, compression: Compression, signal: AbortSignal = never): Packer {
  return createPacker({ dir: join(temp, 'staging'), encryption, compression, signal })
}
function bytesOf(...chunks: readonly Uint8Array[]): Content {
  return { bytes: Readable.from(chunks) }
}
/** A child process as content. */
function child(command: string, args: readonly string[], onSpawn?: (pid: number) => void): Content {
  return {
    start(stdout: 'pipe' | Writable, signal: AbortSignal): RunningProducer {
      const started = spawn(command, args, { stdio: ['ignore', stdout, 'ignore'], signal, killSignal: 'SIGKILL' })
      if (started.pid !== undefined) onSpawn?.(started.pid)
      const done = new Promise<void>((resolve, reject) => {
        // After a kill by the signal an `error` comes first and the end later: only the end counts.
        started.on('error', (error) => started.pid === undefined && reject(error))
        started.once('close', (code, killed) =>
          code === 0 ? resolve() : reject(new UserError('SB201', `it ended with ${code ?? killed}`))
        )
      })
      done.catch(() => undefined)
      return { stdout: started.stdout, done }
    }
  }
}
async function collect(stream: Readable): Promise<Buffer> {
  const chunks: Uint8Array[] = []
  for await (const chunk of stream) chunks.push(chunk)
  return Buffer.concat(chunks)
}
const sha256 = (bytes: Uint8Array) => createHash('sha256').update(bytes).digest('hex')
const isAlive = (pid: number) => {
  try {
    process.kill(pid, 0)
    return true
  } catch {
    return false
  }
}
const leftBehind = () => readdir(join(temp, 'staging')).catch(() => [])

describe.each(Object.entries(codecs))('packing with %s', (name, compression) => {
  test.runIf(name !== 'zstd program' || zstd !== null)(
    'what is packed is read back from the stored bytes, encrypted or not',
    async () => {
      for (const encryption of [encrypted, plain]) {
        const dir = join(temp, encryption.scheme)
        const packer = createPacker({ dir, encryption, compression: compression(), signal: never })
        const contents = new Map(
          [0, 1, 65_535, 65_536, 65_537, 3_000_000].map((size) => [`file-${size}.bin`, randomBytes(size)])
        )
        for (const [file, bytes] of contents) {
          const half = bytes.byteLength >> 1
          const added = await packer.add(file, bytesOf(bytes.subarray(0, half), bytes.subarray(half)))
          const stored = await readFile(join(dir, added.storedName))
          expect(added).toMatchObject({ plainBytes: bytes.byteLength, storedBytes: stored.byteLength })
          expect(packer.staged.find((each) => each.name === added.storedName)).toMatchObject({
            bytes: stored.byteLength,
            sha256: sha256(stored)
          })
          expect((await stat(join(dir, added.storedName))).mode & 0o777).toBe(0o600)
        }
        expect(packer.files.names).toEqual([...contents.keys()])
        for (const [file, bytes] of contents)
          expect((await collect(packer.files.open(file))).equals(bytes), file).toBe(true)
      }
    }
  )

  test('what a child process writes comes back whole', async () => {
    const packer = packerFor(encrypted, compression())
    await packer.add('numbers', child('seq', ['1', '2000000']))
    const expected = Array.from({ length: 2_000_000 }, (_, index) => `${index + 1}\n`).join('')
    expect(sha256(await collect(packer.files.open('numbers')))).toBe(sha256(Buffer.from(expected)))
  })

  test('F20: a child that fails or is killed leaves nothing, and the file may be packed again', async () => {
    const packer = packerFor(encrypted, compression())
    for (const script of ['head -c 3000000 /dev/urandom; exit 1', 'head -c 3000000 /dev/urandom; kill -9 $$']) {
      await expect(packer.add('database.dump', child('sh', ['-c', script]))).rejects.toMatchObject({ code: 'SB201' })
      expect(await leftBehind()).toEqual([])
      expect(packer.staged).toEqual([])
    }
    await packer.add('database.dump', bytesOf(Buffer.from('whole')))
    expect((await collect(packer.files.open('database.dump'))).toString()).toBe('whole')
  })

  test('content that breaks off leaves nothing and passes its own error on', async () => {
    const packer = packerFor(encrypted, compression())
    const breaks = async function* () {
      yield randomBytes(2_000_000)
      throw new UserError('SB101', 'gone')
    }
    await expect(packer.add('objects.tar', { bytes: breaks() })).rejects.toMatchObject({ code: 'SB101' })
    expect(await leftBehind()).toEqual([])
  })

  test('F36: cancelling ends the child, removes the partial file and gives the reason', async () => {
    const controller = new AbortController()
    const packer = packerFor(encrypted, compression(), controller.signal)
    let pid = 0
    const content = child('sh', ['-c', 'while :; do echo y; done'], (started) => {
      pid = started
      setTimeout(() => controller.abort(new UserError('SB301', 'cancelled here')), 100)
    })
    await expect(packer.add('database.dump', content)).rejects.toThrow('cancelled here')
    expect(isAlive(pid)).toBe(false)
    expect(await leftBehind()).toEqual([])
  })
})

test.each(Object.entries(codecs).filter(([name]) => name !== 'none' && (name !== 'zstd program' || zstd !== null)))(
  'compressed data that was cut before it was hashed does not pass for whole: %s',
  async (_name, codec) => {
    const packer = packerFor(plain, codec())
    const { storedName } = await packer.add('cut', bytesOf(randomBytes(300_000)))
    const path = join(temp, 'staging', storedName)
    const cut = (await readFile(path)).subarray(0, 200_000)
    await writeFile(path, cut)
    const file = { name: storedName, path, bytes: cut.byteLength, sha256: sha256(cut) }
    const noKey = () => Promise.reject(new Error('not encrypted'))
    await expect(collect(openStoredFile(file, noKey, codec(), never))).rejects.toMatchObject({ code: 'SB501' })
  }
)

test.each<[string, Encryption, 'zstd of Node' | 'none']>([
  ['encrypted', encrypted, 'zstd of Node'],
  ['compressed only', plain, 'zstd of Node'],
  ['as it is', plain, 'none']
])(
  'F62, F63: a flipped byte anywhere and every cut of a stored file are found on reading back: %s',
  async (_how, encryption, codec) => {
    const packer = packerFor(encryption, codecs[codec]())
    const { storedName } = await packer.add('small', bytesOf(Buffer.from('a small file')))
    const path = join(temp, 'staging', storedName)
    const good = await readFile(path)
    const fails = async (bytes: Uint8Array, what: string) => {
      await writeFile(path, bytes)
      await expect(collect(packer.files.open('small')), what).rejects.toMatchObject({ code: 'SB501' })
    }
    for (let at = 0; at < good.byteLength; at += 1) {
      const flipped = Buffer.from(good)
      flipped[at] = (flipped[at] ?? 0) ^ (1 << (at % 8))
      await fails(flipped, `byte ${at}`)
      await fails(good.subarray(0, at), `cut at ${at}`)
    }
    await fails(Buffer.concat([good, Buffer.alloc(1)]), 'one byte more')
    await writeFile(path, good)
    expect((await collect(packer.files.open('small'))).toString()).toBe('a small file')
  }
)

test.runIf(zstd !== null)(
  'a slow disk makes the child wait; it is never failed by a connection that does not block',
  { timeout: 60_000 },
  async () => {
    const inner = codecs['zstd program']()
    // The compressor's output is taken slowly, so that every buffer between the child and here runs full.
    const slow: Compression = {
      ...inner,
      compress(signal) {
        const codec = inner.compress(signal)
        expect(codec.inputIsPipe).toBe(true)
        return { ...codec, output: Readable.from(trickle(codec.output), { objectMode: false, highWaterMark: 1 }) }
      }
    }
    const packer = packerFor(plain, slow)
    const script =
      'import sys\nfor i in range(24): sys.stdout.buffer.write(__import__("os").urandom(1000003))\nsys.stdout.flush()'
    const added = await packer.add('random', child('python3', ['-c', script]))
    expect(added.plainBytes).toBeNull()
    expect((await collect(packer.files.open('random'))).byteLength).toBe(24 * 1_000_003)
  }
)

async function* trickle(source: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  let count = 0
  for await (const chunk of source) {
    count += 1
    if (count % 8 === 0) await new Promise((resolve) => setTimeout(resolve, 10))
    yield chunk
  }
}

test.runIf(zstd !== null)('a compressor that is killed fails the packing, whatever it wrote', async () => {
  const inner = codecs['zstd program']()
  const killed: Compression = {
    ...inner,
    compress(signal) {
      const dying = new AbortController()
      setTimeout(() => dying.abort(new UserError('SB312', 'killed')), 50)
      return inner.compress(AbortSignal.any([signal, dying.signal]))
    }
  }
  const packer = packerFor(encrypted, killed)
  await expect(packer.add('database.dump', child('sh', ['-c', 'while :; do echo y; done']))).rejects.toMatchObject({
    code: 'SB312'
  })
  expect(await leftBehind()).toEqual([])
})

describe('F34, F35: the disk', () => {
  const mount = join(tmpdir(), `archive-disk-${process.pid}`)
  const run = (command: string, args: readonly string[]) =>
    new Promise<boolean>((resolve) => {
      const done = spawn(command, args, { stdio: 'ignore' })
      done.once('error', () => resolve(false))
      done.once('close', (code) => resolve(code === 0))
    })

  test('a disk of 4 to 64 MB in 20 sizes fills up: a clear error that says where, and everything ends', async (context) => {
    const page = 4096
    await run('mkdir', ['-p', mount])
    if (!(await run('mount', ['-t', 'tmpfs', '-o', 'size=4m', 'tmpfs', mount])))
      return context.skip('only root can make a small disk')
    try {
      for (let step = 0; step < 20; step++) {
        // Odd sizes: the disk ends at another byte of a batch of 1 MiB and of an encrypted chunk each time.
        const size = Math.trunc((4e6 + (step * 60e6) / 19) / page) * page + (step % 3) * page
        if (!(await run('mount', ['-o', `remount,size=${size}`, mount]))) throw new Error('no other size')
        const compression = step % 2 === 0 ? codecs['zstd program']() : codecs.none()
        let pid = 0
        const packer = createPacker({ dir: mount, encryption: encrypted, compression, signal: never })
        const content = child('cat', ['/dev/urandom'], (started) => {
          pid = started
        })
        const error = await packer.add('database.dump', content).catch((thrown: unknown) => thrown)
        expect({ size, error }).toMatchObject({ error: { code: 'SB310' } })
        const told =
          /The disk is full: database\.dump\S* needs more than the (\d+) bytes written so far; (\d+) bytes and (\d+) files are free there\./.exec(
            String(error)
          )
        // What was written before the batch that did not fit, which is 1 MiB at most, and two at a time are on their way.
        expect(Number(told?.[1]), String(error)).toBeGreaterThan(size - 3 * 1024 * 1024)
        expect(Number(told?.[1])).toBeLessThanOrEqual(size)
        expect(Number(told?.[2])).toBeLessThan(1024 * 1024)
        expect(isAlive(pid)).toBe(false)
        expect({ size, left: await readdir(mount), staged: packer.staged }).toEqual({ size, left: [], staged: [] })
      }
    } finally {
      await run('umount', [mount])
      await rm(mount, { recursive: true, force: true })
    }
  })

  test('F41, T11: a folder that is none, and a planted link, are refused', async () => {
    await writeFile(join(temp, 'staging'), 'in the way')
    await expect(packerFor(plain, codecs.none()).addPlain('RESTORE.md', Buffer.from('x'))).rejects.toMatchObject({
      code: 'SB311'
    })
    await rm(join(temp, 'staging'))
    const packer = packerFor(plain, codecs.none())
    await packer.addPlain('first', Buffer.from('x'))
    await writeFile(join(temp, 'target'), 'untouched')
    await symlink(join(temp, 'target'), join(temp, 'staging', 'planted'))
    await expect(packer.addPlain('planted', Buffer.from('x'))).rejects.toMatchObject({ code: 'SB311' })
    expect(await readFile(join(temp, 'target'), 'utf8')).toBe('untouched')
  })
})

test('names that are paths or options and names packed twice are bugs of the caller', async () => {
  const packer = packerFor(plain, codecs.none())
  for (const name of ['../x', 'a/b', '', '-x', '.hidden', 'a\n', `${'x'.repeat(201)}`]) {
    await expect(packer.addPlain(name, Buffer.from('x')), name).rejects.toThrow('not a storable name')
  }
  await packer.addPlain('RESTORE.md', Buffer.from('x'))
  await expect(packer.addPlain('RESTORE.md', Buffer.from('x'))).rejects.toThrow('packed twice')
  await packer.remove('RESTORE.md')
  await packer.addPlain('RESTORE.md', Buffer.from('y'))
  expect((await collect(packer.files.open('RESTORE.md'))).toString()).toBe('y')
})

describe('opening a backup that lies somewhere else', () => {
  interface Stored {
    manifest: Manifest
    readonly bytes: Map<string, Buffer>
  }
  const dump = randomBytes(200_000)

  async function store(id: string = exampleManifest().id, encryption: Encryption = encrypted): Promise<Stored> {
    const dir = join(temp, `place-${id}-${encryption.scheme}`)
    const packer = createPacker({ dir, encryption, compression: codecs['zstd of Node'](), signal: never })
    const { project, createdAt } = exampleManifest()
    await packer.add('database.dump', bytesOf(dump))
    await packer.addPlain('RESTORE.md', Buffer.from('how to'))
    const files = Object.fromEntries(packer.staged.map((file) => [file.name, file.sha256]))
    await packer.add(
      'contents.json',
      bytesOf(Buffer.from(JSON.stringify({ format: 1, id, project, createdAt, files })))
    )
    const manifest: Manifest = {
      ...exampleManifest(),
      id,
      encryption: describeEncryption(encryption),
      files: packer.staged.map(({ name, bytes, sha256: digest }) => ({ name, bytes, sha256: digest }))
    }
    const bytes = new Map<string, Buffer>()
    for (const file of packer.staged) bytes.set(file.name, await readFile(file.path))
    return { manifest, bytes }
  }
  let opened = 0
  async function open(
    { manifest, bytes }: Stored,
    identities: readonly string[] | null = [identity],
    compression = codecs['zstd of Node']()
  ): Promise<OpenedBackup> {
    opened += 1
    return openBackup({
      manifest,
      dir: join(temp, `fetched-${opened}`),
      keys: identities === null ? null : await keysOf(identities),
      compression,
      signal: never,
      fetch: (file: StoredFile) => {
        const found = bytes.get(file.name)
        if (found === undefined) throw new UserError('SB404', 'not there')
        return Readable.from([found])
      }
    })
  }
  const change = (stored: Stored, name: string, bytes: Buffer): Stored => ({
    ...stored,
    bytes: new Map(stored.bytes).set(name, bytes)
  })
  const codeOf = async (work: Promise<unknown>): Promise<string> => {
    const error = await work.then(
      () => 'it worked',
      (thrown: unknown) => thrown
    )
    return error instanceof UserError ? `${error.code} ${error.message}` : String(error)
  }

  test('everything comes back', async () => {
    const backup = await open(await store())
    expect(await backup.contents()).toMatchObject({ project: 'shop' })
    expect(() => backup.files.open('database.dump')).toThrow('not fetched')
    await backup.fetch(['database.dump'])
    expect((await collect(backup.files.open('database.dump'))).equals(dump)).toBe(true)
    await backup.checkStored()
    expect((await collect(backup.files.open('RESTORE.md'))).toString()).toBe('how to')
    await backup.drop('database.dump')
    await expect(access(backup.pathOf('database.dump'))).rejects.toThrow('ENOENT')
  })

  test('F65: wrong identity, rotated identity, no identity: each says which fingerprint is needed', async () => {
    const stored = await store()
    const needed = stored.manifest.encryption.recipients.join()
    const stranger = await generateX25519Identity()
    const wrong = await codeOf((await open(stored, [stranger])).contents())
    expect(wrong).toContain('SB502')
    expect(wrong).toContain(needed)
    const none = await codeOf((await open(stored, null)).contents())
    expect(none).toContain('SB503')
    expect(none).toContain(needed)
    await (await open(stored, null)).checkStored()
  })

  test('F62, F63: bytes that differ from the manifest are found before anything is opened, and nothing is kept of them', async () => {
    const stored = await store()
    const name = 'database.dump.zst.age'
    const good = stored.bytes.get(name) ?? Buffer.alloc(0)
    const flipped = Buffer.from(good)
    flipped[100_000] = (flipped[100_000] ?? 0) ^ 4
    for (const [bad, message] of [
      [flipped, 'has another SHA-256'],
      [good.subarray(0, -1), `has ${good.byteLength - 1} bytes instead of ${good.byteLength}`],
      [Buffer.concat([good, Buffer.alloc(1)]), `has more than its ${good.byteLength} bytes`],
      [Buffer.alloc(0), 'has 0 bytes']
    ] as const) {
      const backup = await open(change(stored, name, bad))
      const error = await codeOf(backup.checkStored())
      expect(error).toContain(`SB501 The stored file ${name}`)
      expect(error).toContain(message)
      await expect(access(backup.pathOf('database.dump'))).rejects.toThrow('ENOENT')
    }
  })

  test('F64: missing, swapped, foreign and replayed files each have their own message', async () => {
    const mine = await store()
    const other = await store('20261121T161908Z-aaaaaaaa')
    const name = 'database.dump.zst.age'
    const without = { ...mine, bytes: new Map([...mine.bytes].filter(([each]) => each !== name)) }
    expect(await codeOf((await open(without)).checkStored())).toBe(
      `SB506 ${name} of the backup ${mine.manifest.id} is missing: not there`
    )

    // The dump of another backup, of the same size, with a manifest that was made to fit.
    const swappedFile = other.manifest.files.find((file) => file.name === name)
    const swapped: Stored = {
      manifest: {
        ...mine.manifest,
        files: mine.manifest.files.map((file) => (file.name === name && swappedFile !== undefined ? swappedFile : file))
      },
      bytes: new Map(mine.bytes).set(name, other.bytes.get(name) ?? Buffer.alloc(0))
    }
    expect(await codeOf((await open(swapped)).contents())).toContain(
      `SB507 The files lying here are not of one backup: ${name} is not the file`
    )

    // All files of an old backup under the id of a new one.
    const replayed: Stored = { manifest: { ...other.manifest, id: mine.manifest.id }, bytes: other.bytes }
    expect(await codeOf((await open(replayed)).contents())).toContain(
      `contents.json belongs to the backup ${other.manifest.id}`
    )
    const redated: Stored = { ...mine, manifest: { ...mine.manifest, createdAt: '2027-01-01T00:00:00.000Z' } }
    expect(await codeOf((await open(redated)).contents())).toContain('contents.json was made at')

    const dropped: Stored = {
      ...mine,
      manifest: { ...mine.manifest, files: mine.manifest.files.filter((file) => file.name !== 'RESTORE.md') }
    }
    expect(await codeOf((await open(dropped)).contents())).toContain(
      'contents.json knows RESTORE.md, which the manifest leaves out'
    )
    const added: Stored = {
      ...mine,
      manifest: {
        ...mine.manifest,
        files: [...mine.manifest.files, { name: 'more', bytes: 0, sha256: 'a'.repeat(64) }]
      }
    }
    expect(await codeOf((await open(added)).contents())).toContain(
      'the manifest names more, which contents.json does not know'
    )

    expect(
      foreignNames(mine.manifest, [
        'manifest.json',
        'keep',
        'verification-20261122T170000Z.json',
        ...mine.bytes.keys(),
        'planted.sh'
      ])
    ).toEqual(['planted.sh'])
  })

  test('a shared file lies under `shared` and is fetched like the others', async () => {
    const stored = await store()
    const moved = stored.manifest.files.find((file) => file.name === 'RESTORE.md')
    if (moved === undefined) throw new Error('not reached')
    const shared: Stored = {
      ...stored,
      manifest: { ...stored.manifest, files: stored.manifest.files.filter((file) => file !== moved), shared: [moved] }
    }
    const backup = await open(shared)
    await backup.fetch(['RESTORE.md'])
    expect((await collect(backup.files.open('RESTORE.md'))).toString()).toBe('how to')
    expect(await codeOf(backup.contents())).toContain('which contents.json does not know')
  })

  test('T12: contents that expand without end, or are no strict JSON, are refused', { timeout: 60_000 }, async () => {
    const stored = await store()
    const pack = async (content: Content): Promise<Stored> => {
      const packer = createPacker({
        dir: join(temp, randomBytes(8).toString('hex')),
        encryption: encrypted,
        compression: codecs['zstd of Node'](),
        signal: never
      })
      await packer.add('contents.json', content)
      const file = packer.staged[0]
      if (file === undefined) throw new Error('not reached')
      const files = stored.manifest.files.map((each) =>
        each.name === file.name ? { name: file.name, bytes: file.bytes, sha256: file.sha256 } : each
      )
      return change({ ...stored, manifest: { ...stored.manifest, files } }, file.name, await readFile(file.path))
    }
    const zeros = async function* () {
      for (let written = 0; written < 300; written += 1) yield Buffer.alloc(1024 * 1024, 0x20)
    }
    expect(await codeOf((await open(await pack({ bytes: zeros() }))).contents())).toContain(
      'SB509 A part of contents.json is larger than'
    )
    const twice = await pack(bytesOf(Buffer.from('{"format":1,"format":1}')))
    expect(await codeOf((await open(twice)).contents())).toContain('it holds a key twice')
    const newer = await pack(bytesOf(Buffer.from('{"format":7}')))
    expect(await codeOf((await open(newer)).contents())).toContain('SB504')
  })

  test.runIf(zstd !== null).each(['zstd of Node', 'zstd program'] as const)(
    'T12: 10 GiB out of a few kilobytes, and brackets without end, end soon and in bounded memory: %s',
    { timeout: 120_000 },
    async (codec) => {
      const stored = await store()
      const sealed = async (frames: readonly Uint8Array[]): Promise<Stored> => {
        const dir = join(temp, randomBytes(8).toString('hex'))
        const packer = createPacker({ dir, encryption: encrypted, compression: codecs.none(), signal: never })
        // Compressed already: the name says so, as a stranger would write it.
        await packer.add('contents.json.zst', bytesOf(...frames))
        const file = packer.staged[0]
        if (file === undefined) throw new Error('not reached')
        const files = stored.manifest.files.map((each) =>
          each.name === file.name ? { name: file.name, bytes: file.bytes, sha256: file.sha256 } : each
        )
        return change({ ...stored, manifest: { ...stored.manifest, files } }, file.name, await readFile(file.path))
      }
      const frame = (character: string) => zstdCompressSync(Buffer.alloc(64 * 1024 * 1024, character))
      for (const [words, frames, reason] of [
        ['spaces', Array<Uint8Array>(160).fill(frame(' ')), 'A part of contents.json is larger than'],
        ['brackets', Array<Uint8Array>(3).fill(frame('[')), 'nested deeper']
      ] as const) {
        const backup = await open(await sealed(frames), [identity], codecs[codec]())
        let most = 0
        const before = process.memoryUsage().rss
        const watch = setInterval(() => {
          most = Math.max(most, process.memoryUsage().rss - before)
        }, 20)
        try {
          expect(await codeOf(backup.contents()), words).toContain(reason)
        } finally {
          clearInterval(watch)
        }
        expect(most, words).toBeLessThan(512 * 1024 * 1024)
      }
    }
  )

  test('the manifest of such a backup is written and read', async () => {
    const { manifest } = await store()
    expect(parseManifest(renderManifest(manifest))).toMatchObject({ kind: 'ok' })
  })
})
