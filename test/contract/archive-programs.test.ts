import { execFile, spawn } from 'node:child_process'
import { createHash, randomBytes } from 'node:crypto'
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Readable } from 'node:stream'
import { promisify } from 'node:util'
import { generateX25519Identity, identityToRecipient } from 'age-encryption'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { makeCanary } from '../../src/archive/canary.ts'
import { describeEncryption, encryptionFor, keysOf } from '../../src/archive/encryption.ts'
import { type Manifest, renderManifest } from '../../src/archive/manifest.ts'
import { createPacker } from '../../src/archive/pack.ts'
import { recoveryText } from '../../src/archive/recovery.ts'
import { openStoredFile } from '../../src/archive/stored-bytes.ts'
import { createCompression, findZstd } from '../../src/clients/process/zstd.ts'
import { exampleManifest } from '../unit/archive/manifests.ts'

const run = promisify(execFile)
const has = (program: string) =>
  run(program, ['--version']).then(
    () => true,
    () => false
  )
const hasPrograms = (await has('age')) && (await has('zstd'))
const never = new AbortController().signal
const sizes = [0, 1, 65_535, 65_536, 65_537, 131_071, 131_072, 131_073, 1_000_000]

let temp: string
beforeEach(async () => {
  temp = await mkdtemp(join(tmpdir(), 'archive-programs-'))
})
afterEach(async () => {
  await rm(temp, { recursive: true, force: true })
})

async function collect(stream: Readable): Promise<Buffer> {
  const chunks: Uint8Array[] = []
  for await (const chunk of stream) chunks.push(chunk)
  return Buffer.concat(chunks)
}

test.runIf(hasPrograms)(
  'age opens what is sealed here, and here opens what age sealed, around every border of chunks',
  async () => {
    const identity = await generateX25519Identity()
    const recipient = await identityToRecipient(identity)
    await writeFile(join(temp, 'key.txt'), `${identity}\n`, { mode: 0o600 })
    const compression = createCompression({ method: 'none', zstd: null, home: temp })
    const packer = createPacker({
      dir: join(temp, 'ours'),
      encryption: encryptionFor([recipient]),
      compression,
      signal: never
    })
    const keys = await keysOf([identity])
    for (const size of sizes) {
      const plain = randomBytes(size)
      await packer.add(`file-${size}`, { bytes: Readable.from(size === 0 ? [] : [plain]) })
      const opened = await run('age', ['-d', '-i', join(temp, 'key.txt'), join(temp, 'ours', `file-${size}.age`)], {
        encoding: 'buffer',
        maxBuffer: 10_000_000
      })
      expect(opened.stdout.equals(plain), `age opens ${size}`).toBe(true)

      const path = join(temp, `theirs-${size}.age`)
      await writeFile(join(temp, 'plain'), plain)
      await run('age', ['-r', recipient, '-o', path, join(temp, 'plain')])
      const stored = await readFile(path)
      const file = {
        name: 'theirs.age',
        path,
        bytes: stored.byteLength,
        sha256: createHash('sha256').update(stored).digest('hex')
      }
      const fileKeyOf = async (header: Uint8Array) => {
        const key = await keys.openHeader(header)
        if (key.kind !== 'opened') throw new Error(key.kind)
        return key.fileKey
      }
      expect(
        (await collect(openStoredFile(file, fileKeyOf, compression, never))).equals(plain),
        `here opens ${size}`
      ).toBe(true)
    }
  }
)

