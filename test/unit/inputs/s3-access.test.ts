import { describe, expect, it } from 'vitest'
import { parseBucketName, parsePrefix, parseRegion } from '../../../src/inputs/places.ts'
import { secretsOf } from '../../../src/inputs/secrets.ts'
import { getter, read, refusal } from './reading.ts'

const s3 = { destinations: 's3', 's3-bucket': 'acme-backups' }

describe('the bucket of s3', () => {
  it('is put together from its inputs; the key may come from elsewhere', () => {
    expect(read('list', s3).s3).toEqual({
      bucket: 'acme-backups',
      endpoint: undefined,
      region: undefined,
      prefix: undefined,
      credentials: undefined,
      lock: undefined
    })
    expect(
      read('list', {
        ...s3,
        's3-endpoint': 'https://s3.eu-central-003.backblazeb2.com/',
        's3-region': 'eu-central-003',
        's3-prefix': '/team/backups/',
        's3-access-key-id': 'id',
        's3-secret-access-key': 'secret',
        's3-session-token': 'token',
        's3-lock': 'compliance',
        's3-lock-days': '30'
      }).s3
    ).toEqual({
      bucket: 'acme-backups',
      endpoint: 'https://s3.eu-central-003.backblazeb2.com',
      region: 'eu-central-003',
      prefix: 'team/backups',
      credentials: { accessKeyId: 'id', secretAccessKey: 'secret', sessionToken: 'token' },
      lock: { mode: 'compliance', days: 30 }
    })
  })

  it.each([
    [{ destinations: 's3' }, /s3-bucket/],
    [{ ...s3, 's3-access-key-id': 'id' }, /s3-secret-access-key/],
    [{ ...s3, 's3-session-token': 'token' }, /s3-access-key-id/],
    [{ ...s3, 's3-lock': 'governance' }, /s3-lock-days/],
    [{ ...s3, 's3-lock-days': '30' }, /s3-lock/]
  ])('is refused where half of it is missing: %j', (given, words) => {
    const error = refusal({ command: 'list', ...given })
    expect(error).toMatchObject({ code: 'SB003', message: expect.stringMatching(words) })
  })

  it('says of inputs that have no effect that they have none', () => {
    const { warnings } = read('list', { destinations: 'folder', folder: '/x', 's3-bucket': 'a-bucket' })
    expect(warnings).toEqual(['`s3-bucket` has no effect: `destinations` does not name s3.'])
  })

  it('keeps secret and token out of every text', () => {
    const given = { ...s3, 's3-secret-access-key': 'the-secret', 's3-session-token': 'the-token' }
    expect(secretsOf(getter(given))).toEqual(['the-secret', 'the-token'])
    expect(refusal({ command: 'list', ...s3, 's3-access-key-id': 'a secret by mistake' }).message).not.toContain(
      'mistake'
    )
  })
})

it('names of buckets, regions and prefixes', () => {
  for (const text of ['abc', 'acme-backups', 'my.bucket_1']) expect(parseBucketName(text).ok, text).toBe(true)
  for (const text of ['ab', 's3://x', 'a/b', '-abc', 'a..b', 'a b', '../etc', 'ä-bucket'])
    expect(parseBucketName(text).ok, text).toBe(false)
  for (const text of ['auto', 'eu-central-1', 'us-west-004']) expect(parseRegion(text).ok, text).toBe(true)
  for (const text of ['EU', 'eu central', '-', 'eu/1']) expect(parseRegion(text).ok, text).toBe(false)
  expect(parsePrefix('/a/b.c/')).toEqual({ ok: true, value: 'a/b.c' })
  for (const text of ['/', 'a//b', '../a', 'a/./b', 'a b', 'a\nb', 'a?b', 'a%2fb'])
    expect(parsePrefix(text).ok, text).toBe(false)
})
