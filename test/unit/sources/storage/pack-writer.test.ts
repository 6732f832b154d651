import { createHash } from 'node:crypto'
import { setImmediate as turn } from 'node:timers/promises'
import { extract } from 'tar-stream'
import { expect, test } from 'vitest'
import type { PackRecord } from '../../../../src/archive/contents-storage.ts'
import type { AddFile } from '../../../../src/archive/files.ts'
import { openPackWriter } from '../../../../src/sources/storage/pack-writer.ts'

/** Half of what a pack holds, so that each third object begins a new one. */
const half = Buffer.alloc(32 * 1024 * 1024, 'x')

function record(number: number, body: Uint8Array): PackRecord {
  return {
    entry: createHash('sha256').update(String(number)).digest('hex').slice(0, 32),
    size: body.byteLength,
    sha256: createHash('sha256').update(body).digest('hex'),
    contentType: null,
    cacheControl: null,
    userMetadata: null
  }
}

/** Reads what is added, and ends each file only when it is let go. */
function slowStore() {
  const read: string[] = []
  const letGo: ((failure?: Error) => void)[] = []
  const add: AddFile = async (name, content) => {
    if (!('bytes' in content)) throw new Error('a pack comes as bytes')
    const index = letGo.length
    const held = new Promise<void>((resolve, reject) => {
      letGo.push((failure) => (failure === undefined ? resolve() : reject(failure)))
    })
    const names: string[] = []
    const tar = extract()
    tar.on('entry', ({ name: entry }, stream, next) => {
      names.push(entry)
      stream.on('end', () => next(null)).resume()
    })
    for await (const piece of content.bytes)
      if (!tar.write(Buffer.from(piece))) await new Promise<void>((drained) => tar.once('drain', () => drained()))
    tar.end(null)
    await held
    read[index] = names.join(' ')
    return { storedName: name, plainBytes: 0, storedBytes: 0, sha256: 'a'.repeat(64) }
  }
  return { add, read, letGo }
}

function isSettled(promise: Promise<unknown>): Promise<boolean> {
  return Promise.race([
    promise.then(
      () => true,
      () => true
    ),
    (async () => {
      for (let turns = 0; turns < 50; turns++) await turn()
      return false
    })()
  ])
}

const random = (bytes: number) => new Uint8Array(bytes).fill(7)

test('the next pack is filled while the one before is finished, but not a third one', async () => {
  const store = slowStore()
  const writer = openPackWriter(store.add, random)
  const records = Array.from({ length: 5 }, (_, number) => record(number, half))
  const put = (number: number) => writer.put(records[number] ?? record(number, half), { chunks: [half] })

  expect(await Promise.all([await put(0), await put(1)])).toEqual([0, 0])
  // The first pack is full and is not let go: the second is filled all the same.
  expect(await put(2)).toBe(1)
  expect(await put(3)).toBe(1)
  expect(store.letGo).toHaveLength(2)
  const third = put(4)
  expect(await isSettled(third)).toBe(false)
  expect(store.letGo).toHaveLength(2)

  store.letGo[0]?.()
  expect(await third).toBe(2)
  store.letGo[2]?.()
  store.letGo[1]?.()
  const packs = await writer.end()
  expect(packs).toHaveLength(3)
  const entries = records.map(({ entry }) => entry)
  expect(store.read.map((names) => names.split(' ').filter((name) => entries.includes(name)))).toEqual([
    entries.slice(0, 2),
    entries.slice(2, 4),
    entries.slice(4)
  ])
})

test('a pack that cannot be finished ends the next object or the end, with its own reason', async () => {
  const full = new Error('the disk is full')
  for (const late of [false, true]) {
    const store = slowStore()
    const writer = openPackWriter(store.add, random)
    for (const number of [0, 1, 2]) await writer.put(record(number, half), { chunks: [half] })
    if (!late) {
      store.letGo[0]?.(full)
      for (let turns = 0; turns < 50; turns++) await turn()
      await expect(writer.put(record(3, half), { chunks: [half] })).rejects.toBe(full)
    }
    store.letGo[0]?.(full)
    store.letGo[1]?.()
    await expect(writer.end()).rejects.toBe(full)
  }
})

test('what is abandoned leaves no pack half written, and nothing runs on', async () => {
  const store = slowStore()
  const ended: string[] = []
  const writer = openPackWriter(async (name, content) => {
    try {
      return await store.add(name, content)
    } finally {
      ended.push(name)
    }
  }, random)
  for (const number of [0, 1, 2]) await writer.put(record(number, half), { chunks: [half] })
  const abandoned = writer.abandon(new Error('the project does not answer'))
  expect(await isSettled(abandoned)).toBe(false)
  store.letGo[0]?.()
  await abandoned
  expect(ended).toHaveLength(2)
  // The second one ended by the break, and not as if it were whole.
  expect(store.read).toHaveLength(1)
})
