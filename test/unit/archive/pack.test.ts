import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { Readable } from 'node:stream'
import { describe, expect, test } from 'vitest'
import type { Compression } from '../../../src/archive/compression.ts'
import type { Content, RunningProducer } from '../../../src/archive/files.ts'
import { createPacker, type PackerOptions } from '../../../src/archive/pack.ts'
import { UserError } from '../../../src/errors.ts'
import { bytesOf, codec, collect, failureOf, folderForEach, never, plain, sealed } from './packing.ts'

const folder = folderForEach()
const packer = (more: Partial<PackerOptions> = {}) =>
  createPacker({ dir: folder.path, encryption: plain, compression: codec('none'), signal: never, ...more })
const left = () => readdir(folder.path)

describe('what was packed', () => {
  test('is told with its numbers, stored under its name, and opened by its plain one', async () => {
    const progress: number[] = []
    const one = packer({ encryption: sealed, compression: codec('gzip'), onProgress: (bytes) => progress.push(bytes) })
    const text = 'a line of text\n'.repeat(10_000)
    const added = await one.add('notes.txt', bytesOf(text))
    const stored = await readFile(join(folder.path, 'notes.txt.gz.age'))
    expect(added).toMatchObject({
      storedName: 'notes.txt.gz.age',
      plainBytes: text.length,
      storedBytes: stored.byteLength
    })
    expect(stored.byteLength).toBeLessThan(text.length / 10)
    expect(one.staged).toEqual([
      {
        name: 'notes.txt.gz.age',
        path: join(folder.path, 'notes.txt.gz.age'),
        bytes: stored.byteLength,
        sha256: added.sha256
      }
    ])
    expect(progress.reduce((sum, bytes) => sum + bytes, 0)).toBe(stored.byteLength)
    expect(one.files.names).toEqual(['notes.txt'])
    expect((await collect(one.files.open('notes.txt'))).toString()).toBe(text)
    expect(() => one.files.open('other.txt')).toThrow('not packed: other.txt')
  })

  test('plain files lie there as they are', async () => {
    const one = packer({ encryption: sealed, compression: codec('gzip') })
    await one.addPlain('RESTORE.md', Buffer.from('how to'))
    expect(await readFile(join(folder.path, 'RESTORE.md'), 'utf8')).toBe('how to')
    expect(one.staged.map(({ name, bytes }) => [name, bytes])).toEqual([['RESTORE.md', 6]])
  })

  test('a small file is sealed without being compressed, opened like the others, and never written where nothing seals', async () => {
    const one = packer({ encryption: sealed, compression: codec('gzip') })
    await one.addUncompressed('canary.txt', Buffer.from('the word'))
    expect(one.staged.map(({ name }) => name)).toEqual(['canary.txt.age'])
    expect((await readFile(join(folder.path, 'canary.txt.age'))).includes('the word')).toBe(false)
    expect((await collect(one.files.open('canary.txt'))).toString()).toBe('the word')
    await expect(one.addUncompressed('canary.txt', Buffer.from('x'))).rejects.toThrow('packed twice: canary.txt.age')
    const open = packer()
    await expect(open.addUncompressed('other.txt', Buffer.from('the word'))).rejects.toThrow(
      'nothing would seal other.txt'
    )
    expect([open.staged, await left()]).toEqual([[], ['canary.txt.age']])
  })

  test('is taken back with its key, and taking back what is not there is no error', async () => {
    const one = packer({ encryption: sealed })
    await one.add('a', bytesOf('first'))
    await one.remove('a.age')
    await one.remove('a.age')
    await one.remove('never-there')
    expect([one.staged, one.files.names, await left()]).toEqual([[], [], []])
    await one.add('a', bytesOf('second'))
    expect((await collect(one.files.open('a'))).toString()).toBe('second')
  })

  test('stays when the packer is closed, but nothing sealed is opened and nothing packed any more', async () => {
    const one = packer({ encryption: sealed })
    await one.add('secret', bytesOf('x'))
    one.close()
    await expect(collect(one.files.open('secret'))).rejects.toThrow('the key of secret.age was forgotten')
    await expect(one.add('more', bytesOf('x'))).rejects.toThrow('the packer is closed')
    await expect(one.addPlain('RESTORE.md', Buffer.from('x'))).rejects.toThrow('the packer is closed')
    expect(await left()).toEqual(['secret.age'])
  })
})

