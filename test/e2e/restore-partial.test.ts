import { identityToRecipient } from 'age-encryption'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { contentOf } from './restore-setup.ts'
import {
  type EmptyProject,
  emptyProject,
  managementOf,
  storageOf,
  type WholeProject,
  wholeProject
} from './whole-project-setup.ts'

let source: WholeProject
let target: EmptyProject

beforeAll(async () => {
  source = await wholeProject(3)
  target = await emptyProject(source)
  const backup = await source.backup()
  if (backup.code !== 0) throw new Error(backup.log)
})
afterAll(async () => {
  await target?.stop()
  await source?.stop()
})

test('where files do not come back after the database, it is said what is done, what is not, how to finish and how to undo', {
  timeout: 600_000
}, async () => {
  const before = await contentOf(target.server)
  const inputs = { ...target.inputs, 'safety-backup': 'true', recipients: await identityToRecipient(source.identity) }
  const done = await source.run({
    ...inputs,
    'target-service-role-key': 'sb_secret_of_somebody_else_00000000000000000000'
  })
  expect({ code: done.code, status: done.outputs['status'], error: done.result?.error?.code }).toEqual({
    code: 1,
    status: 'partial',
    error: 'SB716'
  })
  expect(done.result?.error?.message).toMatch(/^storage: SB8\d\d: .* The database stays restored/s)
  expect(done.result?.restore?.['parts']).toEqual([
    { source: 'database', status: 'restored' },
    { source: 'storage', status: 'stopped', reason: expect.stringMatching(/^SB8\d\d: /) },
    { source: 'functions', status: 'restored' },
    { source: 'config', status: 'restored' }
  ])
  const safety = done.result?.restore?.['safetyBackupId']
  expect(done.result?.backups).toContainEqual(expect.objectContaining({ id: safety, kind: 'safety' }))
  expect(done.summary).toContain(`backup: ${done.outputs['backup-id']}\ninclude: storage\n`)
  expect(done.summary).toContain(`backup: ${safety}\nrestore-mode: replace\nconfirm-target: same:`)
  expect(managementOf(target.project)).toEqual(managementOf(source.project))
  expect(target.storage.objects.size).toBe(0)

  const finished = await source.run({ ...inputs, backup: done.outputs['backup-id'] ?? '', include: 'storage' })
  expect({ code: finished.code, error: finished.result?.error }).toEqual({ code: 0 })
  expect(await storageOf(target.storage, target.server)).toEqual(await storageOf(source.storage, source.server))

  const undone = await source.run({
    ...inputs,
    backup: String(safety),
    include: 'database',
    'restore-mode': 'replace',
    'safety-backup': 'false',
    'confirm-target': `same:${target.inputs['confirm-target'] ?? ''}`
  })
  expect({ code: undone.code, error: undone.result?.error }).toEqual({ code: 0 })
  const after = await contentOf(target.server)
  for (const name of ['auth.users', 'auth.identities', 'storage.objects'])
    expect({ name, content: after.get(name) }).toEqual({ name, content: before.get(name) })
  expect([...after.keys()].filter((name) => !before.has(name))).toEqual([])
})
