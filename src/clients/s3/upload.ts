import { createHash } from 'node:crypto'
import {
  AbortMultipartUploadCommand,
  CompleteMultipartUploadCommand,
  CreateMultipartUploadCommand,
  PutObjectCommand,
  UploadPartCommand
} from '@aws-sdk/client-s3'
import { asError, UserError } from '../../errors.ts'
import type { Connection } from './connection.ts'
import { hasStatus } from './errors.ts'
import type { ObjectRef, UploadBody, UploadOptions } from './objects.ts'

/** What a whole upload must show there. */
export interface Expected {
  readonly bytes: number
  readonly sha256: string
  /** As stores compute it that do not encrypt with keys of the customer's. */
  readonly etag: string
  /** As a store computes it that was asked for SHA-256. */
  readonly checksum: string
}

export interface Uploaded extends ObjectRef {
  readonly expected: Expected
  /** True where the answer says that something of this name was there already. */
  readonly refused: boolean
}

const mebibyte = 1024 * 1024
/** Pieces lie in memory while they are sent, so that a broken one can be sent again. */
const pieceBytes = 16 * mebibyte
const piecesAtOnce = 4
const mostPieces = 9_000

/** The size of pieces; part of the digest that a store shows of the whole. */
export function pieceSize(bytes: number): number {
  return Math.max(pieceBytes, Math.ceil(bytes / mostPieces / mebibyte) * mebibyte)
}

/** Digests of pieces, and from them those that a store shows of the whole. */
export function digester(bytes: number): { add(piece: Uint8Array): PieceDigests; end(): Expected } {
  const size = pieceSize(bytes)
  const whole = createHash('sha256')
  const pieces: PieceDigests[] = []
  let length = 0
  return {
    add(piece) {
      length += piece.byteLength
      whole.update(piece)
      const md5 = createHash('md5').update(piece).digest()
      const sha256 = createHash('sha256').update(piece).digest()
      pieces.push({ md5, sha256 })
      return { md5, sha256 }
    },
    end() {
      const sha256 = whole.digest('hex')
      const [only] = pieces
      const joined = (kind: 'md5' | 'sha256') =>
        createHash(kind)
          .update(Buffer.concat(pieces.map((piece) => piece[kind])))
          .digest()
      return bytes <= size
        ? {
            bytes: length,
            sha256,
            etag: only?.md5.toString('hex') ?? '',
            checksum: only?.sha256.toString('base64') ?? ''
          }
        : {
            bytes: length,
            sha256,
            etag: `${joined('md5').toString('hex')}-${pieces.length}`,
            checksum: `${joined('sha256').toString('base64')}-${pieces.length}`
          }
    }
  }
}

interface PieceDigests {
  readonly md5: Buffer
  readonly sha256: Buffer
}

/** Cuts a stream into pieces of one size; the last may be shorter. */
export async function* piecesOf(stream: AsyncIterable<Uint8Array>, size: number): AsyncGenerator<Buffer> {
  let piece = Buffer.alloc(0)
  let filled = 0
  for await (const chunk of stream) {
    let rest: Uint8Array = chunk
    while (rest.byteLength > 0) {
      if (filled === 0) piece = Buffer.allocUnsafe(size)
      const taken = rest.subarray(0, size - filled)
      piece.set(taken, filled)
      filled += taken.byteLength
      rest = rest.subarray(taken.byteLength)
      if (filled < size) continue
      yield piece
      filled = 0
    }
  }
  if (filled > 0) yield piece.subarray(0, filled)
}

function differs(key: string, how: string): UserError {
  return new UserError('SB414', `What was read to be stored as ${key.split('/').at(-1)} ${how}.`)
}

/** Stores bytes under a key, in pieces where they are many. Nothing shows there when what was read is not what was meant. */
export async function upload(
  connection: Connection,
  key: string,
  body: UploadBody,
  options: UploadOptions
): Promise<Uploaded> {
  const size = pieceSize(body.bytes)
  return body.bytes <= size
    ? await putWhole(connection, key, body, options)
    : await putInPieces(connection, key, body, options, size)
}

