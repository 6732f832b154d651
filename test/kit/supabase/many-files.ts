import { createHash } from 'node:crypto'
import { createServer } from 'node:http'
import { listen } from '../github/http.ts'

export interface ManyFiles {
  readonly url: string
  /** Files that are there. */
  present(): number
  /** Downloads so far. */
  downloads(): number
  /** SQL that writes the rows which the project's database holds about them. */
  readonly rowsSql: string
  stop(): void
}

/** A Storage API whose files follow from their numbers, so that it takes no memory of its own however many there are. */
export async function manyFiles({
  count,
  filled
}: {
  readonly count: number
  readonly filled: boolean
}): Promise<ManyFiles> {
  const present = new Uint8Array(count).fill(filled ? 1 : 0)
  let downloads = 0
  const hash = (text: string) => createHash('md5').update(text).digest('hex')
  const nameOf = (number: number) => `folder ${number % 100}/file-${String(number).padStart(9, '0')}.txt`
  // The order of a list is that of numbers; nothing relies on that of names.
  const numberOf = (name: string) => Number(/file-(\d+)\.txt$/.exec(name)?.[1] ?? Number.NaN)
  const idOf = (number: number) => hash(`id ${number}`).replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, '$1-$2-$3-$4-$5')
  const bytesOf = (number: number) => `content of the file ${number}`
  let bucket = filled
  const server = createServer((request, response) => {
    const json = (body: unknown) => response.setHeader('content-type', 'application/json').end(JSON.stringify(body))
    const missing = () => {
      response.statusCode = 400
      json({ statusCode: '404', error: 'not_found', message: 'Object not found' })
    }
    const { method, url = '' } = request
    const name = decodeURIComponent(url.split('?')[0]?.split('/bench/')[1] ?? '')
    const number = numberOf(name)
    const chunks: Buffer[] = []
    request.on('data', (chunk: Buffer) => chunks.push(chunk))
    request.on('end', () => {
      const text = Buffer.concat(chunks).toString()
      // A server without analytics and vector buckets does not know their routes.
      if (/\/(?:iceberg|vector)\//.test(url)) {
        response.statusCode = 404
        return json({ statusCode: '404', error: 'Not Found', message: `Route ${method}:${url} not found` })
      }
      if (url.includes('/bucket')) {
        if (method === 'POST') bucket = true
        return json(method === 'GET' ? (bucket ? [{ id: 'bench', name: 'bench', public: false }] : []) : {})
      }
      if (url.includes('/list-v2/')) {
        const from = Number(JSON.parse(text).cursor ?? 0)
        const to = Math.min(from + 1000, count)
        const objects = Array.from({ length: to - from }, (_, at) => ({
          id: idOf(from + at),
          name: nameOf(from + at),
          created_at: '2026-01-01T00:00:00Z',
          updated_at: '2026-01-01T00:00:00Z',
          metadata: {
            eTag: `"${hash(bytesOf(from + at))}"`,
            size: bytesOf(from + at).length,
            mimetype: 'text/plain',
            cacheControl: 'no-cache'
          }
        }))
        return json({ hasNext: to < count, ...(to < count ? { nextCursor: String(to) } : {}), objects })
      }
      if (method === 'POST') {
        if (text !== bytesOf(number)) throw new Error(`other bytes than those of ${name}`)
        present[number] = 1
        return json({ Key: `bench/${name}` })
      }
      if (present[number] !== 1) return missing()
      const etag = `"${hash(bytesOf(number))}"`
      if (url.includes('/info/'))
        return json({
          id: idOf(number),
          name,
          version: `${filled} ${idOf(number)}`,
          etag,
          size: bytesOf(number).length,
          content_type: 'text/plain',
          cache_control: 'no-cache',
          metadata: null
        })
      downloads += 1
      return response.setHeader('etag', etag).end(bytesOf(number))
    })
  })
  server.keepAliveTimeout = 60_000
  const port = await listen(server)
  return {
    url: `http://127.0.0.1:${port}`,
    present: () => present.reduce((sum, one) => sum + one, 0),
    downloads: () => downloads,
    rowsSql: `
      insert into storage.buckets (id, name, public) values ('bench', 'bench', false);
      insert into storage.objects (id, bucket_id, name, version, metadata, created_at, updated_at)
      select id::uuid, 'bench', 'folder ' || n % 100 || '/file-' || lpad(n::text, 9, '0') || '.txt', '${filled} ' || id::uuid,
        jsonb_build_object('eTag', '"' || md5(content) || '"', 'size', length(content), 'mimetype', 'text/plain', 'cacheControl', 'no-cache'),
        '2026-01-01 00:00:00+00', '2026-01-01 00:00:00+00'
      from generate_series(0, ${count - 1}) n, lateral (select md5('id ' || n) as id, 'content of the file ' || n as content) of`,
    stop: () => {
      server.closeAllConnections()
      server.close()
    }
  }
}
