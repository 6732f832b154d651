import { describe, expect, test } from 'vitest'
import { dispositionParameter, parseMultipart } from '../../../../src/sources/functions/multipart.ts'

const type = 'multipart/form-data; boundary=Ab-1'
const body = Buffer.from(
  `${[
    '--Ab-1\r\nContent-Disposition: form-data; name="metadata"\r\n\r\n{}',
    'Content-Disposition: form-data; name="file"; filename="source/a \\"b\\".ts"\r\nSupabase-Path: ../x.ts\r\n\r\nline\r\n--not the boundary\r\n',
    '\r\nno headers',
    'Content-Disposition: form-data; name="file"; filename="empty"\r\n\r\n'
  ].join('\r\n--Ab-1\r\n')}\r\n--Ab-1--\r\n`
)

describe('multipart bodies', () => {
  test('are taken apart with names and bytes as they are', () => {
    const parts = parseMultipart(type, body)
    expect(parts?.map(({ bytes }) => Buffer.from(bytes).toString())).toEqual([
      '{}',
      'line\r\n--not the boundary\r\n',
      'no headers',
      ''
    ])
    expect(parts?.[1]?.headers.get('supabase-path')).toBe('../x.ts')
    expect(parts?.map((part) => dispositionParameter(part, 'filename'))).toEqual([
      undefined,
      'source/a "b".ts',
      undefined,
      'empty'
    ])
  })

  test('F29: one that is cut anywhere is none', () => {
    for (let length = 0; length < body.length - 4; length += 1)
      expect(parseMultipart(type, body.subarray(0, length)), String(length)).toBe(null)
  })

  test('another type, or a boundary in other letters, is none', () => {
    for (const other of ['application/json', 'multipart/form-data', 'multipart/form-data; boundary=ab-1', ''])
      expect(parseMultipart(other, body)).toBe(null)
  })
})
