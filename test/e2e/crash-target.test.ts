import { mkdtemp, readdir, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { choosePoints, crashAtMessage } from '../kit/crash/crash-run.ts'
import { type RequestGate, startRequestGate } from '../kit/crash/request-gate.ts'
import { type DoubleProject, type ManagementDouble, putFunction, startManagement } from '../kit/supabase/management.ts'
import { type StorageDouble, startStorage } from '../kit/supabase/storage.ts'
import { crashPatience, crashSeed, endedAt, note } from './crash-desk.ts'
import { accessToken, managementOf, serviceKey, targetRef } from './whole-project-setup.ts'

const sourceRef = 'abcdefghijklmnopqrst'
const megabyte = 1_000_000
let management: ManagementDouble
let source: StorageDouble
let target: { readonly storage: StorageDouble; readonly project: DoubleProject }
let gate: RequestGate
let root: string
let temp: string

beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), 'sb-target-'))
  temp = await mkdtemp(join(root, 'temp-'))
  management = await startManagement()
  management.addToken(accessToken)
  source = await startStorage({ key: serviceKey })
  source.addBucket('avatars', { public: true })
  source.addBucket('papers', { file_size_limit: 5 * megabyte })
  source.put('avatars', 'a.png', Buffer.from('a picture'), { contentType: 'image/png' })
  source.put('avatars', 'both.txt', Buffer.from('as it was in the source'))
  source.put('papers', 'large.bin', Buffer.alloc(2 * megabyte, 'large '))
  const project = management.addProject(sourceRef)
  putFunction(project, 'hello', { 'index.ts': 'Deno.serve(() => new Response("hello"))' })
  putFunction(project, 'both', { 'index.ts': 'Deno.serve(() => new Response("of the source"))' })
  project.settings.set('/postgrest', { ...Object(project.settings.get('/postgrest')), max_rows: 500 })
  const { storage: there } = await anew()
  gate = await startRequestGate({ storage: () => target.storage.url, management: () => management.url })
  expect(there.objects.size).toBe(2)
})
afterAll(async () => {
  await gate.close()
  await target.storage.stop()
  await source.stop()
  await management.stop()
  await rm(root, { recursive: true, force: true })
})

/** A target with a file and a function of its own, one of each that the backup has too, and a limit below the largest file. */
async function anew() {
  await target?.storage.stop()
  const project = management.addProject(targetRef)
  const limit = (settings: unknown) => Object(settings).fileSizeLimit
  project.settings.set('/config/storage', {
    ...Object(project.settings.get('/config/storage')),
    fileSizeLimit: megabyte
  })
  putFunction(project, 'own', { 'index.ts': 'Deno.serve(() => new Response("own"))' })
  putFunction(project, 'both', { 'index.ts': 'Deno.serve(() => new Response("of the target"))' })
  const storage = await startStorage({
    key: serviceKey,
    uploadLimit: () => limit(project.settings.get('/config/storage'))
  })
  storage.addBucket('avatars', { public: true })
  storage.put('avatars', 'own.txt', Buffer.from('of the target alone'))
  storage.put('avatars', 'both.txt', Buffer.from('as it was in the target'))
  target = { storage, project }
  return target
}

/** Everything there: buckets with their limits, files, functions, settings. */
const stateOf = ({ storage, project }: typeof target) => ({
  buckets: Object.fromEntries(
    [...storage.buckets.values()].map((one) => [one.id, [one.public, one.file_size_limit, one.allowed_mime_types]])
  ),
  files: Object.fromEntries(
    [...storage.objects.values()].map((one) => [`${one.bucket}/${one.key}`, one.bytes?.toString('base64')])
  ),
  management: managementOf(project)
})

test('F37, F68: a restore of files, functions and settings that is ended at any call to the target loses nothing that the target had, and the next start brings all in', {
  timeout: crashPatience
}, async () => {
  const shared = {
    destinations: 'folder',
    folder: join(root, 'place'),
    include: 'storage,functions,config',
    project: 'shop',
    retries: '0'
  }
  const run = (inputs: Readonly<Record<string, string>>, crash?: ReturnType<typeof choosePoints>[number]) =>
    crashAtMessage(gate, { inputs: { ...shared, ...inputs }, env: {}, temp, ...(crash === undefined ? {} : { crash }) })
  const made = await run({
    'supabase-url': source.url,
    'service-role-key': serviceKey,
    'access-token': accessToken,
    'project-ref': sourceRef,
    'management-url': management.url,
    plaintext: 'private',
    verify: 'read'
  })
  expect({ code: made.run.code, error: made.run.result?.error }).toEqual({ code: 0 })
  const inputs = {
    command: 'restore',
    'target-supabase-url': gate.urls['storage'] ?? '',
    'target-service-role-key': serviceKey,
    'target-project-ref': targetRef,
    'target-access-token': accessToken,
    'management-url': gate.urls['management'] ?? '',
    'confirm-target': targetRef,
    'restore-mode': 'replace',
    'safety-backup': 'false'
  }
  const before = stateOf(await anew())
  const { run: through, points } = await run(inputs)
  expect({ code: through.code, error: through.result?.error }).toEqual({ code: 0 })
  const after = stateOf(target)
  const own = ['avatars/own.txt', before.files['avatars/own.txt']]
  expect(after.files).toEqual({
    ...Object.fromEntries([own]),
    ...Object.fromEntries(
      [...source.objects.values()].map((one) => [`${one.bucket}/${one.key}`, one.bytes?.toString('base64')])
    )
  })
  expect(after.management).not.toEqual(before.management)

  const crashes = choosePoints(points, 2, crashSeed + 13)
  let reached = 0
  for (const crash of crashes) {
    await anew()
    const { at, ended, fired } = await endedAt(crash, temp, () => run(inputs, crash))
    if (fired) reached += 1
    const came = stateOf(target)
    // What the backup does not hold stays; what it holds is as it was or as it comes, and nothing else.
    expect({ at, own: came.files['avatars/own.txt'], function: came.management['function own'] }).toEqual({
      at,
      own: before.files['avatars/own.txt'],
      function: before.management['function own']
    })
    for (const [file, bytes] of Object.entries(came.files))
      expect([before.files[file], after.files[file]], `${at}: ${file}`).toContain(bytes)
    for (const [name, value] of Object.entries(came.management))
      if (name.startsWith('function '))
        expect([before.management[name], after.management[name]], `${at}: ${name}`).toContainEqual(value)
    // A run that could still speak says that it was cut, and puts the limit back that it raised.
    if (ended.result !== null && ended.code !== 0) {
      expect({ at, error: ended.result.error?.code }).toEqual({ at, error: 'SB301' })
      expect([before, after].map(limitOf), at).toContain(limitOf(came))
    }
    const { run: next } = await run(inputs)
    expect({ at, code: next.code, error: next.result?.error, state: stateOf(target) }).toEqual({
      at,
      code: 0,
      state: after
    })
    await ended.cleanUpFiles()
    await next.cleanUpFiles()
    expect((await readdir(join(temp, 'supabase-backup'))).filter((name) => !name.startsWith('result-'))).toEqual([])
  }
  expect(reached).toBeGreaterThanOrEqual(Math.floor(crashes.length * 0.8))
  await note(`restore of files, functions, settings: ${points.length} points, ${reached} ended there`)
})

function limitOf(state: ReturnType<typeof stateOf>): unknown {
  return Object(state.management['/config/storage']).fileSizeLimit
}
