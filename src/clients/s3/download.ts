import { Readable } from 'node:stream'
import { GetObjectCommand } from '@aws-sdk/client-s3'
import { asError, UserError } from '../../errors.ts'
import type { Connection } from './connection.ts'
import { keyAndVersion, type ObjectRef } from './objects.ts'

/** A stream over all bytes of an object. A connection that breaks is taken up where it broke; short or long ends it with an error. */
export function openObject(connection: Connection, ref: ObjectRef, bytes: number): Readable {
  return Readable.from(chunks(connection, ref, bytes), { objectMode: false, highWaterMark: 256 * 1024 })
}

async function* chunks(connection: Connection, ref: ObjectRef, bytes: number): AsyncGenerator<Buffer> {
  const name = ref.key.split('/').at(-1) ?? ''
  let offset = 0
  for (let failures = 0; offset < bytes; failures += 1) {
    const from = offset
    try {
      const answer = await connection.call({ what: `read ${ref.key}`, right: 's3:GetObject' }, (client, abortSignal) =>
        client.send(
          new GetObjectCommand({
            ...keyAndVersion(connection.bucket, ref),
            ...(from === 0 ? {} : { Range: `bytes=${from}-` })
          }),
          { abortSignal }
        )
      )
      if (!(answer.Body instanceof Readable)) throw new Error(`no body came of ${ref.key}`)
      for await (const chunk of answer.Body) {
        const piece = Buffer.from(chunk)
        offset += piece.byteLength
        if (offset > bytes) throw new UserError('SB501', `The download of ${name} gave more than its ${bytes} bytes.`)
        yield piece
      }
      if (offset === from) throw cut(name, offset, bytes)
    } catch (thrown) {
      if (connection.signal.aborted || (thrown instanceof UserError && !thrown.mayPass)) throw thrown
      if (failures >= connection.retries) throw thrown instanceof UserError ? thrown : cut(name, offset, bytes, thrown)
      await connection.pause(failures)
    }
    if (offset < bytes && failures >= connection.retries) throw cut(name, offset, bytes)
  }
}

function cut(name: string, offset: number, bytes: number, cause?: unknown): UserError {
  const why = cause === undefined ? '' : `: ${asError(cause).message}`
  return new UserError('SB401', `The download of ${name} ended after ${offset} of ${bytes} bytes${why}`, {
    mayPass: true,
    remedy: 'Run the job again; if it repeats, run `command: verify` to see whether the stored file is whole.',
    ...(cause === undefined ? {} : { cause })
  })
}
