import { describe, expect, test } from 'vitest'
import type { Guard } from '../../../src/archive/contents-database.ts'
import { changesBetween } from '../../../src/history/diary.ts'
import { shapeOf } from '../../../src/history/shape.ts'

const guard = (kind: string, name: string, definition = 'as ever'): Guard => ({ kind, name, definition })
const guards = [
  guard('policy', 'own rows'),
  guard('policy', 'all rows'),
  guard('index', 'by day'),
  guard('grants on table', 'notes', 'anon=r')
]
const shape = (list: readonly Guard[], extensions: { name: string; version: string; schema: string }[] = []) =>
  shapeOf({ guards: [...list], extensions, roles: [{ name: 'anon' }] }, 'shop')

describe('the diary of the schema', () => {
  test('says of each kind what changed, without any name', () => {
    const now = [
      guard('policy', 'own rows', 'true'),
      guard('policy', 'all rows'),
      guard('function', 'total()'),
      guard('grants on table', 'notes', 'anon=rw')
    ]
    const words = changesBetween(shape(guards), shape(now, [{ name: 'vector', version: '0.8', schema: 'extensions' }]))
    expect(words).toEqual([
      'extensions: 1 more (1, were 0)',
      'functions: 1 more (1, were 0)',
      'grants: changed (1, as before)',
      'indexes: 1 fewer (0, were 1)',
      'policies: changed (2, as before)'
    ])
    expect(JSON.stringify(shape(now))).not.toMatch(/own|notes|total|anon/)
  })
  test('nothing where only the order differs', () => {
    expect(changesBetween(shape(guards), shape(guards.toReversed()))).toEqual([])
  })
  test('digests of two projects differ, so that nobody learns that they are alike', () => {
    expect(shape(guards)['policies']?.digest).not.toBe(
      shapeOf({ guards, extensions: [], roles: [] }, 'other')['policies']?.digest
    )
  })
})