test.runIf(hasPrograms).each(['zstd', 'gzip', 'none'] as const)(
  'the commands of RESTORE.md, run as they stand, check, join and open a backup packed with %s',
  async (method) => {
    const identity = await generateX25519Identity()
    const encryption = encryptionFor([await identityToRecipient(identity)])
    const compression = createCompression({ method, zstd: await findZstd(), home: temp })
    const dir = join(temp, 'backup')
    const packer = createPacker({ dir, encryption, compression, signal: never })
    const dump = randomBytes(300_000)
    await packer.add('database.dump', { bytes: Readable.from([dump]) })
    const { id, project, createdAt } = exampleManifest()
    const canary = makeCanary({ id, project, encryption: describeEncryption(encryption) }, randomBytes)
    await packer.addUncompressed(canary.name, Buffer.from(canary.text))
    const text = recoveryText({
      id,
      project,
      createdAt,
      encryption: describeEncryption(encryption),
      files: packer.staged
    })
    await packer.addPlain('RESTORE.md', Buffer.from(text))
    await packer.add('contents.json', { bytes: Readable.from([Buffer.from('{"format":1}')]) })

    // As it would lie there after a download of artifacts: with prefixes, the dump cut in two.
    const place = join(temp, 'downloaded')
    await mkdir(place)
    const put = (name: string, bytes: Uint8Array) => writeFile(join(place, `${project}.${id}.${name}`), bytes)
    for (const file of packer.staged) {
      const bytes = await readFile(file.path)
      if (file.name.startsWith('database.dump')) {
        await put(`${file.name}.000`, bytes.subarray(0, 123_457))
        await put(`${file.name}.001`, bytes.subarray(123_457))
      } else await put(file.name, bytes)
    }
    const manifest: Manifest = {
      ...exampleManifest(),
      files: packer.staged.map(({ name, bytes, sha256 }) => ({ name, bytes, sha256 }))
    }
    await put('manifest.json', renderManifest(manifest))
    await writeFile(join(place, 'key.txt'), `${identity}\n`)

    const steps = text.slice(0, text.indexOf('## 4.'))
    const commands = [...steps.matchAll(/```sh\n([\s\S]*?)```/g)].map((match) => match[1] ?? '')
    expect(commands).toHaveLength(5)
    const { stdout } = await run('sh', ['-e', '-c', commands.join('\n')], {
      cwd: place,
      env: { PATH: process.env.PATH }
    })
    expect(stdout).toMatch(/^database\.dump\S*: OK$/m)
    expect(stdout).toMatch(/^canary-\S*\.txt\.age: OK$/m)
    expect(stdout.endsWith(canary.text)).toBe(true)
    expect((await readFile(join(place, 'database.dump'))).equals(dump)).toBe(true)
    expect(await readFile(join(place, 'contents.json'), 'utf8')).toBe('{"format":1}')

    // One changed byte stops it at the list of checksums.
    await writeFile(
      join(
        place,
        `database.dump${compression.method === 'zstd' ? '.zst' : compression.method === 'gzip' ? '.gz' : ''}.age.000`
      ),
      'x',
      { flag: 'r+' }
    )
    await expect(run('sh', ['-e', '-c', commands.join('\n')], { cwd: place })).rejects.toThrow()
  }
)

test.runIf(hasPrograms)('the fingerprint that RESTORE.md computes is that of the manifest', async () => {
  const identity = await generateX25519Identity()
  const encryption = describeEncryption(encryptionFor([await identityToRecipient(identity)]))
  await writeFile(join(temp, 'key.txt'), `${identity}\n`)
  const { stdout } = await run('sh', ['-c', 'printf %s "$(age-keygen -y key.txt)" | sha256sum | cut -c1-16'], {
    cwd: temp
  })
  expect(encryption.recipients).toEqual([`fp:${stdout.trim()}`])
})

test.runIf(hasPrograms)('zstd -t accepts what either compressor wrote, with a checksum inside', async () => {
  for (const zstd of [await findZstd(), null]) {
    const compression = createCompression({ method: 'zstd', zstd, home: temp })
    const packer = createPacker({
      dir: join(temp, zstd === null ? 'node' : 'program'),
      encryption: { scheme: 'none' },
      compression,
      signal: never
    })
    await packer.add('x', { bytes: Readable.from([randomBytes(100_000)]) })
    const path = packer.staged[0]?.path ?? ''
    const tested = spawn('zstd', ['-lv', path], { stdio: ['ignore', 'pipe', 'ignore'] })
    expect((await collect(tested.stdout)).toString()).toContain('Check: XXH64')
    await run('zstd', ['-t', '-q', path])
  }
})
