import { createHash } from 'node:crypto'
import type { Readable } from 'node:stream'
import { extract } from 'tar-stream'
import { type PackRecord, packIndexEntry, packRecordSchema } from '../../archive/contents-storage.ts'
import { asError, UserError } from '../../errors.ts'

/** A file of a pack while it passes by. It has to be read, or is skipped. */
export interface PackedFile {
  readonly entry: string
  readonly size: number
  readonly bytes: AsyncIterable<Uint8Array>
}

/** What a pack says of a file in it, found to be true; and the MD5, which is what most entity tags are. */
export interface CheckedRecord extends PackRecord {
  readonly md5: string
}

/** Largest `index.jsonl` that is read, in bytes. */
const largestIndex = 64 * 1024 * 1024

/** The files of a pack in their order, `index.jsonl` last. Nothing in it is ever used as a path. */
export async function* filesOfPack(name: string, pack: Readable): AsyncGenerator<PackedFile> {
  const archive = extract()
  pack.on('error', (error) => archive.destroy(error))
  pack.pipe(archive)
  try {
    for await (const file of archive) {
      yield { entry: file.header.name, size: file.header.size ?? 0, bytes: chunksOf(file) }
      file.resume()
    }
  } catch (error) {
    throw error instanceof UserError
      ? error
      : new UserError('SB806', `The pack ${name} cannot be read: ${asError(error).message}.`, { cause: error })
  } finally {
    pack.destroy()
    archive.destroy()
  }
}

/**
 * The bytes of a file. Whoever stops in the middle gets the rest read away: an entry that is left early is destroyed by its own iterator, and the
 * archive would then wait for ever for somebody to read it.
 */
async function* chunksOf(file: AsyncIterable<unknown>): AsyncGenerator<Uint8Array> {
  const chunks = file[Symbol.asyncIterator]()
  let ended = false
  const next = async (): Promise<unknown> => {
    const { done, value } = await chunks.next().catch((error: unknown) => {
      ended = true
      throw error
    })
    ended = done === true
    return value
  }
  try {
    for (let chunk = await next(); !ended; chunk = await next()) if (chunk instanceof Uint8Array) yield chunk
  } finally {
    while (!ended) await next()
  }
}

/**
 * Reads a pack to its end and compares every file with what its `index.jsonl` says. Throws UserError SB806 at the first that differs or that it
 * does not name.
 */
export async function checkPack(name: string, pack: Readable): Promise<ReadonlyMap<string, CheckedRecord>> {
  const found = new Map<string, { size: number; sha256: string; md5: string }>()
  let index: Buffer | null = null
  for await (const file of filesOfPack(name, pack)) {
    if (file.entry === packIndexEntry) {
      if (file.size > largestIndex) throw wrong(name, 'its list is too long')
      const chunks: Uint8Array[] = []
      for await (const chunk of file.bytes) chunks.push(chunk)
      index = Buffer.concat(chunks)
      continue
    }
    const sha256 = createHash('sha256')
    const md5 = createHash('md5')
    let size = 0
    for await (const chunk of file.bytes) {
      sha256.update(chunk)
      md5.update(chunk)
      size += chunk.byteLength
    }
    found.set(file.entry, { size, sha256: sha256.digest('hex'), md5: md5.digest('hex') })
  }
  if (index === null) throw wrong(name, `it has no ${packIndexEntry}`)
  const records = new Map<string, CheckedRecord>()
  for (const line of index.toString('utf8').split('\n')) {
    if (line === '') continue
    const record = recordOf(name, line)
    const file = found.get(record.entry)
    if (file === undefined) throw wrong(name, `it lacks the file ${record.entry}`)
    if (file.size !== record.size || file.sha256 !== record.sha256)
      throw wrong(name, `its file ${record.entry} has other bytes than when it was captured`)
    records.set(record.entry, { ...record, md5: file.md5 })
  }
  if (records.size !== found.size) throw wrong(name, 'it holds files that its list does not name')
  return records
}

function recordOf(name: string, line: string): PackRecord {
  try {
    return packRecordSchema.parse(JSON.parse(line))
  } catch (cause) {
    throw new UserError('SB806', `The list of the pack ${name} cannot be read.`, { cause })
  }
}

function wrong(name: string, how: string): UserError {
  return new UserError('SB806', `The pack ${name} is not what it should be: ${how}.`)
}