function lockFields(options: UploadOptions) {
  const { lock } = options
  return lock === undefined
    ? {}
    : {
        ObjectLockMode: lock.mode === 'compliance' ? ('COMPLIANCE' as const) : ('GOVERNANCE' as const),
        ObjectLockRetainUntilDate: lock.until
      }
}

function commonFields(options: UploadOptions) {
  return {
    ...lockFields(options),
    ...(options.metadata === undefined ? {} : { Metadata: { ...options.metadata } })
  }
}

/** "Only where nothing is", where the store can be asked that. */
function condition(connection: Connection, options: UploadOptions) {
  return options.onlyIfAbsent === true && connection.traits.conditionalWrites ? { IfNoneMatch: '*' } : {}
}

async function putWhole(
  connection: Connection,
  key: string,
  body: UploadBody,
  options: UploadOptions
): Promise<Uploaded> {
  const chunks: Buffer[] = []
  let length = 0
  for await (const chunk of body.open()) {
    length += chunk.length
    if (length > body.bytes) throw differs(key, `has more than its ${body.bytes} bytes`)
    chunks.push(Buffer.from(chunk))
  }
  const bytes = Buffer.concat(chunks)
  const digests = digester(body.bytes)
  const { md5, sha256 } = digests.add(bytes)
  const expected = digests.end()
  if (expected.bytes !== body.bytes) throw differs(key, `ended after ${expected.bytes} of ${body.bytes} bytes`)
  if (expected.sha256 !== body.sha256) throw differs(key, 'has another SHA-256 than it should have')
  const send = (conditional: boolean) =>
    connection.call({ what: `store ${key}`, right: 's3:PutObject' }, (client, abortSignal) =>
      client.send(
        new PutObjectCommand({
          Bucket: connection.bucket,
          Key: key,
          Body: bytes,
          ContentLength: bytes.byteLength,
          ContentMD5: md5.toString('base64'),
          ...(connection.traits.checksums
            ? { ChecksumAlgorithm: 'SHA256', ChecksumSHA256: sha256.toString('base64') }
            : {}),
          ...(conditional ? condition(connection, options) : {}),
          ...commonFields(options)
        }),
        { abortSignal }
      )
    )
  try {
    const answer = await sendConditionally(connection, send)
    return { key, expected, refused: false, ...versionOf(answer.VersionId) }
  } catch (thrown) {
    if (hasStatus(thrown, 412)) return { key, expected, refused: true }
    throw thrown
  }
}

/** A store that does not know conditions says so by 501: then it is asked without. */
async function sendConditionally<T>(connection: Connection, send: (conditional: boolean) => Promise<T>): Promise<T> {
  try {
    return await send(true)
  } catch (thrown) {
    if (!hasStatus(thrown, 501)) throw thrown
    connection.log.debug(`${connection.place} takes no conditional writes.`)
    return await send(false)
  }
}

function versionOf(versionId: string | undefined): { versionId?: string } {
  return versionId === undefined ? {} : { versionId }
}

async function putInPieces(
  connection: Connection,
  key: string,
  body: UploadBody,
  options: UploadOptions,
  size: number
): Promise<Uploaded> {
  const started = await connection.call({ what: `store ${key}`, right: 's3:PutObject' }, (client, abortSignal) =>
    client.send(
      new CreateMultipartUploadCommand({
        Bucket: connection.bucket,
        Key: key,
        ...(connection.traits.checksums ? { ChecksumAlgorithm: 'SHA256' } : {}),
        ...commonFields(options)
      }),
      { abortSignal }
    )
  )
  const target = { Bucket: connection.bucket, Key: key, UploadId: started.UploadId ?? '' }
  try {
    const { parts, expected } = await sendPieces(connection, target, body, size)
    return await completeUpload(connection, target, parts, expected, options)
  } catch (thrown) {
    await abortUpload(connection, target.Key, target.UploadId).catch((error: unknown) =>
      connection.log.debug(`an unfinished upload stays: ${asError(error).message}`)
    )
    throw thrown
  }
}

