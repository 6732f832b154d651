import { execFile } from 'node:child_process'
import { generateKeyPairSync } from 'node:crypto'
import { cp, mkdtemp, readdir, readFile, rename, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { generateIdentity, identityToRecipient } from 'age-encryption'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { compactTime } from '../../src/archive/backup-id.ts'
import { fingerprintOf } from '../../src/archive/encryption.ts'
import { parseManifest, renderManifest, withDigest } from '../../src/archive/manifest.ts'
import { type ActionRun, runAction } from '../kit/action.ts'
import { binDirOf } from '../kit/postgres/programs.ts'
import { type PostgresServer, startPostgres } from '../kit/postgres/server.ts'

const execute = promisify(execFile)
let server: PostgresServer
let root: string
const runs: ActionRun[] = []

beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), 'sb-keys-'))
  server = await startPostgres({ major: 15 })
  await server.query('create table public.things as select g as id from generate_series(1, 10) g')
})
afterAll(async () => {
  for (const done of runs) await done.cleanUp()
  await server.stop()
  await rm(root, { recursive: true, force: true })
})

const run = async (inputs: Readonly<Record<string, string>>): Promise<ActionRun> => {
  const done = await runAction({ inputs: { destinations: 'folder', 'pg-bin': binDirOf(15), ...inputs } })
  runs.push(done)
  return done
}
const backup = (inputs: Readonly<Record<string, string>>) =>
  run({ 'database-url': server.url(server.superuser), project: 'shop', verify: 'none', ...inputs })
const outcome = ({ code, outputs, result }: ActionRun) => ({
  code,
  status: outputs['status'],
  error: result?.error?.code
})
const passed = { code: 0, status: 'complete', error: undefined }
const failed = (error: string) => ({ code: 1, status: 'failed', error })
const newFolder = () => mkdtemp(join(root, 'folder-'))

