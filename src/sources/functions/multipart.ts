/** One part of a multipart body. Header names are in lower case. */
export interface MultipartPart {
  readonly headers: ReadonlyMap<string, string>
  readonly bytes: Uint8Array
}

const lineEnd = Buffer.from('\r\n')
const headEnd = Buffer.from('\r\n\r\n')
const mostParts = 20_000

/**
 * Takes a multipart body apart (RFC 2046). By hand, because `FormData` drops the directories of file names and every header of a part
 * but two. Null where the body is no whole multipart body.
 */
export function parseMultipart(contentType: string, body: Uint8Array): readonly MultipartPart[] | null {
  const boundary = boundaryOf(contentType)
  if (boundary === null) return null
  const buffer = Buffer.from(body.buffer, body.byteOffset, body.byteLength)
  const opening = Buffer.from(`--${boundary}`)
  const between = Buffer.from(`\r\n--${boundary}`)
  let at = buffer.subarray(0, opening.length).equals(opening) ? opening.length : after(buffer, between, 0)
  const parts: MultipartPart[] = []
  while (at !== -1) {
    if (buffer.subarray(at, at + 2).toString('latin1') === '--') return parts
    // Spaces may stand between the boundary and the end of its line.
    const start = after(buffer, lineEnd, at)
    if (start === -1 || parts.length >= mostParts) return null
    const noHeaders = buffer.subarray(start, start + 2).equals(lineEnd)
    const headStop = noHeaders ? start : buffer.indexOf(headEnd, start)
    const end = buffer.indexOf(between, Math.max(headStop, start))
    if (headStop === -1 || end === -1) return null
    const content = noHeaders ? start + lineEnd.length : headStop + headEnd.length
    if (content > end) return null
    parts.push({
      headers: headersOf(buffer.subarray(start, headStop).toString('utf8')),
      bytes: buffer.subarray(content, end)
    })
    at = end + between.length
  }
  // The closing boundary never came: the body was cut.
  return null
}

function after(buffer: Buffer, needle: Buffer, from: number): number {
  const found = buffer.indexOf(needle, from)
  return found === -1 ? -1 : found + needle.length
}

/** The boundary of a multipart type, as sent: capital letters count. */
function boundaryOf(contentType: string): string | null {
  if (!/^multipart\//i.test(contentType)) return null
  const found = /;\s*boundary=(?:"([^"]{1,200})"|([^\s;"]{1,200}))/i.exec(contentType)
  return found?.[1] ?? found?.[2] ?? null
}

function headersOf(text: string): ReadonlyMap<string, string> {
  const headers = new Map<string, string>()
  for (const line of text.split('\r\n')) {
    const colon = line.indexOf(':')
    if (colon > 0) headers.set(line.slice(0, colon).trim().toLowerCase(), line.slice(colon + 1).trim())
  }
  return headers
}

/** A parameter of `Content-Disposition`: `name` or `filename`, directories included. */
export function dispositionParameter(part: MultipartPart, name: 'name' | 'filename'): string | undefined {
  const text = part.headers.get('content-disposition') ?? ''
  const found = new RegExp(`;\\s*${name}=(?:"((?:[^"\\\\]|\\\\.)*)"|([^\\s;"]+))`, 'i').exec(text)
  return found?.[1]?.replace(/\\(.)/g, '$1') ?? found?.[2]
}
