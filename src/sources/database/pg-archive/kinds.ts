/** Where the catalog has objects of a kind, for kinds with a name of their own. */
export type Family =
  | 'relation'
  | 'type'
  | 'routine'
  | 'of table'
  | 'row security'
  | 'schema'
  | 'extension'
  | 'publication'
  | 'publication table'
  | 'publication schema'
  | 'event trigger'
  | 'language'
  | 'collation'
  | 'operator'
  | 'operator class'
  | 'operator family'
  | 'text search'
  | 'wrapper'
  | 'server'
  | 'statistics'
  | 'default'
  | 'cast'

/** What the rooms of this folder need to know of a kind of entry. */
export interface KindFacts {
  /**
   * When a restore makes it: `section` goes by the entry's section. `never`: it says how to read the archive, describes the database itself, or is rows, which
   * are loaded another way.
   */
  readonly pass: 'never' | 'first' | 'before' | 'section' | 'grants' | 'views' | 'last' | 'defaults'
  /** Undefined for kinds that have no name of their own: grants, comments, data. */
  readonly family: Family | undefined
  /** How `ALTER ... OWNER` names it: by schema and name, by its name, or as its `DROP` does, since its arguments stand nowhere else. Undefined without an owner. */
  readonly ownedAs: 'in schema' | 'name' | 'language' | 'drop' | undefined
  /** Locks that making it leaves held until the transaction ends, rather too many than too few. */
  readonly locks: number
  /** Locks that it takes at least: a table with its type has one itself and some for its TOAST table. */
  readonly leastLocks: number
  /** A table or view: what rows are read from. */
  readonly isRelation: boolean
  /** Hangs on a table and is worth nothing without it. */
  readonly isAttached: boolean
  /** Its tag begins with its table's name. */
  readonly isNamedByTable: boolean
  /** Says what objects hold, not what they are. */
  readonly isContent: boolean
  /** Says something of another object: who may use it, or a remark. */
  readonly isAbout: boolean
  /** Is called as the object whose state or place it is. */
  readonly isState: boolean
  readonly isLargeObject: boolean
  /** Rows have no place where it is refused. */
  readonly placesRows: boolean
  /** No rows and no other object are lost where the target refuses it. */
  readonly isOptional: boolean
  /** `DROP ... CASCADE` of something else takes it along although it belongs to others. */
  readonly isTakenByCascade: boolean
  /** Goes and comes with what it belongs to. */
  readonly isTakenAlong: boolean
  /** Replacing a whole schema takes it away when the backup does not know it, or knows it otherwise and nothing can make it so where it stands. */
  readonly isReplacedWithSchema: boolean
}

/** An object that this program has not heard of: it is made in its turn, and nothing else is taken for granted. */
const unknown: KindFacts = {
  pass: 'section',
  family: undefined,
  ownedAs: undefined,
  locks: 1,
  leastLocks: 0,
  isRelation: false,
  isAttached: false,
  isNamedByTable: false,
  isContent: false,
  isAbout: false,
  isState: false,
  isLargeObject: false,
  placesRows: false,
  isOptional: false,
  isTakenByCascade: false,
  isTakenAlong: false,
  isReplacedWithSchema: false
}

const never = { pass: 'never' } as const
const ofTable = { family: 'of table', isAttached: true, isNamedByTable: true } as const

