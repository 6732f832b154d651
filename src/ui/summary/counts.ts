import type { Part } from '../../archive/manifest.ts'
import { inert } from '../../text/escape.ts'
import { formatBytes, formatCount } from '../../text/format.ts'

/** Words for one and for several; `hideZero` where nothing of it is the usual case. */
interface Noun {
  readonly one: string
  readonly many: string
  readonly hideZero?: true
  readonly bytes?: true
}

const noun = (one: string, many = `${one}s`): Noun => ({ one, many })
const seldom = (one: string, many = `${one}s`): Noun => ({ one, many, hideZero: true })
const size = (what: string): Noun => ({ one: what, many: what, bytes: true, hideZero: true })

/** The counts of the manifest's parts, in the order in which they are shown. */
const nouns: Readonly<Record<Part['source'], Readonly<Record<string, Noun>>>> = {
  database: {
    tables: noun('table'),
    userTables: seldom('of your own', 'of your own'),
    rows: noun('row'),
    authUsers: noun('Auth user'),
    roles: noun('role'),
    largeObjects: seldom('large object'),
    bytes: size('on its server'),
    notCaptured: seldom('thing left out', 'things left out')
  },
  storage: {
    buckets: noun('bucket'),
    objects: noun('file'),
    bytes: size('in all'),
    downloaded: noun('downloaded', 'downloaded'),
    downloadedBytes: size('downloaded'),
    unchanged: seldom('unchanged and not downloaded', 'unchanged and not downloaded'),
    vanished: seldom('listed and not there', 'listed and not there'),
    fileless: seldom('without its file in Storage', 'without their files in Storage'),
    changed: seldom('changed during the run', 'changed during the run'),
    leftOut: seldom('left out', 'left out')
  },
  functions: {
    functions: noun('function'),
    files: noun('file'),
    secretNames: noun('secret name'),
    sourceBytes: size('of sources')
  },
  config: {
    settings: noun('setting'),
    sections: noun('section'),
    secretsLeftOut: seldom('secret value left out', 'secret values left out')
  }
}

/** What a part holds: `47 tables, 1 284 301 rows, 6 roles`. Counts that this version has no word for come last, by name. */
export function countsOf(part: Part): string {
  const known = nouns[part.source]
  const named = Object.entries(known).flatMap(([name, words]) => {
    const value = part.counts[name]
    return value === undefined || (value === 0 && words.hideZero === true) ? [] : [wordsOf(value, words)]
  })
  const others = Object.entries(part.counts)
    .filter(([name]) => !Object.hasOwn(known, name))
    .map(([name, value]) => `${formatCount(value)} ${inert(spelled(name), 60)}`)
  return [...named, ...others].join(', ')
}

function wordsOf(value: number, words: Noun): string {
  const number = words.bytes === true ? formatBytes(value) : formatCount(value)
  return `${number} ${value === 1 ? words.one : words.many}`
}

/** `largeObjects` as `large objects`. */
function spelled(name: string): string {
  return name.replace(/[A-Z]/g, (letter) => ` ${letter.toLowerCase()}`)
}
