import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { openLineFile } from '../../../../src/sources/storage/jsonl-file.ts'
import { type ListedObject, listedObjectSchema, listFromDatabase } from '../../../../src/sources/storage/listing.ts'

describe('the list of objects from their rows', () => {
  let folder: string
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'listing-'))
  })
  afterEach(() => rm(folder, { recursive: true }))

  test('values of odd forms in one row cost neither that file nor the others', async () => {
    const rows = [
      { name: 'array', user_metadata: ['odd'], metadata: { eTag: '"a"', size: 1 } },
      { name: 'number as text', user_metadata: { kept: true }, metadata: { eTag: '"b"', size: '12', mimetype: 7 } },
      { name: 'no object', user_metadata: 'text', metadata: 'text' },
      { name: 'negative', user_metadata: null, metadata: { size: -1 } }
    ]
    const objects = openLineFile(join(folder, 'listed'))
    const answers: object[][] = [[{ there: true }], [{ row: JSON.stringify({ id: 'b', name: 'b' }) }]]
    const listing = await listFromDatabase(
      {
        query: async <T extends object>() => (answers.shift() ?? []) as T[],
        stream: async function* <T extends object>() {
          for (const row of rows) yield { row: JSON.stringify({ ...row, bucket_id: 'b' }) } as T
        }
      },
      [],
      objects
    )
    await objects.end()
    const listed: ListedObject[] = []
    for await (const line of objects.lines()) listed.push(listedObjectSchema.parse(JSON.parse(line)))
    expect(listing).toMatchObject({ from: 'database', oddMetadata: 2 })
    expect(
      listed.map(({ key, etag, size, contentType, userMetadata }) => [key, etag, size, contentType, userMetadata])
    ).toEqual([
      ['array', 'a', 1, null, null],
      ['number as text', 'b', 12, null, { kept: true }],
      ['no object', null, null, null, null],
      ['negative', null, null, null, null]
    ])
  })
})