/** Every kind that pg_dump 12 to 18 writes. What a row does not say is as for a kind that is unknown. Source: PostgreSQL, bin/pg_dump/pg_dump.c. */
const kinds = {
  // How to read the archive, and the database itself.
  ENCODING: never,
  STDSTRINGS: never,
  SEARCHPATH: never,
  DATABASE: never,
  'DATABASE PROPERTIES': never,
  // Connections to other servers, which would start to draw rows.
  SUBSCRIPTION: never,
  'SUBSCRIPTION TABLE': never,

  SCHEMA: { pass: 'first', family: 'schema', ownedAs: 'name', placesRows: true },
  EXTENSION: { pass: 'first', family: 'extension' },

  TABLE: { family: 'relation', ownedAs: 'in schema', locks: 6, leastLocks: 3, isRelation: true, placesRows: true },
  'FOREIGN TABLE': { family: 'relation', ownedAs: 'in schema', isRelation: true },
  VIEW: {
    family: 'relation',
    ownedAs: 'in schema',
    locks: 3,
    leastLocks: 1,
    isRelation: true,
    isTakenByCascade: true
  },
  'MATERIALIZED VIEW': {
    family: 'relation',
    ownedAs: 'in schema',
    locks: 5,
    leastLocks: 3,
    isRelation: true,
    isTakenByCascade: true
  },
  SEQUENCE: {
    family: 'relation',
    ownedAs: 'in schema',
    locks: 2,
    leastLocks: 1,
    isAttached: true,
    isReplacedWithSchema: true
  },

  // Parts of a table.
  'TABLE ATTACH': { locks: 8, isAttached: true, isState: true, placesRows: true },
  DEFAULT: { family: 'default', locks: 3, isAttached: true, isNamedByTable: true },
  CONSTRAINT: { ...ofTable, locks: 4, leastLocks: 1 },
  'CHECK CONSTRAINT': { ...ofTable, locks: 2 },
  'FK CONSTRAINT': { ...ofTable, locks: 8, isTakenByCascade: true },
  INDEX: { family: 'relation', locks: 4, leastLocks: 1, isAttached: true, isTakenAlong: true },
  'INDEX ATTACH': { locks: 4, isAttached: true, isState: true },
  STATISTICS: { family: 'statistics', ownedAs: 'in schema', locks: 3, isAttached: true },
  TRIGGER: { ...ofTable, locks: 3, isTakenAlong: true },
  RULE: { ...ofTable, locks: 3, isTakenByCascade: true },
  POLICY: { ...ofTable, locks: 3, isTakenByCascade: true },
  'ROW SECURITY': { family: 'row security', isAttached: true, isState: true },
  'SEQUENCE OWNED BY': { locks: 3, isAttached: true, isState: true },
  'PUBLICATION TABLE': { family: 'publication table', isAttached: true },

  // What objects hold.
  'TABLE DATA': { pass: 'never', isAttached: true, isContent: true, isState: true },
  'STATISTICS DATA': { pass: 'never', isContent: true },
  BLOBS: { pass: 'never', isContent: true },
  BLOB: { isContent: true, isLargeObject: true },
  // Rows may need it, though it lies among the data.
  'BLOB METADATA': { pass: 'before', isContent: true, isLargeObject: true },
  'SEQUENCE SET': { isAttached: true, isContent: true, isState: true },
  'MATERIALIZED VIEW DATA': {
    pass: 'views',
    locks: 8,
    isAttached: true,
    isContent: true,
    isState: true,
    isOptional: true,
    isTakenAlong: true
  },

  // What is said of others.
  ACL: { pass: 'grants', locks: 2, isAttached: true, isAbout: true, isTakenAlong: true },
  COMMENT: { isAttached: true, isAbout: true, isOptional: true, isTakenAlong: true },
  'SECURITY LABEL': { isAttached: true, isAbout: true, isOptional: true },
  'DEFAULT ACL': { pass: 'defaults', isOptional: true },

  FUNCTION: { family: 'routine', ownedAs: 'drop', isTakenByCascade: true, isReplacedWithSchema: true },
  PROCEDURE: { family: 'routine', ownedAs: 'drop', isTakenByCascade: true, isReplacedWithSchema: true },
  AGGREGATE: { family: 'routine', ownedAs: 'drop', isReplacedWithSchema: true },
  TYPE: { family: 'type', ownedAs: 'in schema', isReplacedWithSchema: true },
  DOMAIN: { family: 'type', ownedAs: 'in schema', isReplacedWithSchema: true },
  'SHELL TYPE': { family: 'type' },
  COLLATION: { family: 'collation', ownedAs: 'in schema', isReplacedWithSchema: true },
  CONVERSION: { ownedAs: 'in schema' },
  OPERATOR: { family: 'operator', ownedAs: 'drop', isReplacedWithSchema: true },
  'OPERATOR CLASS': { family: 'operator class', ownedAs: 'drop', isReplacedWithSchema: true },
  'OPERATOR FAMILY': { family: 'operator family', ownedAs: 'drop', isReplacedWithSchema: true },
  'TEXT SEARCH CONFIGURATION': { family: 'text search', ownedAs: 'in schema', isReplacedWithSchema: true },
  'TEXT SEARCH DICTIONARY': { family: 'text search', ownedAs: 'in schema', isReplacedWithSchema: true },
  'TEXT SEARCH PARSER': { family: 'text search' },
  'TEXT SEARCH TEMPLATE': { family: 'text search' },

  // What lies in no schema.
  CAST: { family: 'cast' },
  TRANSFORM: {},
  'ACCESS METHOD': {},
  'PROCEDURAL LANGUAGE': { family: 'language', ownedAs: 'language' },
  'FOREIGN DATA WRAPPER': { family: 'wrapper', ownedAs: 'name' },
  SERVER: { family: 'server', ownedAs: 'name' },
  'USER MAPPING': {},
  PUBLICATION: { family: 'publication', ownedAs: 'name' },
  'PUBLICATION TABLES IN SCHEMA': { family: 'publication schema' },
  'EVENT TRIGGER': { pass: 'last', family: 'event trigger', ownedAs: 'name' }
} as const satisfies Readonly<Record<string, Partial<KindFacts>>>

/** A kind that this program knows. */
export type EntryKind = keyof typeof kinds

const byKind: ReadonlyMap<string, KindFacts> = new Map(
  Object.entries<Partial<KindFacts>>(kinds).map(([kind, facts]) => [kind, { ...unknown, ...facts }])
)

/** What is known of a kind, which is hostile text of an archive. One that is unknown has a row of its own. */
export function factsOfKind(kind: string): KindFacts {
  return byKind.get(kind) ?? unknown
}

export function isKnownKind(kind: string): kind is EntryKind {
  return byKind.has(kind)
}
