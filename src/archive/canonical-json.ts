/**
 * RFC 8785 (JSON Canonicalization Scheme): no white space, keys sorted by UTF-16 code units; numbers and strings as ECMAScript writes
 * them, which is what the RFC prescribes.
 */
export function canonicalJson(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(canonicalJson).join(',')}]`
  if (typeof value === 'object' && value !== null) {
    const members = Object.entries(value)
      .filter(([, member]) => member !== undefined)
      .sort(([a], [b]) => (a < b ? -1 : 1))
      .map(([key, member]) => `${JSON.stringify(key)}:${canonicalJson(member)}`)
    return `{${members.join(',')}}`
  }
  const text: unknown = JSON.stringify(value)
  if (typeof text !== 'string' || (typeof value === 'number' && !Number.isFinite(value))) {
    throw new Error('a value that JSON does not have')
  }
  return text
}