describe('names', () => {
  test('two under way at a time never share one, whatever becomes of the first', async () => {
    const one = packer()
    const [first, second] = await Promise.allSettled([one.add('a', bytesOf('1')), one.add('a', bytesOf('2'))])
    expect([first?.status, second?.status]).toEqual(['fulfilled', 'rejected'])
    expect((await collect(one.files.open('a'))).toString()).toBe('1')
    await expect(one.addPlain('a', Buffer.from('3'))).rejects.toThrow('packed twice: a')
    const plainly = await Promise.allSettled(['1', '2'].map((text) => one.addPlain('b', Buffer.from(text))))
    expect(plainly.map(({ status }) => status)).toEqual(['fulfilled', 'rejected'])
    await expect(one.add('../a', bytesOf('x'))).rejects.toThrow('not a storable name: "../a"')
  })
})

describe('what fails leaves nothing behind', () => {
  const child = (stdout: Readable | null, done: Promise<void>): Content => {
    done.catch(() => undefined)
    return { start: (): RunningProducer => ({ stdout, done }) }
  }
  const gone = new UserError('SB201', 'the child ended with 1')

  test.each<[string, () => Content, string]>([
    [
      'a child that cannot be started',
      () => ({
        start: () => {
          throw new UserError('SB301', 'no such program')
        }
      }),
      'SB301 no such program'
    ],
    [
      'a child without an output',
      () => child(null, Promise.resolve()),
      'Error: the content was started without a pipe'
    ],
    [
      'a child that fails',
      () => child(Readable.from([Buffer.from('half')]), Promise.reject(gone)),
      'SB201 the child ended with 1'
    ],
    [
      'a child whose output breaks although it ended well',
      () =>
        child(
          new Readable({
            read() {
              this.destroy(new Error('read ECONNRESET'))
            }
          }),
          Promise.resolve()
        ),
      'Error: read ECONNRESET'
    ],
    [
      'content that breaks',
      () => ({
        bytes: Readable.from(
          (async function* () {
            yield Buffer.from('half')
            throw gone
          })()
        )
      }),
      'SB201 the child ended with 1'
    ]
  ])('%s', async (_what, content, expected) => {
    for (const encryption of [plain, sealed]) {
      const one = packer({ encryption })
      expect(await failureOf(one.add('a', content()))).toBe(expected)
      expect([one.staged, await left()]).toEqual([[], []])
      // The name is free again.
      await one.add('a', bytesOf('whole'))
      expect((await collect(one.files.open('a'))).toString()).toBe('whole')
      await one.remove(encryption === plain ? 'a' : 'a.age')
    }
  })

  test('a child that writes to a pipe here is packed whole', async () => {
    const one = packer({ encryption: sealed, compression: codec('gzip') })
    const added = await one.add('a', child(Readable.from([Buffer.from('one '), Buffer.from('two')]), Promise.resolve()))
    expect(added.plainBytes).toBe(7)
    expect((await collect(one.files.open('a'))).toString()).toBe('one two')
  })

  test('of several failures the one nearest to the disk is told', async () => {
    // The compressor fails, and with it everything that feeds it.
    const inner = codec('gzip')
    const failing: Compression = {
      ...inner,
      compress(signal) {
        const made = inner.compress(signal)
        const done = made.done.then(() => Promise.reject(new UserError('SB312', 'the compressor failed')))
        done.catch(() => undefined)
        return { ...made, done }
      }
    }
    expect(await failureOf(packer({ compression: failing }).add('a', bytesOf('x')))).toBe('SB312 the compressor failed')
    const full = () => {
      throw new UserError('SB310', 'no room')
    }
    expect(await failureOf(packer({ compression: failing, onProgress: full }).add('a', bytesOf('x')))).toBe(
      'SB312 the compressor failed'
    )
    expect(await failureOf(packer({ onProgress: full }).add('a', bytesOf('x')))).toBe('SB310 no room')
    let isFull = true
    const one = packer({ onProgress: () => (isFull ? full() : undefined) })
    expect(await failureOf(one.addPlain('a', Buffer.from('x')))).toBe('SB310 no room')
    expect(await left()).toEqual([])
    isFull = false
    await one.addPlain('a', Buffer.from('x'))
    expect(await left()).toEqual(['a'])
  })

  test('F36: a run that was cancelled packs nothing, and says why', async () => {
    const cancelled = AbortSignal.abort(new UserError('SB302', 'time is up'))
    let started = 0
    const content: Content = {
      start: () => {
        started += 1
        return { stdout: Readable.from([]), done: Promise.resolve() }
      }
    }
    expect(await failureOf(packer({ signal: cancelled }).add('a', content))).toBe('SB302 time is up')
    expect(started).toBe(0)
    const controller = new AbortController()
    const endless = (async function* () {
      for (let count = 0; ; count += 1) {
        if (count === 20) controller.abort(new UserError('SB302', 'time is up'))
        yield Buffer.alloc(100_000)
      }
    })()
    expect(await failureOf(packer({ signal: controller.signal }).add('a', { bytes: endless }))).toBe('SB302 time is up')
    expect(await left()).toEqual([])
  })
})