describe('recipients', () => {
  const reminder = 'Nobody has shown yet that a key opens'
  /** What the summary of a backup says of it. */
  const openStep = 'One step is open'
  let folder: string
  let daily: string
  let offline: string
  let dailyRecipient: string
  let offlineRecipient: string

  beforeAll(async () => {
    folder = await newFolder()
    daily = await generateIdentity()
    offline = await generateIdentity()
    dailyRecipient = await identityToRecipient(daily)
    offlineRecipient = await identityToRecipient(offline)
  })

  test('until somebody has opened a backup with a key, the summary and check remind of it', async () => {
    const first = await backup({ folder, recipients: `${dailyRecipient}\n${offlineRecipient}` })
    expect(outcome(first)).toEqual(passed)
    expect(first.summary).toContain(openStep)
    expect(first.result?.keyShown).toBe(false)

    const check = async () => {
      const done = await run({ command: 'check', folder })
      return done.result?.warnings.filter((warning) => warning.startsWith(reminder))
    }
    const before = await run({ command: 'check', folder })
    expect(before.result?.alarms?.map(({ kind }) => kind)).toEqual(['not-verified'])
    expect(await check()).toHaveLength(1)
    // Checksums say nothing of a key, and one that does not fit opens nothing.
    expect(outcome(await run({ command: 'verify', folder }))).toEqual(passed)
    expect(outcome(await run({ command: 'verify', folder, identity: await generateIdentity() }))).toEqual(
      failed('SB502')
    )
    expect(await check()).toHaveLength(1)

    expect(outcome(await run({ command: 'verify', folder, identity: offline, verify: 'read' }))).toEqual(passed)
    expect(await check()).toEqual([])
    const second = await backup({ folder, recipients: `${dailyRecipient}\n${offlineRecipient}` })
    expect(outcome(second)).toEqual(passed)
    expect(second.summary).not.toContain(openStep)
    expect(second.result?.keyShown).toBe(true)
  })

  test('a canary that the offline key opened with age alone ends the reminder, and nothing else told as a word does', async () => {
    const place = await newFolder()
    const first = await backup({ folder: place, recipients: `${dailyRecipient}\n${offlineRecipient}` })
    expect(outcome(first)).toEqual(passed)
    expect(first.summary).toContain(openStep)
    const id = first.outputs['backup-id'] ?? ''
    const canary = first.result?.canary ?? ''
    expect(first.summary).toContain(canary)
    const manifest = parseManifest(await readFile(join(place, 'shop', id, 'manifest.json')))
    expect(manifest.kind === 'ok' && manifest.manifest.files.map(({ name }) => name)).toContain(canary)

    // On another machine, with nothing but age.
    const open = async (identity: string) => {
      const key = join(root, 'key.txt')
      await writeFile(key, `${identity}\n`, { mode: 0o600 })
      const opened = await execute('age', ['-d', '-i', key, join(place, 'shop', id, canary)])
      return opened.stdout
    }
    await expect(open(await generateIdentity())).rejects.toThrow('no identity matched')
    const text = await open(offline)
    for (const part of [id, fingerprintOf(dailyRecipient), fingerprintOf(offlineRecipient)])
      expect(text).toContain(part)
    expect(await open(daily)).toBe(text)
    const word = /canary-[a-z2-7-]+/.exec(text)?.[0] ?? ''

    const reminded = async () =>
      (await run({ command: 'check', folder: place })).result?.warnings.filter((warning) =>
        warning.startsWith(reminder)
      )
    expect(await reminded()).toEqual([expect.stringContaining(canary)])
    const guessed = await run({ command: 'verify', folder: place, canary: 'canary-aaaaa-aaaaa-aaaaa-aaaaa-aaaaa' })
    expect(outcome(guessed)).toEqual(failed('SB608'))
    const misplaced = await run({ command: 'download', folder: place, identity: word })
    expect(outcome(misplaced)).toEqual(failed('SB006'))
    expect(await reminded()).toHaveLength(1)

    // A later backup makes no difference: the word says which one it is of.
    await backup({ folder: place, recipients: `${dailyRecipient}\n${offlineRecipient}` })
    const told = await run({ command: 'verify', folder: place, canary: word })
    expect(outcome(told)).toEqual(passed)
    expect(told.summary).toContain('## ✅ Your key opens the backups of <code>shop</code>: noted')
    expect(told.result?.backup?.id).toBe(id)
    expect(told.result?.verified).toBe('checksum')
    expect(await reminded()).toEqual([])
    const next = await backup({ folder: place, recipients: `${dailyRecipient}\n${offlineRecipient}` })
    expect(next.summary).toContain('## ✅ <code>shop</code> is backed up')
    // With the backup goes what was shown of it.
    expect(outcome(await run({ command: 'delete', folder: place, backup: id, 'confirm-target': id }))).toEqual(passed)
    expect(await reminded()).toHaveLength(1)
  })

  test('the word of a canary is taken by a backup, too, which thanks for it', async () => {
    const place = await newFolder()
    const first = await backup({ folder: place, recipients: offlineRecipient })
    const key = join(root, 'key.txt')
    await writeFile(key, `${offline}\n`, { mode: 0o600 })
    const file = join(place, 'shop', first.outputs['backup-id'] ?? '', first.result?.canary ?? '')
    const canary = (await execute('age', ['-d', '-i', key, file])).stdout
    const next = await backup({ folder: place, recipients: offlineRecipient, canary })
    expect(next.summary).toContain('## ✅ <code>shop</code> is backed up')
    expect(next.summary).toContain('Thank you: your key opens these backups.')
    const other = await backup({
      folder: place,
      recipients: offlineRecipient,
      canary: 'canary-aaaaa-aaaaa-aaaaa-aaaaa-aaaaa'
    })
    expect(outcome(other)).toEqual(passed)
    expect(other.log).toContain('stands in the canary of no backup that lies here')
  })

  test('a canary that was exchanged is found, and a backup without recipients has none', async () => {
    const place = await newFolder()
    const made = await backup({ folder: place, recipients: offlineRecipient })
    const file = join(place, 'shop', made.outputs['backup-id'] ?? '', made.result?.canary ?? '')
    const bytes = await readFile(file)
    bytes[bytes.length - 1] = (bytes.at(-1) ?? 0) ^ 1
    await writeFile(file, bytes)
    expect(outcome(await run({ command: 'verify', folder: place, verify: 'checksum' }))).toEqual(failed('SB501'))
    for (const inputs of [{}, { passphrase: 'correct horse battery staple' }]) {
      const plain = await backup({ folder: await newFolder(), ...inputs })
      expect(outcome(plain)).toEqual(passed)
      expect(plain.result?.canary).toBeUndefined()
      expect(plain.summary).toContain(`## ${'passphrase' in inputs ? '✅' : '🔓'} <code>shop</code> is backed up`)
    }
  })

  test('may not shrink, give way to a passphrase or be left out unless that is said', async () => {
    const before = await readdir(join(folder, 'shop'))
    const lost = fingerprintOf(offlineRecipient)
    for (const inputs of [
      { recipients: dailyRecipient },
      { recipients: await identityToRecipient(await generateIdentity()) },
      { passphrase: 'correct horse battery staple' },
      {},
      { recipients: dailyRecipient, 'accept-recipients': fingerprintOf('age1somebody') }
    ]) {
      const refused = await backup({ folder, ...inputs })
      expect(outcome(refused)).toEqual(failed('SB908'))
      expect(refused.result?.error?.message).toContain(lost)
      expect(refused.result?.error?.remedy).toContain(lost)
      expect(refused.log).toMatch(/^::error title=[^:]+::SB908: /m)
      expect(refused.log).not.toContain('Capturing')
    }
    expect(await readdir(join(folder, 'shop'))).toEqual(before)
  })

  test('may shrink when what goes is named, once', async () => {
    const agreed = await backup({
      folder,
      recipients: dailyRecipient,
      'accept-recipients': fingerprintOf(offlineRecipient)
    })
    expect(outcome(agreed)).toEqual(passed)
    expect(agreed.summary).toContain('any more')
    // From then on this is the set to compare with, and its key has not been shown.
    const next = await backup({ folder, recipients: dailyRecipient })
    expect(outcome(next)).toEqual(passed)
    expect(next.result?.warnings).toEqual([])
    expect(next.summary).toContain(openStep)
  })

  test('a value that names no key is refused before anything else', async () => {
    const wrong = await backup({ folder, recipients: dailyRecipient, 'accept-recipients': 'all of them' })
    expect(outcome(wrong)).toEqual(failed('SB006'))
    expect(wrong.log).not.toContain('all of them')
  })
})

