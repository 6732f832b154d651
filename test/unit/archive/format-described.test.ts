import { readFileSync } from 'node:fs'
import { expect, test } from 'vitest'
import { contentsSchema } from '../../../src/archive/contents.ts'
import { manifestSchema } from '../../../src/archive/manifest.ts'

const readme = readFileSync(new URL('../../../src/archive/README.md', import.meta.url), 'utf8')
const section = (title: string) => readme.split(/^## /m).find((each) => each.startsWith(`${title}\n`)) ?? ''
/** The names in the first column of a section's table. */
const described = (title: string) =>
  [...section(title).matchAll(/^\| (`[^|]+`) \|/gm)].flatMap(([, names]) =>
    [...(names ?? '').matchAll(/`([^`]+)`/g)].map(([, name]) => name)
  )

test('the description of the format has every key of the manifest and of the contents, and no other', () => {
  expect(described('manifest.json').toSorted()).toEqual(Object.keys(manifestSchema.shape).toSorted())
  expect(described('contents.json').toSorted()).toEqual(Object.keys(contentsSchema.shape).toSorted())
})
