import { randomBytes } from 'node:crypto'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { generateIdentity, identityToRecipient } from 'age-encryption'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { type ActionRun, runAction } from '../kit/action.ts'
import { type StorageDouble, startStorage } from '../kit/supabase/storage.ts'

const key = 'sb_secret_3Qm7tTzL0pKc9vXy2WbNq5RsDfGhJk_8aBcDeF'
const ref = 'abcdefghijklmnopqrst'
const small = ['a.txt', 'c.txt', 'e.txt', 'f.txt']
const large = ['b.bin', 'd.bin']
const all = [...small, ...large].toSorted()

describe('files through the bundle, into a target that fails', () => {
  let root: string
  let source: StorageDouble
  let target: StorageDouble
  let identity: string
  const runs: ActionRun[] = []
  const run = async (inputs: Readonly<Record<string, string>>): Promise<ActionRun> => {
    const done = await runAction({
      inputs: { include: 'storage', project: 'shop', destinations: 'folder', folder: join(root, 'folder'), ...inputs }
    })
    runs.push(done)
    return done
  }
  const restore = (inputs: Readonly<Record<string, string>> = {}) =>
    run({
      command: 'restore',
      identity,
      'target-supabase-url': target.url,
      'target-service-role-key': key,
      'target-project-ref': ref,
      'confirm-target': ref,
      retries: '0',
      ...inputs
    })
  const told = ({ code, outputs, result, summary, log }: ActionRun) => ({
    code,
    status: outputs['status'],
    named: all.filter((name) => result?.findings?.some(({ subject }) => subject === `Storage file files/${name}`)),
    error: result?.error !== undefined && log.includes(`::${result.error.code}: `),
    summary: summary !== ''
  })
  /** What lies in the target as it is in the source. */
  const equal = () =>
    all.filter(
      (name) => target.get('files', name)?.bytes?.equals(source.get('files', name)?.bytes ?? Buffer.alloc(0)) === true
    )

  beforeAll(async () => {
    root = await mkdtemp(join(tmpdir(), 'sb-outages-'))
    identity = await generateIdentity()
    source = await startStorage({ key })
    source.addBucket('files')
    for (const name of small) source.put('files', name, Buffer.from(`content of ${name}`))
    for (const name of large) source.put('files', name, randomBytes(13_000_000))
    const done = await run({
      'supabase-url': source.url,
      'service-role-key': key,
      recipients: await identityToRecipient(identity)
    })
    expect({ code: done.code, error: done.result?.error }).toEqual({ code: 0 })
  })
  beforeEach(async () => {
    target = await startStorage({ key })
  })
  afterEach(async () => {
    await target.stop()
    for (const one of runs.splice(0)) await one.cleanUp()
  })
  afterAll(async () => {
    await source.stop()
    await rm(root, { recursive: true, force: true })
  })

  test('F69: large files go over those that are there', async () => {
    target.addBucket('files')
    for (const name of all) target.put('files', name, Buffer.from('another'))
    expect(told(await restore())).toEqual({ code: 0, status: 'complete', named: [], error: false, summary: true })
    expect(equal()).toEqual(all)
  })

  test('F69: a large file whose upload is refused in the middle is named, and all others come', async () => {
    target.faults.add({ method: 'PATCH', path: '/upload/resumable/', status: 410 })
    const done = told(await restore())
    expect(done).toMatchObject({ code: 1, status: 'partial', error: true, summary: true })
    expect(done.named).toHaveLength(1)
    expect(equal()).toEqual(all.filter((name) => name !== done.named[0]))
  })

  test('F61: a target that goes away in the middle of a large file is told', async () => {
    target.faults.add({ method: 'PATCH', path: '/upload/resumable/', skip: 1, status: 503 })
    target.faults.add({ method: 'GET', path: '/bucket', skip: 1, status: 503, times: 1e6 })
    expect(told(await restore())).toMatchObject({ code: 1, error: true, summary: true })
  })
})
