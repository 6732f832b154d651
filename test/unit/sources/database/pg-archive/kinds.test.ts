import { describe, expect, test } from 'vitest'
import { factsOfKind, isKnownKind } from '../../../../../src/sources/database/pg-archive/kinds.ts'

/** Every description that pg_dump gives an entry. Source: PostgreSQL 12 to 18, bin/pg_dump/pg_dump.c and pg_backup_archiver.c. */
const written = [
  ...['ENCODING', 'STDSTRINGS', 'SEARCHPATH', 'DATABASE', 'DATABASE PROPERTIES', 'SUBSCRIPTION', 'SUBSCRIPTION TABLE'],
  ...[
    'SCHEMA',
    'EXTENSION',
    'TABLE',
    'FOREIGN TABLE',
    'VIEW',
    'MATERIALIZED VIEW',
    'SEQUENCE',
    'TABLE ATTACH',
    'DEFAULT'
  ],
  ...['CONSTRAINT', 'CHECK CONSTRAINT', 'FK CONSTRAINT', 'INDEX', 'INDEX ATTACH', 'STATISTICS', 'TRIGGER', 'RULE'],
  ...[
    'POLICY',
    'ROW SECURITY',
    'SEQUENCE OWNED BY',
    'PUBLICATION TABLE',
    'TABLE DATA',
    'STATISTICS DATA',
    'BLOBS',
    'BLOB'
  ],
  ...['BLOB METADATA', 'SEQUENCE SET', 'MATERIALIZED VIEW DATA', 'ACL', 'COMMENT', 'SECURITY LABEL', 'DEFAULT ACL'],
  ...['FUNCTION', 'PROCEDURE', 'AGGREGATE', 'TYPE', 'DOMAIN', 'SHELL TYPE', 'COLLATION', 'CONVERSION', 'OPERATOR'],
  ...['OPERATOR CLASS', 'OPERATOR FAMILY', 'TEXT SEARCH CONFIGURATION', 'TEXT SEARCH DICTIONARY', 'TEXT SEARCH PARSER'],
  ...['TEXT SEARCH TEMPLATE', 'CAST', 'TRANSFORM', 'ACCESS METHOD', 'PROCEDURAL LANGUAGE', 'FOREIGN DATA WRAPPER'],
  ...['SERVER', 'USER MAPPING', 'PUBLICATION', 'PUBLICATION TABLES IN SCHEMA', 'EVENT TRIGGER']
]
const those = (is: (facts: ReturnType<typeof factsOfKind>) => boolean) =>
  written.filter((kind) => is(factsOfKind(kind)))

describe('kinds of entries', () => {
  test('every kind that pg_dump writes has a row', () => {
    expect(written.filter((kind) => !isKnownKind(kind))).toEqual([])
  })

  test('a kind of a later version is made in its turn, and nothing else is taken for granted', () => {
    for (const kind of ['PROPERTY GRAPH', '', 'constructor', '__proto__']) {
      expect(isKnownKind(kind)).toBe(false)
      const { pass, locks, leastLocks, family, ownedAs, ...rest } = factsOfKind(kind)
      expect({ pass, locks, leastLocks, family, ownedAs }).toEqual({
        pass: 'section',
        locks: 1,
        leastLocks: 0,
        family: undefined,
        ownedAs: undefined
      })
      expect(Object.values(rest)).not.toContain(true)
    }
  })

  test('what is never run as SQL: how to read the archive, the database, subscriptions, rows', () => {
    expect(those(({ pass }) => pass === 'never').toSorted()).toEqual([
      'BLOBS',
      'DATABASE',
      'DATABASE PROPERTIES',
      'ENCODING',
      'SEARCHPATH',
      'STATISTICS DATA',
      'STDSTRINGS',
      'SUBSCRIPTION',
      'SUBSCRIPTION TABLE',
      'TABLE DATA'
    ])
  })

  test('what is about others has no name and no owner of its own', () => {
    const about = those(({ isAbout }) => isAbout)
    expect(about).toEqual(['ACL', 'COMMENT', 'SECURITY LABEL'])
    for (const kind of about) expect(factsOfKind(kind)).toMatchObject({ family: undefined, ownedAs: undefined })
  })

  test('the kinds agree with themselves', () => {
    for (const kind of written) {
      const facts = factsOfKind(kind)
      expect(facts.leastLocks, kind).toBeLessThanOrEqual(facts.locks)
      // A relation may be a table of its own; what is named by a table hangs on it.
      if (facts.isNamedByTable) expect(facts.isAttached, kind).toBe(true)
      if (facts.isRelation) expect(facts, kind).toMatchObject({ isAttached: false, family: 'relation' })
      if (facts.isLargeObject) expect(facts.isContent, kind).toBe(true)
      if (facts.placesRows) expect(facts.isOptional, kind).toBe(false)
    }
  })
})
