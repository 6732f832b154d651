import { execFile } from 'node:child_process'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { renderManifest, withDigest } from '../../src/archive/manifest.ts'
import { checkSignature, readSigningKey, readVerifyKey, signManifest } from '../../src/archive/signature.ts'
import { parseIdentities, parseRecipients } from '../../src/inputs/keys.ts'
import { exampleManifest } from '../unit/archive/manifests.ts'

const run = promisify(execFile)
let dir: string
let blocks: string[]

beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), 'sb-keys-doc-'))
  const text = await readFile(join(import.meta.dirname, '../../docs/keys.md'), 'utf8')
  blocks = [...text.matchAll(/^```sh\n(.*?)^```$/gms)].map((match) => match[1] ?? '')
})
afterAll(() => rm(dir, { recursive: true, force: true }))

const bash = (block: string | undefined) => run('bash', ['-euc', block ?? 'exit 9'], { cwd: dir })
const content = (name: string) => readFile(join(dir, name), 'utf8')

test('the commands of docs/keys.md make age keys that the inputs take, and the canary tells a wrong key', async () => {
  await bash(blocks[0])
  const recipients = parseRecipients(await content('recipients.txt'))
  expect(recipients.ok && recipients.value).toHaveLength(2)
  for (const name of ['daily.txt', 'offline.txt']) expect(parseIdentities(await content(name)).ok).toBe(true)
  expect((await bash(blocks[1])).stdout).toBe('the canary sings\nthe canary sings\n')

  await rm(join(dir, 'offline.txt'))
  await run('age-keygen', ['-o', 'offline.txt'], { cwd: dir })
  await expect(bash(blocks[1])).rejects.toThrow('no identity matched')
})

test('the commands of docs/keys.md make a pair that signs and verifies', async () => {
  await bash(blocks[2])
  expect(blocks).toHaveLength(4)
  const key = readVerifyKey(await content('verify.pem'))
  const signed = signManifest(exampleManifest(), readSigningKey(await content('signing.pem')))
  expect(checkSignature(signed, [key])).toEqual({ kind: 'valid', key: key.fingerprint })
})

test('the commands of docs/keys.md check the signature of a manifest with openssl alone, and notice a change', async () => {
  // Text that JSON could write in more than one way, names that sort, numbers of many digits.
  const manifest = { ...exampleManifest(), tool: 'supabase-backup 1.0 "quoted" \\\\ ünï\u2028 \u0001 /' }
  const signed = signManifest(manifest, readSigningKey(await content('signing.pem')))
  const write = (text: string | Uint8Array) => writeFile(join(dir, 'manifest.json'), text)
  await write(renderManifest(withDigest(signed)))
  expect((await bash(blocks[3])).stdout).toContain('Signature Verified Successfully')
  expect((await content('digests.txt')).split('\n').length).toBe(signed.files.length + (signed.shared?.length ?? 0) + 1)

  await write(JSON.stringify({ ...signed, project: 'other' }))
  await expect(bash(blocks[3])).rejects.toThrow()
})
