import { execFile } from 'node:child_process'
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { afterAll, beforeAll, expect, test } from 'vitest'
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
  expect(blocks).toHaveLength(3)
  const key = readVerifyKey(await content('verify.pem'))
  const signed = signManifest(exampleManifest(), readSigningKey(await content('signing.pem')))
  expect(checkSignature(signed, [key])).toEqual({ kind: 'valid', key: key.fingerprint })
})
