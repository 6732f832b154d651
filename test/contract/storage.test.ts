import { createHash, randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { json } from 'node:stream/consumers'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import type { StorageFacts } from '../../src/archive/contents-storage.ts'
import { createPacker, type Packer } from '../../src/archive/pack.ts'
import { createCompression } from '../../src/clients/process/zstd.ts'
import { connectManagement } from '../../src/clients/supabase/management.ts'
import { openSupabaseStorage } from '../../src/clients/supabase/storage.ts'
import type { Context } from '../../src/context.ts'
import { UserError } from '../../src/errors.ts'
import { isWhole, type KnownPacks, unusedPackNames } from '../../src/history/pool.ts'
import type { Captured } from '../../src/sources/source.ts'
import { openStorageSource, type StorageSourceOptions } from '../../src/sources/storage/index.ts'
import { entryOf } from '../../src/sources/storage/listing.ts'
import { type RestoredStorage, type RestoreStorageOptions, restoreStorage } from '../../src/sources/storage/restore.ts'
import { startManagement } from '../kit/supabase/management.ts'
import { type StorageDouble, startStorage } from '../kit/supabase/storage.ts'
import { type Desk, openDesk } from './database-capture-setup.ts'

const jwt = 'eyJhbGciOiJIUzI1NiJ9.eyJyb2xlIjoic2VydmljZV9yb2xlIn0.c2lnbmF0dXJl'

/** Facts with their objects, as a restore is given them. */
function listed({ objects, ...facts }: StorageFacts): Pick<RestoreStorageOptions, 'facts' | 'objects'> {
  return {
    facts: { ...facts, objectCount: objects.length },
    objects: async function* () {
      yield* objects
    }
  }
}

describe('the source storage', () => {
  let source: StorageDouble
  let target: StorageDouble
  let desk: Desk
  let waits: number[]
  let context: Context
  let packers: Packer[]

  beforeEach(async () => {
    source = await startStorage({ key: jwt, page: 100 })
    target = await startStorage({ key: jwt })
    desk = await openDesk()
    waits = []
    packers = []
    let ms = Date.parse('2026-11-22T12:00:00Z')
    context = {
      ...desk.context,
      clock: {
        now: () => new Date(ms),
        monotonic: () => ms,
        sleep: async (wait, signal) => {
          signal?.throwIfAborted()
          waits.push(wait)
          ms += wait
        }
      }
    }
  })
  afterEach(async () => {
    for (const packer of packers) packer.close()
    await source.stop()
    await target.stop()
    await desk.remove()
  })

  const api = (double: StorageDouble, retries = 4) =>
    openSupabaseStorage({ url: double.url, key: jwt, context, retries })
  async function capture(
    options: Partial<StorageSourceOptions> = {}
  ): Promise<{ packer: Packer; captured: Captured<unknown>; facts: StorageFacts }> {
    const packer = createPacker({
      dir: `${desk.folder}/staging-${packers.length}`,
      encryption: { scheme: 'none' },
      compression: createCompression({ method: 'none', zstd: null, home: desk.folder }),
      signal: context.signal
    })
    packers.push(packer)
    const opened = openStorageSource({
      context,
      storage: api(source),
      url: source.url,
      ref: null,
      buckets: [],
      jobs: 4,
      maxDownloadBytes: undefined,
      places: [{ name: 'artifact', known: null }],
      ...options
    })
    await opened.preflight(context.signal)
    const captured = await opened.capture(packer.add, context.signal)
    const objects = []
    for await (const item of captured.lists?.['objects']?.() ?? []) objects.push(JSON.parse(item))
    return { packer, captured, facts: { ...captured.facts, objects } }
  }
  const restore = (
    { packer, facts }: { packer: Packer; facts: StorageFacts },
    management: RestoreStorageOptions['management'] = null,
    buckets: RestoreStorageOptions['buckets'] = [],
    rowsBroughtBack = 0
  ): Promise<RestoredStorage> =>
    restoreStorage({
      context,
      management,
      target: api(target),
      targetAfterAbort: () => api(target),
      ...listed(facts),
      backup: { files: packer.files, fetch: () => Promise.resolve(), drop: () => Promise.resolve() },
      buckets,
      jobs: 4,
      connection: null,
      rowsBroughtBack
    })
  const state = (double: StorageDouble) => ({
    buckets: [...double.buckets.values()]
      .map((bucket) => [bucket.id, bucket.public, bucket.file_size_limit, bucket.allowed_mime_types])
      .sort(),
    objects: [...double.objects.values()]
      .map(({ bucket, key, bytes, contentType, cacheControl, userMetadata }) => [
        bucket,
        key,
        bytes === null ? null : createHash('sha256').update(bytes).digest('hex'),
        contentType,
        cacheControl,
        userMetadata
      ])
      .sort((a, b) => (`${a[0]}/${a[1]}` < `${b[0]}/${b[1]}` ? -1 : 1))
  })
  const differences = (done: RestoredStorage) => done.findings.filter(({ kind }) => kind === 'difference')
  const fill = (count: number) => {
    source.addBucket('files')
    for (let number = 0; number < count; number++)
      source.put('files', `file-${number}`, Buffer.from(`content of ${number}`))
  }
  /** A pool that holds the first files of the double. */
  const earlierPack = (count = 1): KnownPacks => {
    const entries = [...source.objects.values()]
      .slice(0, count)
      .map(({ bucket, key, id, etag, size, updatedAt }) =>
        entryOf({ bucket, key, id, etag, size, updatedAt, version: null })
      )
    const pack = { name: `objects-${'0'.repeat(32)}.tar`, bytes: 1, sha256: '0'.repeat(64) }
    return { find: (entry) => (entries.includes(entry) ? pack : undefined) }
  }

  test('F31, F32: hostile keys, limits, flags and large files make the round trip, listed by the API alone', async () => {
    source.addBucket('public', { public: true, file_size_limit: 9_000_000, allowed_mime_types: ['image/png'] })
    source.addBucket('private')
    source.addBucket('empty', { public: true })
    for (const key of [
      'a/../b',
      '.git/hooks/x',
      "a:b?*=&+$@;'()!",
      'CON',
      'A',
      'a',
      'x//y',
      '/lead',
      'trail/',
      `${'k'.repeat(1000)}`
    ])
      source.put('private', key, Buffer.from(key), { userMetadata: { key }, cacheControl: 'max-age=7' })
    source.put('private', 'nothing', Buffer.alloc(0))
    // Two pieces and a bit of the resumable protocol; one that comes through a file.
    source.put('public', 'large.png', randomBytes(13 * 1024 * 1024), {
      contentType: 'image/png',
      cacheControl: 'max-age=60',
      userMetadata: { big: true }
    })
    const backup = await capture()
    expect(backup.captured.status).toBe('captured')
    expect(backup.facts.objects.find(({ key }) => key === 'nothing')?.size).toBe(0)
    // A piece that is torn off is continued where the server says it ended.
    target.faults.add({ method: 'PATCH', path: '/upload/resumable/', cut: 1000 })
    const done = await restore(backup)
    expect(done.findings.filter(({ kind }) => kind !== 'note')).toEqual([])
    expect(state(target)).toEqual(state(source))
    const again = await restore(backup)
    expect(again.counts).toMatchObject({ uploaded: 0, alreadyThere: source.objects.size, failed: 0 })
  })

  test('a file that the target fails at for ever costs itself alone; where it answers nothing more the restore ends', async () => {
    fill(8)
    const backup = await capture()
    target.faults.add({ method: 'POST', path: /\/object\/files\/file-3$/, status: 500, times: 10_000 })
    const done = await restore(backup)
    expect(done.counts).toMatchObject({ uploaded: 7, failed: 1 })
    expect(differences(done).map(({ subject }) => subject)).toEqual(['Storage file files/file-3'])
    target.faults.clear()
    expect((await restore(backup)).counts).toMatchObject({ uploaded: 1, alreadyThere: 7, failed: 0 })
    target.faults.add({ path: /\/object\//, status: 500, times: 10_000 })
    target.faults.add({ path: /\/v1\/bucket$/, skip: 1, status: 500, times: 10_000 })
    await expect(restore(backup)).rejects.toMatchObject({ code: 'SB802' })
  })

  test('F26: files deleted while the backup runs are counted; many of them make it partial', async () => {
    fill(40)
    source.onCall = (method, path) => {
      if (method === 'GET' && path.includes('/object/files/')) source.remove('files', 'file-7')
    }
    const few = await capture()
    expect(few.captured).toMatchObject({ status: 'captured', counts: { objects: 39, vanished: 1 } })
    expect(few.facts.notCaptured).toEqual([{ what: 'files/file-7', reason: 'deleted while the backup ran' }])
    source.onCall = (_, path) => {
      if (path.includes('/object/files/'))
        for (let number = 10; number < 40; number++) source.remove('files', `file-${number}`)
    }
    const many = await capture()
    expect(many.captured.status).toBe('partial')
    expect(many.captured.reason).not.toContain('file-')
  })

  test('F26: a row whose file is gone for good is named as that, and makes it partial', async () => {
    fill(40)
    source.put('files', 'file-7', Buffer.from('lost'), { bytes: null, size: 4 })
    const { captured, facts } = await capture()
    expect(captured).toMatchObject({ status: 'partial', counts: { objects: 39, fileless: 1 } })
    expect(captured.reason).toMatch(/^1 files are missing in Storage/)
    expect(captured.warnings.join()).not.toContain('deleted')
    expect(facts.notCaptured).toEqual([{ what: 'files/file-7', reason: 'its file is missing in Storage' }])
  })

  test('F26: an address that has none of the listed files is not taken for their deletion', async () => {
    fill(9)
    const listing = api(source)
    for (const places of [
      [{ name: 'artifact' as const, known: null }],
      // One file is known from an earlier backup: the address does not know that one either.
      [{ name: 'folder' as const, known: earlierPack() }]
    ]) {
      // What is listed is one project's, what is asked for the files another's.
      const storage = { ...api(target), listBuckets: listing.listBuckets, listObjects: listing.listObjects }
      const { captured, facts } = await capture({ storage, places })
      expect(captured.status).toBe('partial')
      expect(captured.reason).toMatch(/ of 9 files are listed, and the API does not have them: .*another project/)
      expect(captured.warnings.join()).not.toContain('deleted')
      expect(facts.notCaptured[0]?.reason).toBe('it is listed, and the API does not have it')
    }
  })

  test('F26: one new file that is deleted while the backup runs leaves it whole where the others are known', async () => {
    fill(9)
    const known = earlierPack(8)
    source.onCall = (method, path) => {
      if (method === 'GET' && path.includes('/object/files/')) source.remove('files', 'file-8')
    }
    const { captured } = await capture({ places: [{ name: 'folder', known }] })
    expect(captured).toMatchObject({ status: 'captured', counts: { unchanged: 8, vanished: 1 } })
    expect(captured.warnings).toEqual(['1 Storage files were deleted while the backup ran.'])
  })

  test('F27: what changed between listing and download is taken as it is now, with its own hash', async () => {
    fill(3)
    let done = false
    source.onCall = (method, path) => {
      if (done || method !== 'GET' || !path.includes('/object/files/')) return
      done = true
      for (let number = 0; number < 3; number++)
        source.put('files', `file-${number}`, Buffer.from(`quite another content ${number}`))
    }
    const backup = await capture({ jobs: 1 })
    expect(backup.captured.counts).toMatchObject({ objects: 3, changed: 3 })
    expect(differences(await restore(backup))).toEqual([])
    expect(target.get('files', 'file-1')?.bytes?.toString()).toBe('quite another content 1')
  })

  test('F28: pages that overlap give every file once', async () => {
    fill(350)
    let pages = 0
    source.onCall = (_, path) => {
      if (path.includes('/list-v2/')) source.put('files', `file-00-new-${pages++}`, Buffer.from('new'))
    }
    const { facts } = await capture()
    const keys = facts.objects.map(({ key }) => key)
    expect(new Set(keys).size).toBe(keys.length)
    for (let number = 0; number < 350; number++) expect(keys).toContain(`file-${number}`)
  })

  test('F28: 100,001 objects in pages of 1,000, while others write and delete, and pages overlap: every one that stays exactly once', async () => {
    const nameOf = (number: number) => `file-${String(number).padStart(7, '0')}`
    const stay = Array.from({ length: 100_001 }, (_, number) => nameOf(number))
    const list = [...stay]
    let pages = 0
    // Written out from a list in order: the double of all of Storage would sort it for each page.
    const server = createServer((request, response) => {
      void json(request).then((asked) => {
        const { cursor, limit } = asked as { cursor?: string; limit: number }
        const after = cursor === undefined ? '' : Buffer.from(cursor, 'base64').toString()
        pages += 1
        const at = list.findIndex((name) => name > after)
        // Before the place, at it and behind it; one that was listed already goes away.
        for (const place of [Math.trunc(at / 2), at, at + 500])
          list.splice(place, 0, `${list[place]?.slice(0, 12) ?? 'z'}-${pages}-${list.length}`)
        list.sort()
        // Every third page begins with the end of the one before.
        const from = Math.max(0, list.findIndex((name) => name > after) - (pages % 3 === 0 ? 25 : 0))
        const page = list.slice(from, from + limit)
        const hasNext = from + limit < list.length
        const objects = page.map((name) => ({ id: name, name, metadata: null }))
        const nextCursor = hasNext ? { nextCursor: Buffer.from(page.at(-1) ?? '').toString('base64') } : {}
        response.setHeader('content-type', 'application/json')
        response.end(JSON.stringify({ hasNext, ...nextCursor, folders: [], objects }))
      })
    })
    server.listen(0, '127.0.0.1')
    await once(server, 'listening')
    const { port } = server.address() as AddressInfo
    try {
      const storage = openSupabaseStorage({ url: `http://127.0.0.1:${port}`, key: jwt, context, retries: 0 })
      const keys: string[] = []
      for await (const { key } of storage.listObjects('files')) keys.push(key)
      const found = new Set(keys)
      expect(found.size).toBe(keys.length)
      expect(stay.filter((name) => !found.has(name))).toEqual([])
      expect(pages).toBeGreaterThan(100)
    } finally {
      server.close()
      server.closeAllConnections()
    }
  })

  test('a server without the newer list is asked folder by folder, whatever the names are', async () => {
    const older = await startStorage({ key: jwt, listV2: false })
    try {
      older.addBucket('files')
      const keys = [
        'top',
        'x//y',
        '/lead',
        'A/in',
        'a/in',
        'a_b/one',
        'axb/one',
        'axb/two',
        'deep/er/still/file',
        '.git/config'
      ]
      for (const key of keys) older.put('files', key, Buffer.from(`content of ${key}`))
      for (let number = 0; number < 2500; number++) older.put('files', `many/${number}`, Buffer.from(`${number}`))
      let pages = 0
      older.onCall = (method, path) => {
        // Another client deletes while the pages are read: later items move forward.
        if (method === 'POST' && path.includes('/object/list/') && older.calls.length > 12 && pages++ === 0)
          for (let number = 0; number < 5; number++) older.remove('files', `many/${number}`)
      }
      const listed: string[] = []
      for await (const { key } of api(older).listObjects('files')) listed.push(key)
      expect(new Set(listed).size).toBe(listed.length)
      for (const key of keys) expect(listed).toContain(key)
      for (let number = 5; number < 2500; number++) expect(listed).toContain(`many/${number}`)
      expect(listed.filter((key) => !/^many\//.test(key)).toSorted()).toEqual(keys.toSorted())
    } finally {
      await older.stop()
    }
  })

  test('F31: a name that something on the way resolves is named, and another file never stands in for it', async () => {
    const behind = await startStorage({ key: jwt, resolves: true })
    try {
      behind.addBucket('files')
      for (const key of ['b', 'a/../b', 'a/../not-there', 'plain']) behind.put('files', key, Buffer.from(`is ${key}`))
      const { captured, facts } = await capture({ storage: api(behind) })
      expect(captured).toMatchObject({ status: 'partial', counts: { objects: 2 } })
      expect(captured.reason).toBe('2 files have names under which the API does not give them')
      expect(facts.objects.map(({ key }) => key).toSorted()).toEqual(['b', 'plain'])
      expect(facts.notCaptured.map(({ what }) => what).toSorted()).toEqual(['files/a/../b', 'files/a/../not-there'])
    } finally {
      await behind.stop()
    }
  })

  test('a file whose name the API refuses costs itself alone', async () => {
    fill(3)
    source.faults.add({
      path: /\/files\/file-1$/,
      status: 400,
      times: 9,
      body: { statusCode: '400', error: 'InvalidKey', message: 'Invalid key: file-1' }
    })
    const { captured } = await capture()
    expect(captured).toMatchObject({ status: 'partial', counts: { objects: 2, unreadable: 1 } })
  })

  test('F69: into the project that it came from, nothing goes up again', async () => {
    fill(3)
    const backup = await capture()
    for (const object of backup.facts.objects)
      Object.assign(object, { version: source.get('files', object.key)?.version ?? null })
    const done = await restoreStorage({
      context,
      target: api(source),
      targetAfterAbort: () => api(source),
      management: null,
      ...listed(backup.facts),
      backup: { files: backup.packer.files, fetch: () => Promise.resolve(), drop: () => Promise.resolve() },
      buckets: [],
      jobs: 4,
      connection: null,
      rowsBroughtBack: 0
    })
    expect(done.counts).toMatchObject({ objects: 3, uploaded: 0, alreadyThere: 3 })
  })

  test('F29: short bodies, torn connections, flipped bits and pages that stand in for the file are never stored', async () => {
    fill(6)
    source.put('files', 'large', randomBytes(5 * 1024 * 1024))
    source.faults.add({ path: /\/object\/files\/file-0$/, cut: 5 })
    source.faults.add({ path: /\/object\/files\/file-1$/, breakAfter: 4 })
    source.faults.add({ path: /\/object\/files\/file-2$/, flip: 3 })
    source.faults.add({ path: /\/object\/files\/file-3$/, status: 200, body: { message: 'Object not found' } })
    source.faults.add({
      path: /\/object\/files\/file-4$/,
      status: 200,
      headers: { 'content-type': 'text/html' },
      body: '<html>Please wait</html>'
    })
    source.faults.add({ path: /\/object\/files\/large$/, breakAfter: 3 * 1024 * 1024 })
    source.faults.add({
      path: /\/info\/files\/file-5$/,
      status: 200,
      headers: { 'content-type': 'text/html' },
      body: '<html>Please wait</html>'
    })
    const backup = await capture()
    expect(backup.captured).toMatchObject({ status: 'captured', counts: { objects: 7 } })
    expect(differences(await restore(backup))).toEqual([])
    expect(state(target).objects).toEqual(state(source).objects)
    // The large one was continued, not begun again.
    expect(source.calls.filter(({ path }) => path.endsWith('/object/files/large'))).toHaveLength(2)
    source.faults.add({ path: /\/object\/files\/file-0$/, cut: 5, times: 100 })
    // One that never comes whole costs itself alone.
    const damaged = await capture()
    expect(damaged.captured).toMatchObject({ status: 'partial', counts: { objects: 6, unreadable: 1 } })
    expect(damaged.captured.reason).toBe('1 files could not be read whole')
    expect(damaged.facts.notCaptured).toEqual([{ what: 'files/file-0', reason: 'it could not be read whole' }])
  })

  test('F29: a list or a description that breaks off, or a page instead of it, is asked for again', async () => {
    fill(3)
    const page = { status: 200, headers: { 'content-type': 'text/html' }, body: '<html>Please wait</html>' }
    for (const path of [/\/v1\/bucket$/, /\/list-v2\//, /\/info\/files\/file-1$/]) {
      source.faults.add({ path, breakAfter: 4 })
      source.faults.add({ path, ...page })
    }
    const { captured } = await capture({ jobs: 1 })
    expect(captured).toMatchObject({ status: 'captured', counts: { objects: 3 } })
    expect(waits).toHaveLength(6)
    // For ever: an error that costs Storage alone, which whatever is no UserError does not.
    for (const [path, fault, code] of [
      [/\/v1\/bucket$/, { breakAfter: 4 }, 'SB802'],
      [/\/list-v2\//, { breakAfter: 4 }, 'SB802'],
      [/\/v1\/bucket$/, page, 'SB803'],
      [/\/object\/list/, page, 'SB803']
    ] as const) {
      source.faults.clear()
      source.faults.add({ path, ...fault, times: 100 })
      const failed = await capture().catch((thrown: unknown) => thrown)
      expect(failed).toBeInstanceOf(UserError)
      expect(failed).toMatchObject({ code })
    }
  })

  test('F30: waits as long as it is asked to, gives up after the budget, and tells a refused key apart', async () => {
    fill(1)
    source.faults.add({ path: /\/files\/file-0$/, status: 429, headers: { 'retry-after': '3' } })
    source.faults.add({
      path: /\/files\/file-0$/,
      status: 429,
      headers: { 'retry-after': 'Sun, 22 Nov 2026 12:00:10 GMT' }
    })
    source.faults.add({ path: /\/files\/file-0$/, status: 503, times: 2 })
    const { captured } = await capture()
    expect(captured.counts['objects']).toBe(1)
    expect(waits.slice(0, 2)).toEqual([3000, 7000])
    expect(waits).toHaveLength(4)
    // One file that fails for ever costs itself alone; an API that does, all that were not there yet.
    source.put('files', 'file-1', Buffer.from('content of 1'))
    source.faults.add({ path: /\/files\/file-0$/, status: 500, times: 100 })
    const one = await capture()
    expect(one.captured).toMatchObject({ status: 'partial', counts: { objects: 1, unreadable: 1 } })
    expect(one.facts.notCaptured).toEqual([{ what: 'files/file-0', reason: 'it could not be read whole' }])
    source.faults.add({ path: /\/v1\/bucket$/, skip: 2, status: 500, times: 100 })
    source.faults.add({ path: /\/object\/(?:info\/)?files\//, status: 500, times: 100 })
    await expect(capture()).rejects.toMatchObject({ code: 'SB802' })
    source.faults.clear()
    source.faults.add({ path: /\/object\/(?:info\/)?files\//, status: 500, times: 10_000 })
    fill(200)
    await expect(capture()).rejects.toMatchObject({ code: 'SB802' })
    source.faults.clear()
    waits.length = 0
    const refused = openSupabaseStorage({ url: source.url, key: 'sb_secret_wrong', context, retries: 4 })
    await expect(capture({ storage: refused })).rejects.toMatchObject({ code: 'SB801' })
    expect(waits).toEqual([])
  })

  test('F30: what came before the API failed for good or refused the key is kept, and the next backup goes on there', async () => {
    fill(300)
    for (const [code, fault] of [
      [
        'SB801',
        { status: 400, body: { statusCode: '403', error: 'Unauthorized', message: 'signature verification failed' } }
      ],
      ['SB802', { status: 500 }]
    ] as const) {
      source.faults.add({ path: /\/object\/files\//, skip: 200, times: 10_000, ...fault })
      const { captured, facts, packer } = await capture()
      source.faults.clear()
      expect(captured.status).toBe('partial')
      const came = facts.objects.length
      expect(came).toBeGreaterThan(150)
      const { notReached = 0, unreadable = 0 } = captured.counts
      expect(came + notReached + unreadable).toBe(300)
      expect(captured.reason).toContain(`${notReached} files were not reached (${code}: `)
      expect(captured.warnings.join()).toMatch(code === 'SB801' ? /refused: .*signature/ : /answered 500/)
      expect(facts.notCaptured.at(-1)?.what).toBe(`${notReached} further files`)
      // The packs are whole, and what they hold goes back.
      expect(packer.staged).toHaveLength(facts.packs.length)
      for (const object of [...target.objects.values()]) target.remove(object.bucket, object.key)
      expect(differences(await restore({ packer, facts }))).toMatchObject([
        { subject: 'Storage', detail: expect.stringMatching(/^the backup does not hold \d+ of the files/) }
      ])
      expect(target.objects.size).toBe(came)
    }
  })

  test('max-download stops before the file that would pass it', async () => {
    fill(30)
    const { captured, facts } = await capture({ maxDownloadBytes: 200 })
    expect(captured.status).toBe('partial')
    expect(captured.counts['downloadedBytes']).toBeLessThanOrEqual(200)
    expect(facts.objects.length + (captured.counts['leftOut'] ?? 0)).toBe(30)
  })

  test('max-download counts bytes as they come: of files that grew, of unknown sizes and of every attempt', async () => {
    source.addBucket('files')
    const large = Buffer.alloc(2_000_000, 'z')
    const most = 500_000
    for (const size of [10, null]) {
      Object.assign(source.put('files', 'large', large), { size })
      const { captured, facts } = await capture({ maxDownloadBytes: most })
      expect(captured).toMatchObject({ status: 'partial', counts: { objects: 0, leftOut: 1 } })
      // What one read of the socket brings may lie beyond it.
      expect(captured.counts['downloadedBytes']).toBeLessThan(most + 200_000)
      expect(facts.notCaptured[0]?.reason).toContain('max-download')
    }
    source.put('files', 'large', Buffer.alloc(400_000, 'z'))
    source.faults.add({ path: /\/object\/files\/large$/, cut: 300_000, times: 100 })
    const { captured } = await capture({ maxDownloadBytes: most })
    expect(captured).toMatchObject({ status: 'partial', counts: { objects: 0, leftOut: 1 } })
    expect(captured.counts['downloadedBytes']).toBeLessThan(most + 200_000)
  })

  test('F31: a bucket whose name no address can carry is named, and the others come', async () => {
    fill(2)
    source.addBucket('..')
    source.put('..', 'k', Buffer.from('1'))
    const { captured, facts } = await capture()
    expect(captured).toMatchObject({ status: 'partial', counts: { objects: 2 } })
    expect(captured.reason).toBe('1 buckets have names under which the API does not list their files')
    expect(facts.notCaptured.map(({ what }) => what)).toEqual(['bucket ..'])
  })

  test('F29: entity tags that are no MD5s are doubted once a run, and answers without any are taken by their length', async () => {
    source.addBucket('files')
    for (let number = 0; number < 5; number++)
      source.put('files', `file-${number}`, Buffer.from(`content of ${number}`), { etag: String(number).repeat(32) })
    expect((await capture({ jobs: 1 })).captured).toMatchObject({ status: 'captured', counts: { objects: 5 } })
    expect(source.downloads()).toBe(6)
    const tagless = await startStorage({ key: jwt, tags: false })
    try {
      tagless.addBucket('files')
      tagless.put('files', 'whole', Buffer.from('whole'))
      tagless.put('files', 'short', Buffer.from('short'))
      tagless.faults.add({ path: /\/object\/files\/short$/, cut: 2 })
      const { captured } = await capture({ storage: api(tagless) })
      expect(captured).toMatchObject({ status: 'captured', counts: { objects: 2 } })
      expect(tagless.downloads()).toBe(3)
    } finally {
      await tagless.stop()
    }
  })

  test('F69: half there, same size with other bytes, flags that differ, refusals in between', async () => {
    source.addBucket('was-public', { public: true })
    source.addBucket('was-private')
    for (let number = 0; number < 20; number++)
      source.put(
        number % 2 === 0 ? 'was-public' : 'was-private',
        `file-${number}`,
        Buffer.from(`content ${number}`.padEnd(20))
      )
    const backup = await capture()
    target.addBucket('was-public')
    target.addBucket('was-private', { public: true, file_size_limit: 1, allowed_mime_types: ['video/mp4'] })
    for (let number = 0; number < 10; number++)
      target.put(
        number % 2 === 0 ? 'was-public' : 'was-private',
        `file-${number}`,
        Buffer.from(`content ${number}`.padEnd(20))
      )
    target.put('was-public', 'file-4', Buffer.from(`CONTENT 4`.padEnd(20)))
    // Rows alone, as the restore of the database leaves them: same version, same tag, no bytes.
    for (const number of [11, 13]) {
      const { version, etag } = source.get('was-private', `file-${number}`) ?? { version: '', etag: '' }
      target.put('was-private', `file-${number}`, Buffer.from(`content ${number}`.padEnd(20)), {
        version,
        etag,
        bytes: null,
        id: '00000000-0000-4000-8000-000000000001'
      })
    }
    target.faults.add({ method: 'POST', path: '/object/', status: 429, times: 3 })
    const done = await restore(backup)
    expect(differences(done)).toEqual([])
    expect(done.counts).toMatchObject({ objects: 20, uploaded: 11, alreadyThere: 9, failed: 0 })
    expect(state(target).objects).toEqual(state(source).objects)
    expect(target.get('was-private', 'file-11')?.id).toBe('00000000-0000-4000-8000-000000000001')
    expect(state(target).buckets).toEqual([
      ['was-private', false, null, null],
      ['was-public', false, null, null]
    ])
    expect(done.findings.map(({ kind, subject }) => [kind, subject])).toContainEqual([
      'todo',
      'Storage bucket was-public'
    ])
  })

  test('F69: a file that breaks off while it is read back is read again; one that always does costs itself alone', async () => {
    fill(3)
    const backup = await capture()
    const { bytes } = source.get('files', 'file-1') ?? { bytes: null }
    target.addBucket('files')
    // A tag that is no MD5, as of a file that went up in pieces: only its bytes tell.
    target.put('files', 'file-1', Buffer.from(bytes ?? ''), { etag: 'abc-2' })
    const torn = { method: 'GET', path: /\/object\/files\/file-1$/, breakAfter: 4 }
    target.faults.add({ ...torn, times: 2 })
    const done = await restore(backup)
    expect(differences(done)).toEqual([])
    expect(done.counts).toMatchObject({ uploaded: 2, alreadyThere: 1, failed: 0 })
    target.faults.add({ ...torn, times: 100 })
    const damaged = await restore(backup)
    expect(damaged.counts).toMatchObject({ uploaded: 0, alreadyThere: 2, failed: 1 })
    expect(differences(damaged)).toMatchObject([
      { subject: 'Storage file files/file-1', detail: expect.stringContaining('broke off') }
    ])
  })

  test('F17: a pattern of `buckets` that fits nothing makes a backup partial, and stops a restore before it begins', async () => {
    fill(2)
    source.addBucket('other')
    const some = await capture({ buckets: [['files'], ['Files'], ['avatar', '']] })
    expect(some.captured).toMatchObject({
      status: 'partial',
      reason: '2 of the patterns in `buckets` fit no bucket of the project',
      counts: { buckets: 1, objects: 2 }
    })
    expect(some.captured.warnings.filter((text) => text.startsWith('No bucket fits'))).toEqual([
      'No bucket fits Files of `buckets`: upper and lower case matter.',
      'No bucket fits avatar* of `buckets`: upper and lower case matter.'
    ])
    expect((await capture({ buckets: [['fil', ''], ['other']] })).captured.status).toBe('captured')
    await expect(restore(some, null, [['files'], ['other']])).rejects.toMatchObject({
      code: 'SB710',
      message: 'No bucket of the backup fits other of `buckets`.'
    })
    expect(target.buckets.size).toBe(0)
    expect((await restore(some, null, [['f', 's']])).counts).toMatchObject({ buckets: 1, uploaded: 2 })
  })

  test('a bucket whose making is answered by a failure, or by nothing, is made all the same', async () => {
    fill(3)
    source.addBucket('also')
    source.put('also', 'one', Buffer.from('one'))
    const made = await capture()
    // Refused for now, then done while its answer is lost, so that the repeat is told that it is there.
    target.faults.add({ method: 'POST', path: /\/bucket$/, status: 503 })
    let lost = 0
    target.onCall = (method, path) => {
      if (method !== 'POST' || !path.endsWith('/bucket') || lost++ !== 1) return
      target.addBucket('also')
      target.faults.add({ method: 'POST', path: /\/bucket$/, cut: 0 })
    }
    const done = await restore(made)
    expect(lost).toBe(4)
    expect(done.counts).toMatchObject({ buckets: 2, uploaded: 4, failed: 0 })
    expect(differences(done)).toEqual([])
    expect(state(target)).toEqual(state(source))
    // Refused for good: named, and its files with it.
    target.buckets.clear()
    target.objects.clear()
    target.onCall = null
    target.faults.add({ method: 'POST', path: /\/bucket$/, status: 400, times: 2 })
    const refused = await restore(made)
    expect(differences(refused).map(({ subject }) => subject)).toEqual(['Storage bucket also', 'Storage bucket files'])
    expect(target.buckets.size).toBe(0)
  })

  describe("with the target's own limit for files", () => {
    const before = 7_000_000
    const largest = 8_000_000
    const token = `sbp_${'0123456789'.repeat(4)}`
    let management: Awaited<ReturnType<typeof startManagement>>
    let settings: { fileSizeLimit: number }
    let limits: number[]
    /** How often the API is still to be asked before it knows a limit that was raised. */
    let lag: number
    beforeEach(async () => {
      management = await startManagement()
      management.addToken(token)
      const { settings: all } = management.addProject('bcdefghijklmnopqrstu')
      settings = { ...Object(all.get('/config/storage')), fileSizeLimit: before }
      all.set('/config/storage', settings)
      await target.stop()
      target = await startStorage({
        key: jwt,
        uploadLimit: () => {
          const now = Object(all.get('/config/storage')).fileSizeLimit
          return now > before && lag-- > 0 ? 3 : now
        }
      })
      lag = 0
      limits = []
      target.onCall = () => {
        const now = Object(all.get('/config/storage')).fileSizeLimit
        if (limits.at(-1) !== now) limits.push(now)
      }
      source.addBucket('files', { file_size_limit: 9_000_000 })
      source.put('files', 'small', Buffer.from('small'))
      source.put('files', 'large', Buffer.alloc(largest, 'large '))
    })
    afterEach(() => management.stop())
    const reached = (): RestoreStorageOptions['management'] => {
      const open = () =>
        connectManagement({ url: management.url, token, ref: 'bcdefghijklmnopqrstu', retries: 0, context })
      return { target: open(), afterAbort: open }
    }
    const changes = () =>
      management.calls.filter(({ method }) => method === 'PATCH').map(({ body }) => JSON.parse(body))

    test('a token raises it while files go up, as far as files and buckets need it, and sets it back', async () => {
      const made = await capture()
      // The first question is that of the bucket.
      lag = 3
      const done = await restore(made, reached())
      expect(differences(done)).toEqual([])
      expect(state(target)).toEqual(state(source))
      expect(limits).toEqual([9_000_000])
      // The API did not know it at once: both files were refused, and went up again after a while.
      expect(waits).toHaveLength(2)
      expect(changes()).toEqual([{ fileSizeLimit: 9_000_000 }, { fileSizeLimit: before }])
      // Nothing is needed: nothing is changed.
      management.calls.length = 0
      source.addBucket('files')
      source.remove('files', 'large')
      expect(differences(await restore(await capture(), reached()))).toEqual([])
      expect(changes()).toEqual([])
    })

    test('a restore that is cancelled sets it back', async () => {
      const { packer, facts } = await capture()
      const run = new AbortController()
      const within = (signal: AbortSignal) => ({ ...context, signal })
      const open = (signal: AbortSignal) =>
        connectManagement({
          url: management.url,
          token,
          ref: 'bcdefghijklmnopqrstu',
          retries: 0,
          context: within(signal)
        })
      target.onCall = (method, path) => {
        if (method === 'POST' && /\/object\/files\//.test(path)) run.abort(new Error('enough'))
      }
      await expect(
        restoreStorage({
          context: within(run.signal),
          target: openSupabaseStorage({ url: target.url, key: jwt, context: within(run.signal), retries: 1 }),
          targetAfterAbort: () => api(target),
          management: { target: open(run.signal), afterAbort: () => open(AbortSignal.timeout(5000)) },
          ...listed(facts),
          backup: { files: packer.files, fetch: () => Promise.resolve(), drop: () => Promise.resolve() },
          buckets: [],
          jobs: 2,
          connection: null,
          rowsBroughtBack: 0
        })
      ).rejects.toThrow('enough')
      expect(changes()).toEqual([{ fileSizeLimit: 9_000_000 }, { fileSizeLimit: before }])
      expect(target.buckets.get('files')?.file_size_limit).toBe(9_000_000)
    })

    test('without a token the files that are too large are named with what to do, and the others come', async () => {
      source.addBucket('files')
      const made = await capture()
      const done = await restore(made)
      expect(differences(done).map(({ subject }) => subject)).toEqual(['Storage file files/large'])
      expect(done.findings.find(({ kind }) => kind === 'todo')?.detail).toMatch(/too low\. Raise .*Storage, Settings/)
      expect(target.get('files', 'small')?.bytes?.toString()).toBe('small')
      // Done so, a second run goes on.
      settings.fileSizeLimit = largest
      const again = await restore(made)
      expect({ counts: again.counts, differences: differences(again) }).toMatchObject({
        counts: { uploaded: 1, alreadyThere: 1, failed: 0 },
        differences: []
      })
    })

    test('a token that may not look at it or raise it, or not set it back, is told', async () => {
      const made = await capture()
      const todo = ({ findings }: RestoredStorage) =>
        findings.filter(({ kind }) => kind === 'todo').map(({ detail }) => detail)
      management.fail({ path: /config\/storage/, status: 403, times: 1 })
      expect(todo(await restore(made, reached()))).toEqual([
        expect.stringMatching(/does not tell it \(SB822: the access token lacks the scope .*Raise/)
      ])
      management.fail({ method: 'PATCH', path: /config\/storage/, status: 400, times: 1 })
      const refused = await restore(made, reached())
      expect(todo(refused)[0]).toMatch(/takes files of up to 7000000 bytes and 9000000 are needed; .* refused/)
      expect(target.get('files', 'large')).toBeUndefined()
      let patches = 0
      target.onCall = () => {
        if (patches++ === 0) management.fail({ method: 'PATCH', path: /config\/storage/, status: 403, times: 1 })
      }
      const left = await restore(made, reached())
      expect(differences(left)).toEqual([])
      expect(todo(left)).toEqual([
        expect.stringMatching(/7000000 bytes before, is 9000000 now and could not be set back/)
      ])
    })
  })

  test('a bucket that the target refuses, made or changed, is named, and the files of the others come', async () => {
    fill(3)
    for (const id of ['bad', 'fixed']) {
      source.addBucket(id)
      source.put(id, 'secret', Buffer.from('for few'))
    }
    target.addBucket('fixed', { public: true, file_size_limit: 7 })
    const backup = await capture()
    const refused = { status: 400, body: { statusCode: '400', error: 'InvalidRequest', message: 'not this one' } }
    target.faults.add({ method: 'POST', path: /\/v1\/bucket$/, ...refused })
    target.faults.add({ method: 'PUT', path: '/bucket/fixed', ...refused })
    const done = await restore(backup)
    expect(done.counts).toMatchObject({ buckets: 1, objects: 3, uploaded: 3, failed: 0 })
    expect(done.findings.filter(({ subject }) => subject.startsWith('Storage bucket'))).toEqual(
      ['bad', 'fixed'].map((id) => ({
        kind: 'difference',
        subject: `Storage bucket ${id}`,
        detail: expect.stringContaining('not this one')
      }))
    )
    // What was private does not lie in a bucket that stayed public.
    expect(target.get('fixed', 'secret')).toBeUndefined()
    expect(target.buckets.get('fixed')).toMatchObject({ public: true, file_size_limit: 7 })
  })

  test('a restore that is cancelled sets the limits of the buckets again, and tells where it cannot', async () => {
    fill(3)
    for (const id of ['files', 'other'])
      source.addBucket(id, { file_size_limit: 1_000_000, allowed_mime_types: ['text/plain'] })
    const backup = await capture()
    const limits = () =>
      [...target.buckets.values()].map(({ id, file_size_limit, allowed_mime_types }) => [
        id,
        file_size_limit,
        allowed_mime_types
      ])
    const cancelledRestore = async () => {
      const run = new AbortController()
      target.onCall = (method, path) => {
        if (method === 'POST' && path.includes('/object/files/')) run.abort(new Error('enough'))
      }
      const running = { ...context, signal: run.signal }
      const open = (signal: AbortSignal) =>
        openSupabaseStorage({ url: target.url, key: jwt, context: { ...context, signal }, retries: 1 })
      const { packer, facts } = backup
      await expect(
        restoreStorage({
          context: running,
          target: open(run.signal),
          targetAfterAbort: () => open(AbortSignal.timeout(5000)),
          management: null,
          ...listed(facts),
          backup: { files: packer.files, fetch: () => Promise.resolve(), drop: () => Promise.resolve() },
          buckets: [],
          jobs: 2,
          connection: null,
          rowsBroughtBack: 0
        })
      ).rejects.toThrow('enough')
    }
    await cancelledRestore()
    expect(limits()).toEqual([
      ['files', 1_000_000, ['text/plain']],
      ['other', 1_000_000, ['text/plain']]
    ])
    // The calls that set them again fail, those that lift them do not.
    target.objects.clear()
    target.faults.add({ method: 'PUT', path: '/bucket/files', skip: 1, status: 500, times: 9 })
    await cancelledRestore()
    expect(limits()).toEqual([
      ['files', null, null],
      ['other', 1_000_000, ['text/plain']]
    ])
    expect(desk.warnings).toEqual([
      expect.stringContaining('Storage bucket files: its limits (1000000 bytes, text/plain) could not be set')
    ])
  })

  test('a large file whose cache control a resumable upload cannot set comes once, and that is told', async () => {
    source.addBucket('files')
    const large = Buffer.alloc(7 * 1024 * 1024, 'large ')
    const given = ['no-cache', 'max-age=60', 'public, max-age=60', 'private, max-age=0']
    for (const [number, cacheControl] of given.entries())
      source.put('files', `large ${number}`, large, { cacheControl })
    source.put('files', 'small', Buffer.from('small'), { cacheControl: 'private, max-age=0' })
    const made = await capture()
    for (const uploaded of [5, 0]) {
      const done = await restore(made)
      expect(done.counts).toMatchObject({ uploaded, alreadyThere: 5 - uploaded, failed: 0 })
      expect(differences(done)).toEqual([])
      const told = done.findings.filter(({ kind }) => kind === 'todo')
      expect(told.map(({ subject, detail }) => `${subject}: ${detail.split(':')[0]}`).toSorted()).toEqual([
        'Storage file files/large 2: its cache control is max-age=60 and was public, max-age=60',
        'Storage file files/large 3: its cache control is no-cache and was private, max-age=0'
      ])
    }
    expect(given.map((_, number) => target.get('files', `large ${number}`)?.cacheControl)).toEqual([
      'no-cache',
      'max-age=60',
      'max-age=60',
      'no-cache'
    ])
    expect(target.get('files', 'small')?.cacheControl).toBe('private, max-age=0')
  })

  test('files that the backup does not hold are named, and make the restore unequal', async () => {
    fill(5)
    const backup = await capture({ jobs: 1, maxDownloadBytes: 30 })
    expect(backup.facts.objects).toHaveLength(2)
    const told = (done: RestoredStorage) => differences(done).map(({ detail }) => detail)
    expect(told(await restore(backup))).toEqual([
      expect.stringMatching(/^the backup does not hold 3 of the files: files\/file-2 \(left out: .*file-4 \([^;]*$/)
    ])
    // The rows of two older versions, which the API does not give, came back with the database.
    expect(told(await restore(backup, null, [], 7))).toEqual([
      expect.stringMatching(
        /^the backup does not hold 5 of the files: .*and 2 more; their rows in storage.objects came back/
      )
    ])
  })

  test('a file that was deleted while the backup ran is missed only where its row came back', async () => {
    fill(3)
    source.onCall = (_, path) => {
      if (/\/object\/files\/file-0/.test(path)) source.remove('files', 'file-0')
    }
    const backup = await capture()
    source.onCall = null
    expect(backup.facts.notCaptured).toHaveLength(1)
    expect(differences(await restore(backup))).toEqual([])
    expect(differences(await restore(backup, null, [], 3))).toMatchObject([
      { subject: 'Storage', detail: expect.stringContaining('1 of the files: files/file-0 (deleted') }
    ])
  })

  test('rows of files in buckets that were not chosen are told', async () => {
    fill(3)
    source.addBucket('other')
    source.put('other', 'one', Buffer.from('1'))
    const backup = await capture()
    const chosen = [['files']]
    expect((await restore(backup, null, chosen)).findings).toMatchObject([{ kind: 'note' }])
    const { findings } = await restore(backup, null, chosen, 4)
    expect(findings).toContainEqual(
      expect.objectContaining({ kind: 'todo', detail: expect.stringContaining('1 rows of storage.objects came back') })
    )
  })

  test('a file that the target refuses is named, and the rest comes', async () => {
    fill(5)
    source.put('files', 'größe.txt', Buffer.from('made by the S3 API'))
    const backup = await capture()
    const done = await restore(backup)
    expect(done.counts).toMatchObject({ uploaded: 5, failed: 1 })
    expect(differences(done)).toMatchObject([
      { subject: 'Storage file files/größe.txt', detail: expect.stringContaining('Invalid key') }
    ])
  })

  /** The source starts anew as another kind of server. */
  const startAnew = async (options: Partial<Parameters<typeof startStorage>[0]>) => {
    await source.stop()
    source = await startStorage({ key: jwt, page: 100, ...options })
  }

  test('F26: files that the API lists and does not have are no deletions, however few they are', async () => {
    await startAnew({ listV2: false, smallFolders: true, page: 1500 })
    fill(200)
    source.put('files', 'Photos/one.jpg', Buffer.from('1'))
    source.put('files', 'Photos/two.jpg', Buffer.from('2'))
    const { captured } = await capture()
    expect(captured).toMatchObject({ status: 'partial', counts: { objects: 200, fileless: 2 } })
    expect(captured.reason).toContain('2 files are missing in Storage')
  })

  test('F26: a bucket that is deleted while the backup runs takes its files along', async () => {
    fill(40)
    source.addBucket('going')
    source.put('going', 'last.txt', Buffer.from('x'))
    source.onCall = (_method, path) => {
      if (!/\/object\/going\/last/.test(path)) return
      source.remove('going', 'last.txt')
      source.buckets.delete('going')
    }
    const { captured } = await capture()
    expect(captured).toMatchObject({ status: 'captured', counts: { objects: 40, vanished: 1 } })
  })

  test('analytics and vector buckets are named where the list of buckets has them not, and can be left out knowingly', async () => {
    await startAnew({ others: { analytics: ['events'], vectors: ['embeddings'] } })
    fill(2)
    const { captured } = await capture()
    expect(captured.status).toBe('partial')
    expect(captured.reason).toContain('2 analytics or vector buckets cannot be backed up')
    expect(captured.facts).toMatchObject({
      notCaptured: [{ what: 'bucket events' }, { what: 'bucket embeddings' }]
    })
    const without = await capture({ buckets: [['!events'], ['!embed', '']] })
    expect(without.captured).toMatchObject({ status: 'captured', counts: { buckets: 1, objects: 2 } })
    const only = await capture({ buckets: [['files']] })
    expect(only.captured.status).toBe('captured')
  })

  test('a plan that gives no more is told once, and nothing more is asked for', async () => {
    fill(300)
    const over = { statusCode: '402', error: 'exceed_egress_quota', message: 'The project exceeded its egress quota' }
    source.faults.add({ path: /\/object\/files\//, skip: 10, times: 1e6, status: 402, body: over })
    const { captured } = await capture()
    expect(captured.status).toBe('partial')
    expect(captured.reason).toContain('SB809')
    expect(source.downloads()).toBeLessThan(40)
    expect(captured.warnings.filter((warning) => warning.includes('402'))).toHaveLength(1)
    source.faults.add({ times: 1e6, status: 402, body: over })
    await expect(capture()).rejects.toMatchObject({ code: 'SB809' })
  })

  test('F29: what a cache on the way keeps of a replaced file is asked past', async () => {
    const cached = new Map()
    await startAnew({ cached })
    fill(3)
    cached.set('files/file-1', { ...source.get('files', 'file-1') })
    source.put('files', 'file-1', Buffer.from('another content'))
    const { captured, facts } = await capture()
    expect(captured).toMatchObject({ status: 'captured', counts: { objects: 3 } })
    const sha256 = createHash('sha256').update('another content').digest('hex')
    expect(facts.objects.find((object) => object.key === 'file-1')?.sha256).toBe(sha256)
  })

  test('a secret key goes out as a bearer token, too, where the server asks for that', async () => {
    const key = 'sb_secret_3Qm7tTzL0pKc9vXy2WbNq5RsDfGhJk_8aBcDeF'
    await startAnew({ key, wantsBearer: true })
    fill(3)
    source.put('files', 'large.bin', randomBytes(7_000_000))
    const storage = openSupabaseStorage({ url: source.url, key, context, retries: 1 })
    const backup = await capture({ storage })
    expect(backup.captured).toMatchObject({ status: 'captured', counts: { objects: 4 } })
    const { done } = await startStorage({ key, wantsBearer: true }).then(async (other) => {
      const into = openSupabaseStorage({ url: other.url, key, context, retries: 1 })
      const restored = await restoreStorage({
        context,
        management: null,
        target: into,
        targetAfterAbort: () => into,
        ...listed(backup.facts),
        backup: { files: backup.packer.files, fetch: () => Promise.resolve(), drop: () => Promise.resolve() },
        buckets: [],
        jobs: 1,
        connection: null,
        rowsBroughtBack: 0
      })
      await other.stop()
      return { done: restored }
    })
    expect(done.counts).toMatchObject({ uploaded: 4, failed: 0 })
  })

  test('F69: a row without its file, of which a server on a folder says that it failed, gets its file', async () => {
    fill(60)
    const backup = await capture()
    await target.stop()
    target = await startStorage({ key: jwt, fileBackend: true })
    target.addBucket('files')
    for (const object of source.objects.values())
      target.put('files', object.key, Buffer.alloc(0), { ...object, bytes: null })
    const withVersions = {
      ...backup,
      facts: {
        ...backup.facts,
        objects: backup.facts.objects.map((object) => ({
          ...object,
          version: source.get('files', object.key)?.version ?? null
        }))
      }
    }
    expect((await restore(withVersions)).counts).toMatchObject({ uploaded: 60, failed: 0 })
    expect(state(target).objects).toEqual(state(source).objects)
  })

  test('T8: a damaged pack costs its own files, and each is named', async () => {
    fill(4)
    const first = await capture()
    source.addBucket('more')
    for (const number of [0, 1]) source.put('more', `file-${number}`, Buffer.from(`more ${number}`))
    const second = await capture({ buckets: [['more']] })
    const moved = second.facts.objects.map((object) => ({ ...object, in: object.in.map((one) => one + 1) }))
    const [bad] = first.facts.packs
    const done = await restoreStorage({
      context,
      management: null,
      target: api(target),
      targetAfterAbort: () => api(target),
      ...listed({
        ...first.facts,
        buckets: [...first.facts.buckets, ...second.facts.buckets],
        packs: [...first.facts.packs, ...second.facts.packs],
        objects: [...first.facts.objects, ...moved]
      }),
      backup: {
        files: {
          names: [...first.packer.files.names, ...second.packer.files.names],
          open: (name) => (first.packer.files.names.includes(name) ? first : second).packer.files.open(name)
        },
        fetch: async (names = []) => {
          if (names.some((name) => bad?.name.startsWith(name) === true))
            throw new UserError('SB501', `The stored file ${bad?.name} has other bytes.`)
        },
        drop: () => Promise.resolve()
      },
      buckets: [],
      jobs: 2,
      connection: null,
      rowsBroughtBack: 0
    })
    expect(done.counts).toMatchObject({ objects: 6, uploaded: 2, failed: 4 })
    expect(
      differences(done)
        .map(({ subject }) => subject)
        .toSorted()
    ).toEqual([0, 1, 2, 3].map((number) => `Storage file files/file-${number}`))
  })

  test('the files of a copy with the same names do not pass for those that the database tells of', async () => {
    fill(30)
    const listing = [...source.objects.values()].map((object) => ({ ...object }))
    for (const object of listing)
      source.put('files', object.key, Buffer.from('a placeholder'), { updatedAt: '2026-01-01T00:00:00Z' })
    const storage = openStorageSource({
      context,
      storage: api(source),
      url: source.url,
      ref: null,
      buckets: [],
      jobs: 4,
      maxDownloadBytes: undefined,
      places: [{ name: 'artifact', known: null }]
    })
    const rows: Readonly<Record<string, readonly object[]>> = {
      "to_regclass('storage.objects')": [{ there: true }],
      'storage.buckets b': [{ row: JSON.stringify(source.buckets.get('files')) }]
    }
    await storage.listIn({
      query: async (sql: string) => Object.entries(rows).find(([part]) => sql.includes(part))?.[1] ?? [],
      stream: async function* () {
        for (const { id, bucket, key, version, etag, size } of listing)
          yield {
            row: JSON.stringify({ id, bucket_id: bucket, name: key, version, metadata: { eTag: `"${etag}"`, size } })
          }
      }
    } as unknown as Parameters<typeof storage.listIn>[0])
    await storage.preflight(context.signal)
    const packer = createPacker({
      dir: `${desk.folder}/staging-clone`,
      encryption: { scheme: 'none' },
      compression: createCompression({ method: 'none', zstd: null, home: desk.folder }),
      signal: context.signal
    })
    packers.push(packer)
    const captured = await storage.capture(packer.add, context.signal)
    expect(captured).toMatchObject({ status: 'partial', counts: { objects: 30, changed: 30 } })
    expect(captured.reason).toContain('30 of 30 files that came are not those that the database tells of')
  })

  describe('with large files', () => {
    const large = ['b.bin', 'd.bin']
    const all = ['a.txt', 'b.bin', 'c.txt', 'd.bin', 'e.txt', 'f.txt']
    const project = () => {
      source.addBucket('files')
      for (const name of all)
        source.put('files', name, large.includes(name) ? randomBytes(13_000_000) : Buffer.from(`content of ${name}`))
      return capture()
    }
    const arrived = () =>
      all.filter((name) => target.get('files', name)?.bytes?.equals(source.get('files', name)?.bytes ?? Buffer.of()))
    const patch = { method: 'PATCH', path: '/upload/resumable/' }

    test('F69: they go over those that are there', async () => {
      const backup = await project()
      target.addBucket('files')
      for (const name of all) target.put('files', name, Buffer.from('another'))
      expect((await restore(backup)).counts).toMatchObject({ uploaded: 6, failed: 0 })
      expect(arrived()).toEqual(all)
    })

    for (const status of [400, 410, 413])
      test(`F69: one whose upload is refused with ${status} at any piece is named, and all others come`, async () => {
        const backup = await project()
        for (const skip of [0, 1, 2]) {
          target.objects.clear()
          target.faults.add({ ...patch, skip, status })
          const named = differences(await restore(backup)).map(({ subject }) =>
            subject.replace('Storage file files/', '')
          )
          expect(named).toHaveLength(1)
          expect(large).toContain(named[0])
          expect(arrived()).toEqual(all.filter((name) => name !== named[0]))
        }
      })

    test('F61: a target that goes away at any one call ends the restore or is told with each file, and never hangs it', async () => {
      const backup = await project()
      await restore(backup)
      const { length } = target.calls
      expect(length).toBeGreaterThan(25)
      for (let call = 0; call < length; call++) {
        await target.stop()
        target = await startStorage({ key: jwt })
        target.faults.add({ status: 503, skip: call, times: 1e6 })
        const told = await restore(backup).then(
          (done) => differences(done).map(({ subject }) => subject),
          (thrown: unknown) => (thrown instanceof UserError ? [thrown.code] : [])
        )
        expect({ call, told: told.length > 0 }).toEqual({ call, told: true })
      }
    })

    test('a bucket that is not known everywhere just after it was made is asked for again', async () => {
      const backup = await project()
      target.faults.add({ method: 'POST', path: /\/upload\/resumable$/, status: 404, times: 2 })
      target.faults.add({ method: 'POST', path: '/object/files/a.txt', status: 404 })
      expect((await restore(backup)).counts).toMatchObject({ uploaded: 6, failed: 0 })
    })
  })
})

describe('the pool of packs', () => {
  const now = new Date('2026-11-22T12:00:00Z')
  const file = (name: string, hours: number) => ({
    name,
    bytes: 5,
    createdAt: new Date(now.getTime() - hours * 3_600_000)
  })

  test('only what no manifest needs and is older than a day may go', () => {
    const shared = (names: readonly string[]) => ({
      shared: names.map((name) => ({ name, bytes: 5, sha256: 'a'.repeat(64) }))
    })
    const cut = {
      shared: [
        {
          name: 'cut',
          bytes: 10,
          sha256: 'b'.repeat(64),
          volumes: ['cut.000', 'cut.001'].map((name) => ({ name, bytes: 5, sha256: 'c'.repeat(64) }))
        }
      ]
    }
    const pooled = [
      file('old', 25),
      file('old.index.json', 25),
      file('new', 23),
      file('used', 99),
      file('used.index.json', 99),
      file('cut.000', 99),
      file('cut.001', 99)
    ]
    expect(unusedPackNames([shared(['used']), shared([]), cut], pooled, now)).toEqual(['old', 'old.index.json'])
    expect(unusedPackNames([], pooled, now)).toHaveLength(6)
  })

  test('a pack counts as there only when every volume is, with its length and digest', () => {
    const pack = { name: 'p', bytes: 5, sha256: 'a'.repeat(64) }
    const listed = (bytes: number, sha256?: string) =>
      new Map([['p', { ...file('p', 1), bytes, ...(sha256 === undefined ? {} : { sha256 }) }]])
    expect([
      isWhole(pack, listed(5)),
      isWhole(pack, listed(5, 'a'.repeat(64))),
      isWhole(pack, listed(4)),
      isWhole(pack, listed(5, 'b'.repeat(64))),
      isWhole(pack, new Map())
    ]).toEqual([true, true, false, false, false])
  })
})
