import { expect, test } from 'vitest'
import { traitsOf } from '../../../../src/clients/s3/index.ts'

test.each([
  [undefined, 'Amazon S3', 'us-east-1', false],
  ['https://s3.eu-central-1.amazonaws.com', 'Amazon S3', 'eu-central-1', false],
  ['https://s3.dualstack.us-west-2.amazonaws.com', 'Amazon S3', 'us-west-2', false],
  ['https://s3.us-gov-east-1.amazonaws.com', 'Amazon S3', 'us-gov-east-1', false],
  ['https://0123456789abcdef.r2.cloudflarestorage.com', 'Cloudflare R2', 'auto', true],
  ['https://s3.eu-central-003.backblazeb2.com', 'Backblaze B2', 'eu-central-003', true],
  ['https://minio.example.com:9000', 'S3-compatible store', 'us-east-1', true],
  ['https://s3.eu-central-1.amazonaws.com.evil.example', 'S3-compatible store', 'us-east-1', true]
])('%s is %s in %s', (endpoint, name, region, pathStyle) => {
  const found = traitsOf(endpoint)
  expect([found.traits.name, found.region, found.traits.pathStyle]).toEqual([name, region, pathStyle])
})