describe('signatures', () => {
  const pair = () => {
    const { privateKey, publicKey } = generateKeyPairSync('ed25519')
    return {
      signing: privateKey.export({ type: 'pkcs8', format: 'pem' }).toString(),
      verify: publicKey.export({ type: 'spki', format: 'pem' }).toString()
    }
  }
  const mine = pair()
  const other = pair()
  let folder: string
  let id: string

  beforeAll(async () => {
    folder = await newFolder()
    const done = await backup({ folder, 'signing-key': mine.signing, verify: 'read' })
    expect(outcome(done)).toEqual(passed)
    id = done.outputs['backup-id'] ?? ''
  })

  /** A copy of the place with something done to it, and what `verify` says of it. */
  const verifyAfter = async (
    change: (place: string) => Promise<unknown>,
    inputs: Readonly<Record<string, string>> = {}
  ): Promise<ActionRun> => {
    const place = await newFolder()
    await cp(folder, place, { recursive: true })
    await change(place)
    return run({ command: 'verify', folder: place, 'verify-key': mine.verify, verify: 'checksum', ...inputs })
  }
  const rewrite = async (file: string, change: (manifest: Record<string, unknown>) => Record<string, unknown>) => {
    const parsed = parseManifest(await readFile(file))
    if (parsed.kind !== 'ok') throw new Error(parsed.kind)
    const changed = change({ ...parsed.manifest })
    // A writer to the place can give it a fitting digest, as this does.
    await writeFile(file, renderManifest(withDigest(Object.assign(parsed.manifest, changed))))
  }
  const nothing = () => Promise.resolve()

  test('a signed backup passes with its key, and restore and download demand it, too', async () => {
    expect(outcome(await verifyAfter(nothing))).toEqual(passed)
    expect(outcome(await run({ command: 'download', folder, 'verify-key': mine.verify }))).toEqual(passed)
    expect(outcome(await run({ command: 'download', folder, 'verify-key': other.verify }))).toEqual(failed('SB510'))
    const restored = await run({
      command: 'restore',
      folder,
      'verify-key': other.verify,
      'target-database-url': server.url(server.superuser),
      'dry-run': 'true'
    })
    expect(outcome(restored)).toEqual(failed('SB510'))
  })

  test('T8: another key, and no signature, are each told', async () => {
    const foreign = await verifyAfter(nothing, { 'verify-key': other.verify })
    expect(outcome(foreign)).toEqual(failed('SB510'))
    expect(foreign.result?.error?.message).toContain('is signed by the key fp:')
    const unsigned = await newFolder()
    expect(outcome(await backup({ folder: unsigned }))).toEqual(passed)
    const bare = await run({ command: 'verify', folder: unsigned, 'verify-key': mine.verify })
    expect(outcome(bare)).toEqual(failed('SB510'))
    expect(bare.result?.error?.message).toContain('is not signed')
  })

  test('T8: a manifest that was changed is told, with its digest mended or not', async () => {
    const manifest = (place: string) => join(place, 'shop', id, 'manifest.json')
    const mended = await verifyAfter((place) => rewrite(manifest(place), (was) => ({ ...was, tool: 'evil 1.0.0' })))
    expect(outcome(mended)).toEqual(failed('SB510'))
    expect(mended.result?.error?.message).toContain('was changed after')
    const crude = await verifyAfter(async (place) => {
      const text = await readFile(manifest(place), 'utf8')
      await writeFile(manifest(place), text.replace('"type": "full"', '"type": "data"'))
    })
    expect(outcome(crude)).toEqual(failed('SB501'))
  })

  test('T8: an old backup with the date of today is told, however it was dated', async () => {
    const now = new Date()
    const later = `${compactTime(now)}-${id.slice(-8)}`
    const renamed = await verifyAfter((place) => rename(join(place, 'shop', id), join(place, 'shop', later)))
    expect(outcome(renamed)).toEqual(failed('SB902'))
    expect(renamed.result?.error?.message).toContain(`its manifest is that of shop/${id}`)
    const redated = await verifyAfter(async (place) => {
      await rewrite(join(place, 'shop', id, 'manifest.json'), (was) => ({
        ...was,
        id: later,
        createdAt: now.toISOString()
      }))
      await rename(join(place, 'shop', id), join(place, 'shop', later))
    })
    expect(outcome(redated)).toEqual(failed('SB510'))
  })

  test('T8: a backup of one project in the place of another is told', async () => {
    const copied = await verifyAfter(
      async (place) => {
        await cp(join(place, 'shop', id), join(place, 'blog', id), { recursive: true })
      },
      { project: 'blog' }
    )
    expect(outcome(copied)).toEqual(failed('SB902'))
    const relabelled = await verifyAfter(
      async (place) => {
        await cp(join(place, 'shop', id), join(place, 'blog', id), { recursive: true })
        await rewrite(join(place, 'blog', id, 'manifest.json'), (was) => ({ ...was, project: 'blog' }))
      },
      { project: 'blog' }
    )
    expect(outcome(relabelled)).toEqual(failed('SB510'))
  })
})
