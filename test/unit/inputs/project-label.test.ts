import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { longestLabel, parseLabel, projectLabel } from '../../../src/inputs/project-label.ts'

const database = (host: string, name: string, port = 5432) => ({
  project: undefined,
  ref: undefined,
  database: { host, port, database: name }
})

describe('the input `project`', () => {
  it.each([
    ['App', 'app'],
    ['my-app-2', 'my-app-2'],
    ['x'.repeat(40), 'x'.repeat(40)]
  ])('%s is taken', (text, expected) => {
    expect(parseLabel(text)).toEqual({ ok: true, value: expected })
  })
  it.each(['x'.repeat(41), 'my_app', 'my app', 'my.app', '-app', 'app-', 'ünder', '../x', 'a/b', 'a\nb', ''])(
    '%j is refused, never changed',
    (text) => {
      expect(parseLabel(text).ok).toBe(false)
    }
  )
})

describe('the label', () => {
  it('is the input, else the ref, else host and database', () => {
    expect(projectLabel({ ...database('h', 'd'), project: 'p', ref: 'r' })).toBe('p')
    expect(projectLabel({ ...database('h', 'd'), ref: 'r' })).toBe('r')
    expect(projectLabel(database('localhost', 'app'))).toBe('localhost-app')
    expect(projectLabel({ project: undefined, ref: undefined, database: undefined })).toBeUndefined()
  })

  it('is made safe, with a hash where that blurs something', () => {
    expect(projectLabel(database('db.example.com', 'My App'))).toMatch(/^db-example-com-my-app-[0-9a-f]{8}$/)
    expect(projectLabel(database('localhost', 'app', 5433))).toMatch(/^localhost-app-[0-9a-f]{8}$/)
    expect(projectLabel(database('/var/run/postgresql', 'app'))).toMatch(/^var-run-postgresql-app-[0-9a-f]{8}$/)
    expect(projectLabel(database('☃', '☃'))).toMatch(/^[0-9a-f]{8}$/)
    expect(projectLabel(database('db.example.com', 'app'))).toBe(projectLabel(database('db.example.com', 'app')))
  })

  it.each([
    [database('h', '-x'), database('h-', 'x')],
    [database('a-b', 'c'), database('a', 'b-c')],
    [database('h', 'd', 5433), database('h', 'd', 5434)],
    [database('h', 'App'), database('h', 'app')]
  ])('differs between %j and %j', (one, other) => {
    expect(projectLabel(one)).not.toBe(projectLabel(other))
  })

  it('is always a label, and never the same for two sources', () => {
    const text = fc.oneof(
      fc.string({ unit: fc.constantFrom('a', 'b', '-', '.', 'A', '_'), minLength: 1, maxLength: 6 }),
      fc.string({ minLength: 1, maxLength: 80 })
    )
    const source = fc.record({ host: text, port: fc.constantFrom(5432, 5433), database: text })
    fc.assert(
      fc.property(source, source, (a, b) => {
        const [one, other] = [a, b].map((place) =>
          projectLabel({ project: undefined, ref: undefined, database: place })
        )
        expect(one).toMatch(/^[a-z0-9](?:[a-z0-9-]*[a-z0-9])?$/)
        expect(one?.length).toBeLessThanOrEqual(longestLabel)
        const same = a.host === b.host && a.port === b.port && a.database === b.database
        expect(one === other).toBe(same)
      }),
      { numRuns: 3000 }
    )
  })
})
