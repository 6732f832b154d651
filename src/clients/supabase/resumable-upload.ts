import { UserError } from '../../errors.ts'
import type { HttpAnswer } from '../network/keep-alive-http.ts'
import { isWell, type StorageRequest, type StorageTransport } from './storage-transport.ts'

/** Larger files go up in pieces (6 MiB, the size that the resumable protocol of Supabase demands). */
export const resumableFrom = 6 * 1024 * 1024

export interface UploadSettings {
  readonly contentType: string | null
  readonly cacheControl: string | null
  readonly userMetadata: Readonly<Record<string, unknown>> | null
}

/** A large file whose upload has begun. */
export interface LargeUpload {
  /** Where its pieces go, below the API's address. */
  readonly path: string
  readonly bytes: number
}

/** The server asks at each request whether a file that is there may be replaced, not only when an upload begins. */
const tus = { 'tus-resumable': '1.0.0', 'x-upsert': 'true' }

/** Begins an upload by the protocol TUS 1.0. */
export async function beginUpload(
  transport: StorageTransport,
  bucket: string,
  key: string,
  bytes: number,
  settings: UploadSettings
): Promise<LargeUpload> {
  const age = maxAge(settings.cacheControl ?? '')
  const told: Record<string, string> = {
    bucketName: bucket,
    objectName: key,
    contentType: settings.contentType ?? 'application/octet-stream',
    ...(age === null ? {} : { cacheControl: age }),
    ...(settings.userMetadata === null ? {} : { metadata: JSON.stringify(settings.userMetadata) })
  }
  const created = await sendToBucket(transport, bucket, {
    method: 'POST',
    path: '/upload/resumable',
    headers: {
      ...tus,
      'upload-length': String(bytes),
      'upload-metadata': Object.entries(told)
        .map(([name, value]) => `${name} ${Buffer.from(value).toString('base64')}`)
        .join(',')
    }
  })
  const location = created.header('location')
  created.drop()
  if (location === null) throw new UserError('SB803', `${transport.base} gave no address for a large upload.`)
  // Only the id is taken: the address that the API knows itself by may be one that is not reached from here.
  return { path: `/upload/resumable/${location.split('/').at(-1) ?? ''}`, bytes }
}

/** Sends something into a bucket. One that was just made may not be known everywhere yet: "not found" is asked again. */
export async function sendToBucket(
  transport: StorageTransport,
  bucket: string,
  request: StorageRequest
): Promise<HttpAnswer> {
  for (let attempt = 0; ; attempt++) {
    const answer = await transport.send(request)
    if (answer !== null) return answer
    if (attempt >= transport.retries)
      throw new UserError(
        'SB805',
        `The target answers "not found" to the upload: it does not know the bucket ${bucket}, or this name in it.`
      )
    await transport.pause(attempt)
  }
}

/** One PATCH a piece; after a break HEAD tells how far it came. */
export async function uploadPieces(
  transport: StorageTransport,
  { path, bytes }: LargeUpload,
  pieces: AsyncIterable<Uint8Array<ArrayBuffer>>
): Promise<void> {
  let offset = 0
  for await (const piece of pieces) {
    const end = offset + piece.byteLength
    for (let attempt = 0; offset < end; attempt++) {
      if (attempt > transport.retries)
        throw new UserError('SB805', `A large file stopped at ${offset} of ${bytes} bytes.`)
      if (attempt > 0) {
        await transport.pause(attempt - 1)
        const state = await transport.send({ method: 'HEAD', path, headers: tus })
        state?.drop()
        const reached = Number(state?.header('upload-offset') ?? Number.NaN)
        if (!(reached >= end - piece.byteLength && reached <= end))
          throw new UserError('SB805', `A large upload was lost at ${offset} of ${bytes} bytes.`)
        offset = reached
        if (offset === end) break
      }
      const response = await transport
        .send({
          method: 'PATCH',
          path,
          headers: { ...tus, 'upload-offset': String(offset), 'content-type': 'application/offset+octet-stream' },
          body: piece.subarray(offset - (end - piece.byteLength)),
          accept: [409, 423]
        })
        .catch((error: unknown) => {
          if (error instanceof UserError && error.mayPass) return null
          throw error
        })
      response?.drop()
      if (response !== null && isWell(response)) offset = Number(response.header('upload-offset') ?? end)
    }
  }
  if (offset !== bytes) throw new UserError('SB805', `A large upload ended at ${offset} of ${bytes} bytes.`)
}

/** What a resumable upload makes of a cache control: it knows `max-age` alone, and `no-cache` for everything else. */
export function resumableCacheControl(cacheControl: string): string {
  const age = maxAge(cacheControl)
  return age === null ? 'no-cache' : `max-age=${age}`
}

/** The number of `max-age=3600`, which is what the resumable protocol takes. */
function maxAge(cacheControl: string): string | null {
  return /^(?:public, )?max-age=(\d+)$/.exec(cacheControl)?.[1] ?? null
}