interface Target {
  readonly Bucket: string
  readonly Key: string
  readonly UploadId: string
}

interface Part {
  readonly ETag: string
  readonly PartNumber: number
  readonly ChecksumSHA256?: string
}

async function sendPieces(
  connection: Connection,
  target: Target,
  body: UploadBody,
  size: number
): Promise<{ parts: readonly Part[]; expected: Expected }> {
  const digests = digester(body.bytes)
  const parts: Part[] = []
  const running = new Set<Promise<void>>()
  let failure: unknown
  const sendOne = async (piece: Buffer, number: number, { md5, sha256 }: PieceDigests): Promise<void> => {
    const checksum = connection.traits.checksums ? { ChecksumSHA256: sha256.toString('base64') } : {}
    const answer = await connection.call(
      { what: `store ${target.Key}, piece ${number}`, right: 's3:PutObject' },
      (client, abortSignal) =>
        client.send(
          new UploadPartCommand({
            ...target,
            PartNumber: number,
            Body: piece,
            ContentLength: piece.byteLength,
            ContentMD5: md5.toString('base64'),
            ...(connection.traits.checksums ? { ChecksumAlgorithm: 'SHA256' } : {}),
            ...checksum
          }),
          { abortSignal }
        )
    )
    parts.push({ PartNumber: number, ETag: answer.ETag ?? `"${md5.toString('hex')}"`, ...checksum })
  }
  let number = 0
  let length = 0
  try {
    for await (const piece of piecesOf(body.open(), size)) {
      length += piece.byteLength
      if (length > body.bytes) throw differs(target.Key, `has more than its ${body.bytes} bytes`)
      number += 1
      const sent = sendOne(piece, number, digests.add(piece))
        .catch((thrown: unknown) => {
          failure ??= thrown
        })
        .finally(() => running.delete(sent))
      running.add(sent)
      if (running.size >= piecesAtOnce) await Promise.race(running)
      if (failure !== undefined) throw failure
    }
  } finally {
    await Promise.all(running)
  }
  if (failure !== undefined) throw failure
  const expected = digests.end()
  if (expected.bytes !== body.bytes) throw differs(target.Key, `ended after ${expected.bytes} of ${body.bytes} bytes`)
  if (expected.sha256 !== body.sha256) throw differs(target.Key, 'has another SHA-256 than it should have')
  return { parts: parts.toSorted((a, b) => a.PartNumber - b.PartNumber), expected }
}

async function completeUpload(
  connection: Connection,
  target: Target,
  parts: readonly Part[],
  expected: Expected,
  options: UploadOptions
): Promise<Uploaded> {
  const send = (conditional: boolean) =>
    connection.call({ what: `store ${target.Key}`, right: 's3:PutObject' }, (client, abortSignal) =>
      client.send(
        new CompleteMultipartUploadCommand({
          ...target,
          MultipartUpload: { Parts: [...parts] },
          ...(conditional ? condition(connection, options) : {})
        }),
        { abortSignal }
      )
    )
  try {
    const answer = await sendConditionally(connection, send)
    return { key: target.Key, expected, refused: false, ...versionOf(answer.VersionId) }
  } catch (thrown) {
    if (hasStatus(thrown, 412)) {
      await abortUpload(connection, target.Key, target.UploadId)
      return { key: target.Key, expected, refused: true }
    }
    // An answer that was lost: the upload is no more, and what lies there is looked at next.
    if (hasStatus(thrown, 404)) return { key: target.Key, expected, refused: false }
    throw thrown
  }
}

/** Gives up an upload in pieces; one that is not there is no error. */
export async function abortUpload(connection: Connection, key: string, uploadId: string): Promise<void> {
  try {
    await connection.call({ what: `give up an upload of ${key}`, right: 's3:AbortMultipartUpload' }, (client) =>
      client.send(new AbortMultipartUploadCommand({ Bucket: connection.bucket, Key: key, UploadId: uploadId }))
    )
  } catch (thrown) {
    if (!hasStatus(thrown, 404)) throw thrown
  }
}
