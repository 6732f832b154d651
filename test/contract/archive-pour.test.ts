import { createHash, randomBytes } from 'node:crypto'
import { mkdtemp, open, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Readable } from 'node:stream'
import { generateX25519Identity, identityToRecipient } from 'age-encryption'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { encryptionFor } from '../../src/archive/encryption.ts'
import { createPacker, type Packer } from '../../src/archive/pack.ts'
import { childEnvironment, type RunningChild, startChild } from '../../src/clients/process/child-process.ts'
import { createCompression, findZstd } from '../../src/clients/process/zstd.ts'
import { UserError } from '../../src/errors.ts'

const never = new AbortController().signal
const plain = Buffer.concat([randomBytes(3_000_000), Buffer.alloc(3_000_000, 'rows of a table ')])

let temp: string
let packer: Packer
beforeEach(async () => {
  temp = await mkdtemp(join(tmpdir(), 'archive-pour-'))
})
afterEach(async () => {
  packer.close()
  await rm(temp, { recursive: true, force: true })
})

async function pack(zstd: string | null, method: 'zstd' | 'gzip' = 'zstd'): Promise<string> {
  packer = createPacker({
    dir: temp,
    encryption: encryptionFor([await identityToRecipient(await generateX25519Identity())]),
    compression: createCompression({ method, zstd, home: temp }),
    signal: never
  })
  const added = await packer.add('database.dump', { bytes: Readable.from([plain]) })
  return join(temp, added.storedName)
}

/** A program that reads its standard input; what it says comes back when it has ended. */
function reader(script: string): { child: RunningChild; said: Promise<string> } {
  const child = startChild({
    command: process.execPath,
    args: ['-e', script],
    env: childEnvironment(temp),
    signal: never,
    stdin: 'pipe',
    stdout: 'pipe'
  })
  const said = (async () => {
    let text = ''
    for await (const chunk of child.stdout ?? []) text += String(chunk)
    await child.done
    return text
  })()
  return { child, said }
}

const digestOfInput = `const hash = require('node:crypto').createHash('sha256'); let bytes = 0
process.stdin.on('data', (chunk) => { hash.update(chunk); bytes += chunk.length }).on('end', () => console.log(bytes, hash.digest('hex')))`

function pour(child: RunningChild): Promise<boolean> | null {
  if (child.stdin === null || packer.files.pour === undefined) throw new Error('nothing to pour into')
  return packer.files.pour('database.dump', child.stdin)
}

describe('a packed file that runs straight into a child', () => {
  test('comes whole, and the child sees its end', async () => {
    await pack(await findZstd())
    const { child, said } = reader(digestOfInput)
    expect(await pour(child)).toBe(true)
    expect(await said).toBe(`${plain.length} ${createHash('sha256').update(plain).digest('hex')}\n`)
  })

  test('a child that stops reading is told from a damaged file', async () => {
    await pack(await findZstd())
    const { child, said } = reader(`process.stdin.once('data', () => process.exit(0))`)
    expect(await pour(child)).toBe(false)
    await said
  })

  test('a bit flipped in its middle is found, and no byte of that chunk was handed on', async () => {
    const path = await pack(await findZstd())
    const { size } = await stat(path)
    const at = Math.trunc(size / 2)
    const file = await open(path, 'r+')
    const byte = (await readFile(path)).subarray(at, at + 1)
    await file.write(Buffer.from([(byte[0] ?? 0) ^ 1]), 0, 1, at)
    await file.close()
    const { child, said } = reader(`const parts = []
process.stdin.on('data', (chunk) => parts.push(chunk)).on('end', () => process.stdout.write(Buffer.concat(parts).toString('base64')))`)
    const failure = await pour(child)?.catch((error: unknown) => error)
    expect(failure).toBeInstanceOf(UserError)
    expect((failure as UserError).code).toBe('SB501')
    const got = Buffer.from(await said, 'base64')
    expect(got.length).toBeLessThan(plain.length)
    expect(got.equals(plain.subarray(0, got.length))).toBe(true)
  })

  test('one that is cut is found', async () => {
    const path = await pack(await findZstd())
    const file = await open(path, 'r+')
    await file.truncate((await file.stat()).size - 70_000)
    await file.close()
    const { child, said } = reader(digestOfInput)
    await expect(pour(child)).rejects.toMatchObject({ code: 'SB501' })
    await said
  })

  test('a decompressor that is content before the file ends does not make it whole', async () => {
    const zstd = join(temp, 'content-early')
    // Packs as zstd does; unpacks the first bytes of what it gets, and ends as if that were all.
    await writeFile(
      zstd,
      `#!/bin/sh\nfor each in "$@"; do\n  if [ "$each" = -d ]; then head -c 1000 >&2; exit 0; fi\ndone\nexec ${await findZstd()} "$@"\n`,
      { mode: 0o700 }
    )
    await pack(zstd)
    const { child, said } = reader(digestOfInput)
    await expect(pour(child)).rejects.toMatchObject({
      code: 'SB501',
      message: 'database.dump.zst.age is damaged: something follows its end.'
    })
    await said
  })

  test.each([
    ['without the program', null, 'zstd'],
    ['packed by gzip', '/usr/bin/zstd', 'gzip']
  ] as const)('%s nothing is done, and the child waits for the caller', async (_, zstd, method) => {
    await pack(zstd, method)
    const { child, said } = reader(digestOfInput)
    expect(pour(child)).toBeNull()
    child.stdin?.end('others')
    expect(await said).toMatch(/^6 /)
  })
})
