import { randomBytes } from 'node:crypto'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { readReleaseBody, renderReleaseBody } from '../../../../src/destinations/release/body.ts'
import { backupTag, parseBackupTag, parsePoolTag, poolTag } from '../../../../src/destinations/release/tags.ts'

const backup = { project: 'shop', id: '20261122T161908Z-k2m7q5xa' }

test('copies come back byte by byte, whatever they hold', () => {
  fc.assert(
    fc.property(
      fc.dictionary(fc.constantFrom('manifest.json', 'keep', 'verification-1.json'), fc.uint8Array()),
      (files) => {
        const given = new Map(Object.entries(files))
        expect(readReleaseBody(renderReleaseBody(backup, given))).toEqual(given)
      }
    )
  )
})

test('content never becomes text: no markup of the files gets into the words', () => {
  const evil = Buffer.from('--> <img src=x onerror=alert(1)> @everyone [x](javascript:1) ](http://evil)')
  const body = renderReleaseBody(backup, new Map([['manifest.json', evil]]))
  expect(body).not.toMatch(/img|everyone|javascript|evil/)
  expect(body.match(/-->/g)).toHaveLength(1)
})

test('what does not fit is left out; the text stays within the 125,000 characters that GitHub takes', () => {
  const body = renderReleaseBody(backup, new Map([['manifest.json', randomBytes(200_000)]]))
  expect(body.length).toBeLessThan(125_000)
  expect(readReleaseBody(body).size).toBe(0)
})

test('text that somebody wrote or cut is read as no copies', () => {
  const whole = renderReleaseBody(backup, new Map([['manifest.json', Buffer.from('{}')]]))
  const forged = (text: string): string => `<!-- supabase-backup:1 ${Buffer.from(text).toString('base64')} -->`
  for (const body of ['', 'hello', whole.slice(0, -10), forged('x'), whole.replace(':1 ', ':1 A')]) {
    expect(readReleaseBody(body).size, body).toBe(0)
  }
})

test('tags name exactly what is ours', () => {
  for (const project of ['a', 'a-b', 'backup-objects-1', 'x'.repeat(40)]) {
    expect(parseBackupTag(backupTag({ ...backup, project }))).toEqual({ ...backup, project })
    expect(parsePoolTag(backupTag({ ...backup, project }))).toBeNull()
    expect(parsePoolTag(poolTag(project, 12))).toEqual({ project, number: 12 })
    expect(parseBackupTag(poolTag(project, 12))).toBeNull()
  }
  for (const tag of [
    '',
    'v1',
    `backup-${backup.id}`,
    `backup-SHOP-${backup.id}`,
    `backup-shop-${backup.id}x`,
    'backup-shop-20261399T999999Z-aaaaaaaa',
    'backup-shop-objects-0',
    'backup-shop-objects-01'
  ]) {
    expect([parseBackupTag(tag), parsePoolTag(tag)], tag).toEqual([null, null])
  }
})
