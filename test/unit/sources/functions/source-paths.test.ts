import { describe, expect, test } from 'vitest'
import { placeFiles } from '../../../../src/sources/functions/source-paths.ts'

const bytes = new Uint8Array()
const place = (names: readonly string[], entrypoint: string | null) => {
  const { files, entrypoint: entry } = placeFiles(
    names.map((name) => ({ name, bytes })),
    entrypoint
  )
  return { entry, paths: files.map(({ path, inside }) => (inside ? path : null)) }
}

describe('where the files of a function lie', () => {
  test.each([
    [
      ['/tmp/x/source/index.ts', '/tmp/x/source/lib/a.ts'],
      'file:///tmp/x/source/index.ts',
      'index.ts',
      ['index.ts', 'lib/a.ts']
    ],
    [['source/index.ts', 'source/utils.ts'], 'file:///source/index.ts', 'index.ts', ['index.ts', 'utils.ts']],
    [['/s/fn/index.ts', '/s/_shared/cors.ts'], '/s/fn/index.ts', 'fn/index.ts', ['fn/index.ts', '_shared/cors.ts']],
    [
      ['/s/fn/index.ts', '../_shared/cors.ts'],
      'file:///s/fn/index.ts',
      'fn/index.ts',
      ['fn/index.ts', '_shared/cors.ts']
    ],
    [['file:///s/a%20b.ts', '/s/c.ts'], 'file:///s/a%20b.ts', 'a b.ts', ['a b.ts', 'c.ts']],
    [
      ['/s/index.ts', '/../../etc/passwd', 'https://x.example/y.ts', '/s/folder/', '/'],
      '/s/index.ts',
      'index.ts',
      ['index.ts', null, null, null, null]
    ],
    // Relative to the entry point's folder, to one above it, and with a sibling of it.
    [['index.ts', 'lib/a.ts'], 'file:///tmp/user_fn_x/source/index.ts', 'index.ts', ['index.ts', 'lib/a.ts']],
    [
      ['source/index.ts', 'source/lib/index.ts'],
      'file:///tmp/user_fn_x/source/index.ts',
      'index.ts',
      ['index.ts', 'lib/index.ts']
    ],
    [
      ['index.ts', '../_shared/cors.ts'],
      'file:///tmp/fn/source/index.ts',
      'source/index.ts',
      ['source/index.ts', '_shared/cors.ts']
    ],
    [['index.ts', '../../../etc/passwd'], 'file:///fn/source/index.ts', 'index.ts', ['index.ts', null]],
    // Two files fit as well as one another.
    [['index.ts', './index.ts'], 'file:///fn/source/index.ts', null, ['index.ts', 'index.ts']],
    [['/s/index.ts'], '/s/other.ts', null, ['index.ts']],
    [['/s/index.ts'], null, null, ['index.ts']]
  ] as const)('%j, started by %s', (names, entrypoint, entry, paths) => {
    expect(place(names, entrypoint)).toEqual({ entry, paths })
  })
})
