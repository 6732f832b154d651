import { createCipheriv, createHash } from 'node:crypto'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import { listen } from '../github/http.ts'

export interface LargeFile {
  readonly url: string
  /** Whether the file is there, whole. */
  isThere(): boolean
  /** Bytes of uploads that were taken so far. */
  uploaded(): number
  stop(): void
}

const pieceBytes = 1024 * 1024
const zeros = Buffer.alloc(pieceBytes)

/** The bytes of the file's piece of this number: nothing that a compressor makes smaller, and always the same. */
function pieceOf(number: number): Buffer {
  const start = Buffer.alloc(16)
  start.writeUInt32BE(number)
  return createCipheriv('aes-128-ctr', Buffer.alloc(16), start).update(zeros)
}

/**
 * A Storage API with one file `large` in the bucket `bench`, of any length: made while it is sent, compared while it comes (by a resumable upload),
 * so that the server takes no memory and no disk. Throws at bytes that are others.
 */
export async function largeFile({
  bytes,
  filled
}: {
  readonly bytes: number
  readonly filled: boolean
}): Promise<LargeFile> {
  // As of a file that went up in parts: no MD5 of the bytes, so that whoever compares has to read them.
  const etag = `"${createHash('md5').update(String(bytes)).digest('hex')}-9"`
  let bucket = filled
  let offset = filled ? bytes : 0
  const version = filled ? 'of the source' : 'of the target'
  const metadata = { eTag: etag, size: bytes, mimetype: 'video/mp4', cacheControl: 'max-age=3600' }

  const send = (response: ServerResponse) => {
    response.writeHead(200, { 'content-length': String(bytes), etag })
    let sent = 0
    const more = () => {
      while (sent < bytes) {
        const part = pieceOf(sent / pieceBytes).subarray(0, bytes - sent)
        sent += part.byteLength
        if (!response.write(part)) return void response.once('drain', more)
      }
      response.end()
    }
    more()
  }
  let expected: Buffer = Buffer.alloc(0)
  const take = async (request: IncomingMessage) => {
    if (Number(request.headers['upload-offset']) !== offset) throw new Error('a piece of another place')
    for await (const chunk of request as AsyncIterable<Buffer>) {
      for (let at = 0; at < chunk.byteLength; ) {
        const from = offset % pieceBytes
        if (from === 0) expected = pieceOf(offset / pieceBytes)
        const part = chunk.subarray(at, at + pieceBytes - from)
        if (!part.equals(expected.subarray(from, from + part.byteLength))) throw new Error(`other bytes at ${offset}`)
        at += part.byteLength
        offset += part.byteLength
      }
    }
  }
  const handle = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    const { method, url = '' } = request
    const json = (body: unknown, status = 200) =>
      void response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body))
    const tus = { 'tus-resumable': '1.0.0', 'upload-offset': String(offset) }
    if (url.includes('/bucket')) {
      if (method === 'POST') bucket = true
      return json(method !== 'GET' ? {} : bucket ? [{ id: 'bench', name: 'bench', public: false }] : [])
    }
    if (url.includes('/upload/resumable')) {
      if (method === 'POST') return void response.writeHead(201, { ...tus, location: '/upload/resumable/one' }).end()
      if (method === 'PATCH') await take(request)
      return void response.writeHead(method === 'HEAD' ? 200 : 204, { ...tus, 'upload-offset': String(offset) }).end()
    }
    if (url.includes('/list-v2/')) return json({ hasNext: false, objects: [{ id: 'i', name: 'large', metadata }] })
    if (offset !== bytes) return json({ statusCode: '404', error: 'not_found', message: 'Object not found' }, 400)
    if (!url.includes('/info/')) return send(response)
    const { size, mimetype, cacheControl } = metadata
    json({ name: 'large', version, etag, size, content_type: mimetype, cache_control: cacheControl, metadata: null })
  }
  const server = createServer((request, response) => {
    handle(request, response).catch((error: unknown) => {
      response.writeHead(400, { 'content-type': 'application/json' }).end(JSON.stringify({ message: String(error) }))
    })
  })
  server.keepAliveTimeout = 60_000
  const port = await listen(server)
  return {
    url: `http://127.0.0.1:${port}`,
    isThere: () => offset === bytes,
    uploaded: () => (filled ? 0 : offset),
    stop: () => {
      server.closeAllConnections()
      server.close()
    }
  }
}
