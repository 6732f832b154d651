import { expect } from 'vitest'
import { isBackupId, timeOfBackupId } from '../../../src/archive/backup-id.ts'
import { startContents } from '../../../src/archive/contents-reading.ts'
import { parseManifest, renderManifest, withDigest } from '../../../src/archive/manifest.ts'
import { parsePoolIndex, renderPoolIndex } from '../../../src/archive/pool-index.ts'
import { isStorableName, splitStoredName } from '../../../src/archive/stored-names.ts'
import { parseStrictJson } from '../../../src/archive/strict-json.ts'
import { parseVerificationRecord } from '../../../src/archive/verification-record.ts'
import { describeConnection, parseConnectionString } from '../../../src/base/connection-string.ts'
import { globMatches, parseGlob } from '../../../src/base/glob.ts'
import { createRedact } from '../../../src/base/redact.ts'
import { readReleaseBody, renderReleaseBody } from '../../../src/destinations/release/body.ts'
import { UserError } from '../../../src/errors.ts'
import { readWorkflow, scheduledTimes } from '../../../src/history/workflow-schedule.ts'
import { parseBackupId, parseChoice, parseChoiceOrAll } from '../../../src/inputs/backup-selector.ts'
import { parseAcceptedRecipients, parseIdentities, parseRecipients } from '../../../src/inputs/keys.ts'
import type { Parse } from '../../../src/inputs/parsed.ts'
import { parseBucketPattern, parseSchemaPatterns, parseTablePatterns } from '../../../src/inputs/patterns.ts'
import {
  parseBranch,
  parseDashboard,
  parseHook,
  parseMailAddress,
  parseRepository,
  parseSmtp,
  parseWebAddress
} from '../../../src/inputs/places.ts'
import { readProjects } from '../../../src/inputs/read-projects.ts'
import { parseDuration, parsePercentage, parseSize, wholeNumber } from '../../../src/inputs/values.ts'
import { matchesTable, parsePattern, pgDumpPattern } from '../../../src/sources/database/catalog/patterns.ts'
import { walkArchive } from '../../../src/sources/database/pg-archive/archive-walk.ts'
import { splitStatements } from '../../../src/sources/database/pg-archive/split-statements.ts'
import { readToc } from '../../../src/sources/database/pg-archive/toc.ts'
import { dispositionParameter, parseMultipart } from '../../../src/sources/functions/multipart.ts'
import { entryNames, placeFiles } from '../../../src/sources/functions/source-paths.ts'
import { inert, inertCode, logLine } from '../../../src/text/escape.ts'
import { archiveBytes } from '../../kit/archive-bytes.ts'
import { entry } from '../../kit/toc-entries.ts'
import { exampleManifest } from '../archive/manifests.ts'

/** Something that reads text from outside. */
export interface Target {
  readonly name: string
  /** Texts that it takes, to start from. */
  readonly seeds: readonly string[]
  /** Characters of the texts that are made to hold it up; 100,000 unless something else is said. */
  readonly longest?: number
  /** Reads a text and holds what must be true of the outcome. Throws where it is not; a UserError of the reader is an outcome. */
  readonly read: (text: string) => void
}

/** Bytes of a text; a lone surrogate becomes a byte that is no UTF-8. */
function bytesOf(text: string): Uint8Array {
  return text.isWellFormed() ? Buffer.from(text) : Buffer.from(text, 'latin1')
}

/** Lets a refusal in words pass, and nothing else that is thrown. */
function orRefused<T>(work: () => T): T | undefined {
  try {
    return work()
  } catch (thrown) {
    if (!(thrown instanceof UserError)) throw thrown
    expect(thrown.message.length).toBeLessThan(100_000)
    return undefined
  }
}

const manifest = withDigest(exampleManifest())
const contents = {
  format: 1,
  id: manifest.id,
  project: 'shop',
  createdAt: manifest.createdAt,
  files: { 'database.dump.zst.age': 'b'.repeat(64) },
  changes: ['tables: 1 more']
}
const pack = {
  format: 1 as const,
  pack: { name: 'objects-a.tar.zst.age', bytes: 100, sha256: 'a'.repeat(64) },
  encryption: manifest.encryption,
  entries: []
}
const record = {
  format: 1,
  id: manifest.id,
  project: 'shop',
  tool: 'supabase-backup 1.0.0',
  outcome: 'passed',
  verification: manifest.verification,
  openedBy: ['fp:0123456789abcdef']
}
const secret = 'pw-Canary/9f2'

/** A parser of an input: a value, or a reason that does not repeat what was typed where that may be a secret. */
function input<T>(
  name: string,
  seeds: readonly string[],
  parse: Parse<T>,
  holds: (value: T) => void = () => undefined
): Target {
  return {
    name,
    seeds,
    read: (text) => {
      const parsed = parse(text)
      if (parsed.ok) holds(parsed.value)
      else {
        expect(parsed.code).toMatch(/^SB0\d\d$/)
        expect(parsed.reason).not.toContain(secret)
      }
    }
  }
}

/** The whole of contents.json, read in pieces. */
function contentsIn(bytes: Buffer, length: number): unknown {
  const objects: unknown[] = []
  const reader = startContents((object) => objects.push(object))
  for (let at = 0; at < bytes.length; at += length) reader.push(bytes.subarray(at, at + length))
  const { storage, ...contents } = reader.end().contents
  if (storage === undefined) return contents
  const { objectCount, ...facts } = storage
  expect(objectCount).toBe(objects.length)
  return { ...contents, storage: { ...facts, objects } }
}

const isNumber = (value: number): void => {
  expect(Number.isFinite(value)).toBe(true)
  expect(value).toBeGreaterThanOrEqual(0)
}

/** Archives of pg_dump, a character a byte. */
const dumped = [14, 16].map((minor) => {
  const rows = entry({ kind: 'TABLE DATA', tag: 'notes', section: 3, hasData: true })
  const large = entry({ kind: 'BLOBS', tag: 'BLOBS', section: 3, hasData: true })
  const table = entry({ kind: 'TABLE', tag: 'notes', definition: 'CREATE TABLE notes ();\n', needs: [rows.id] })
  return archiveBytes(
    [table, rows, large],
    [
      { id: rows.id, rows: ['1\tone\n', '2\n'] },
      { id: large.id, objects: [{ oid: 4000, pieces: ['large'] }] }
    ],
    { minor: minor === 14 ? 14 : 16 }
  ).toString('latin1')
})

export const targets: readonly Target[] = [
  {
    name: 'archive of pg_dump',
    seeds: dumped,
    longest: 20_000,
    read: (text) => {
      const bytes = Buffer.from(text, 'latin1')
      const walked = (...chunks: readonly Buffer[]) =>
        orRefused(() => {
          const walk = walkArchive()
          for (const chunk of chunks) walk.push(chunk)
          return walk.end()
        })
      const toc = walked(bytes)
      // Where the bytes are cut makes no difference.
      const cut = walked(bytes.subarray(0, bytes.length >> 1), bytes.subarray(bytes.length >> 1))
      expect(cut?.entries.length).toBe(toc?.entries.length)
      if (toc === undefined) return
      expect(readToc(bytes)).toEqual(toc)
      expect(new Set(toc.entries.map(({ id }) => id)).size).toBe(toc.entries.length)
    }
  },
  {
    name: 'statements',
    seeds: ["CREATE FUNCTION f() AS $a$ begin; end $a$;\nSELECT ';', E'\\';', \"a;b\" -- x;\n/* ; */;"],
    read: (text) => {
      // Each lies behind the one before it.
      const end = splitStatements(text).reduce((from, statement) => {
        const at = from === -1 ? -1 : text.indexOf(statement, from)
        return at === -1 ? -1 : at + statement.length
      }, 0)
      expect(end).not.toBe(-1)
    }
  },
  {
    name: 'manifest',
    seeds: [Buffer.from(renderManifest(manifest)).toString(), JSON.stringify(manifest)],
    read: (text) => {
      const parsed = parseManifest(bytesOf(text))
      if (parsed.kind !== 'ok') return
      expect(parseManifest(renderManifest(parsed.manifest))).toEqual(parsed)
      for (const file of parsed.manifest.files) expect(file.name).toMatch(/^[A-Za-z0-9._-]+$/)
      // Whatever was changed and is still read is known to be changed.
      if (JSON.stringify(parsed.manifest) !== JSON.stringify(manifest) && !parsed.changed)
        expect(withDigest(parsed.manifest)).toEqual(parsed.manifest)
    }
  },
  {
    name: 'contents',
    seeds: [JSON.stringify(contents)],
    read: (text) => {
      const bytes = Buffer.from(bytesOf(text))
      const read = orRefused(() => contentsIn(bytes, bytes.length))
      // Where it is cut does not matter, and what is read can be written.
      if (bytes.length < 10_000) expect(orRefused(() => contentsIn(bytes, 5))).toEqual(read)
      if (read !== undefined) expect(contentsIn(Buffer.from(JSON.stringify(read)), 1000)).toEqual(read)
    }
  },
  {
    name: 'list of a shared pack',
    seeds: [Buffer.from(renderPoolIndex(pack)).toString()],
    read: (text) => {
      const read = parsePoolIndex(bytesOf(text), pack.pack.name)
      if (read === null) return
      expect(parsePoolIndex(renderPoolIndex(read), pack.pack.name)).toEqual(read)
    }
  },
  {
    name: 'verification record',
    seeds: [JSON.stringify(record)],
    read: (text) => {
      const read = parseVerificationRecord(bytesOf(text))
      if (read !== null) expect(['passed', 'failed']).toContain(read.outcome)
    }
  },
  {
    name: 'strict JSON',
    seeds: [JSON.stringify(manifest), '[1,[2,{"a":"\\u00fc"}]]'],
    read: (text) => {
      const read = parseStrictJson(bytesOf(text))
      if (read.kind === 'ok') expect(read.value).toEqual(JSON.parse(text))
      else expect(read.reason).not.toContain('\n')
    }
  },
  {
    name: 'text of a release',
    seeds: [
      renderReleaseBody({ project: 'shop', id: manifest.id }, new Map([['manifest.json', renderManifest(manifest)]])),
      '<!-- supabase-backup:1 AAAA -->'
    ],
    read: (text) => {
      for (const content of readReleaseBody(text).values())
        expect(content.byteLength).toBeLessThanOrEqual(32 * 1024 * 1024)
    }
  },
  {
    name: 'connection string',
    seeds: [
      `postgresql://postgres.abcdefghijklmnopqrst:${encodeURIComponent(secret)}@aws-0-eu-central-1.pooler.supabase.com:5432/postgres?sslmode=verify-full`,
      `host=db.example.com port=5432 user=me password='${secret}' dbname=shop sslmode=require`,
      `postgres://me:${encodeURIComponent(secret)}@[::1]:5433/shop?application_name=x&connect_timeout=5`
    ],
    read: (text) => {
      const parsed = parseConnectionString(text)
      if (!parsed.ok) {
        for (const form of [secret, encodeURIComponent(secret)]) expect(parsed.reason).not.toContain(form)
        return
      }
      const { fields } = parsed
      expect(fields.port).toBeGreaterThan(0)
      expect(fields.port).toBeLessThan(65_536)
      expect(Number.isInteger(fields.port)).toBe(true)
      expect(fields.host).not.toBe('')
      // Nothing that libpq or a shell of another program could take for something else.
      for (const value of [fields.host, fields.user, fields.database, fields.applicationName ?? '']) {
        expect(value).not.toMatch(/[\u0000-\u001f\u007f]/)
      }
      if (!fields.host.startsWith('/')) expect(fields.host).toMatch(/^[^\s/@,?#]+$/)
      // A text may name it twice, as a database, say: then it is the log's redaction that hides it.
      const elsewhere = [fields.host, fields.user, fields.database].some((value) => value.includes(secret))
      if (fields.password?.includes(secret) === true && !elsewhere)
        expect(describeConnection(fields)).not.toContain(secret)
    }
  },
  {
    name: 'escaping for log and summary',
    seeds: [
      '::error::x',
      ' \t##[add-mask]x',
      '</td><img src=x>',
      '[a](javascript:1) @me #1 www.x.example',
      `$$ ${'`'.repeat(3)}`
    ],
    read: (text) => {
      const line = logLine(text)
      expect(line).not.toMatch(/[\r\n\u2028\u2029]|##\[|^\s*::/)
      for (const shown of [inert(text), inertCode(text).replace(/^<code>|<\/code>$/g, '')]) {
        expect(shown).not.toMatch(/[<>"'|`*_~[\]()!@$\\/\r\n]|www\.|#(?!\d+;)/i)
        expect(shown.replace(/&(?:amp|lt|gt|quot|#\d+);/g, '')).not.toContain('&')
      }
    }
  },
  {
    name: 'redaction',
    seeds: [
      `password=${secret}`,
      encodeURIComponent(secret),
      Buffer.from(`me:${secret}`).toString('base64'),
      JSON.stringify({ a: secret })
    ],
    read: (text) => {
      const redacted = createRedact([secret, text.slice(0, 40)])(`${text}${secret}${text}`)
      expect(redacted).not.toContain(secret)
    }
  },
  {
    name: 'patterns of tables',
    seeds: ['public.users, auth.*', '"My Schema"."a.b,c"\nlog_*', '*.*_old', 'a*b*c*d.e'],
    read: (text) => {
      for (const parse of [parseTablePatterns, parseSchemaPatterns]) {
        const parsed = parse(text)
        if (!parsed.ok) continue
        for (const typed of parsed.value) {
          const pattern = orRefused(() => parsePattern(typed, parse === parseTablePatterns ? 'table' : 'schema'))
          expect(pattern).toBeDefined()
          if (pattern === undefined) continue
          // Quotes around every literal piece: nothing of it has a meaning to pg_dump.
          expect(pgDumpPattern(pattern).replace(/"(?:[^"]|"")*"/g, '')).toMatch(/^[*.]*$/)
          expect(typeof matchesTable(pattern, 'public', typed)).toBe('boolean')
        }
      }
    }
  },
  {
    name: 'pattern of buckets',
    seeds: ['avatars', 'user-*', '*a*b*c*'],
    read: (text) => {
      const parsed = parseBucketPattern(text)
      if (!parsed.ok) return
      expect(globMatches(parsed.value, text.replaceAll('*', ''))).toBe(true)
      expect(globMatches(parseGlob(text), text.replaceAll('*', 'x*y'))).toBe(true)
    }
  },
  {
    name: 'paths of function sources',
    seeds: [
      '/tmp/x/source/index.ts\n/tmp/x/source/lib/a.ts',
      'file:///s/a%20b.ts\n../_shared/cors.ts',
      'CON\nA\na\n.git/config'
    ],
    read: (text) => {
      const names = text.split('\n')
      const placed = placeFiles(
        names.map((name) => ({ name, bytes: new Uint8Array() })),
        names[0] ?? null
      )
      expect(placed.files).toHaveLength(names.length)
      const entries = entryNames()
      const folder = entries.folder(text.slice(0, 60))
      expect(folder).toMatch(/^[A-Za-z][A-Za-z0-9_-]*$/)
      const given = placed.files.map((file) => entries.file(folder, file))
      const odd = given.filter(
        (name) =>
          name.length >= 400 ||
          !name.startsWith(`${folder}/`) ||
          /[\u0000-\u001f\u007f\\:*?"<>|]/.test(name) ||
          name.split('/').some((segment) => /^\.{0,2}$/.test(segment))
      )
      expect(odd).toEqual([])
    }
  },
  {
    name: 'multipart body of a function',
    seeds: [
      'multipart/form-data; boundary=x\n--x\r\nContent-Disposition: form-data; name="file"; filename="a/b.ts"\r\n\r\nbody\r\n--x--\r\n',
      'multipart/form-data; boundary="a b"\n--a b\r\n\r\nbody\r\n--a b--'
    ],
    read: (text) => {
      const [type = '', ...body] = text.split('\n')
      for (const part of parseMultipart(type, Buffer.from(body.join('\n'))) ?? []) {
        expect(part.bytes.byteLength).toBeLessThanOrEqual(Buffer.byteLength(text))
        dispositionParameter(part, 'filename')
        dispositionParameter(part, 'name')
      }
    }
  },
  {
    name: 'projects file',
    // The YAML library takes time with the square of the number of mistakes. The file is the user's own.
    longest: 10_000,
    seeds: [
      'defaults: {verify: none}\nprojects:\n  - project: shop\n    priority: 1\n    secrets: {database-url: SHOP_DB_URL}\n    schemas: [public, auth]\n'
    ],
    read: (text) => {
      for (const project of orRefused(() => readProjects(text, 'projects.yml')) ?? [])
        expect(project.project).toMatch(/^[a-z0-9-]{1,40}$/)
    }
  },
  {
    name: 'workflow with a schedule',
    // The YAML library takes time with the square of the number of mistakes. The file is the user's own.
    longest: 10_000,
    seeds: [
      "on:\n  schedule:\n    - cron: '17 3 * * 1-5'\n      timezone: Europe/Berlin\njobs:\n  a:\n    steps:\n      - uses: a/supabase-backup@v1\n        with: {project: shop}\n"
    ],
    read: (text) => {
      const plan = readWorkflow(text)
      const from = new Date('2026-11-01T00:00:00Z')
      const to = new Date('2026-11-22T00:00:00Z')
      const times = scheduledTimes(plan.schedules, from, to, 50) ?? []
      expect(times.length).toBeLessThanOrEqual(50)
      for (const time of times) expect(time.getTime()).toBeLessThanOrEqual(to.getTime())
    }
  },
  {
    name: 'names and ids',
    seeds: [manifest.id, 'database.dump.zst.age', 'objects-a.tar.gz', 'verification-20261122T161908Z.json'],
    read: (text) => {
      // An id may name a day that there is not: such a backup has no time and is not shown.
      if (timeOfBackupId(text) !== null) expect(isBackupId(text)).toBe(true)
      if (isStorableName(text)) expect(text).toMatch(/^[A-Za-z0-9._-]+$/)
      if (isStorableName(text)) splitStoredName(text)
    }
  },
  input('duration', ['26h', '30d', '90s', '12w'], parseDuration, isNumber),
  input('size', ['500MB', '2GiB', '1000000'], parseSize, isNumber),
  input('percentage', ['50%', '0%', '12.5%'], parsePercentage, isNumber),
  input('whole number', ['1', '100'], wholeNumber(0, 100), isNumber),
  input(
    'choice of a backup',
    ['latest', manifest.id, '2026-11-22', '2026-11-22T10:00:00+01:00'],
    parseChoice,
    (choice) => {
      if (choice.kind === 'at') isNumber(Math.abs(choice.time.getTime()))
    }
  ),
  input('choice of backups', ['all', 'latest'], parseChoiceOrAll),
  input('id of a backup', [manifest.id], parseBackupId, (id) => expect(isBackupId(id)).toBe(true)),
  input('branch', ['backups', 'a/b-c.d'], parseBranch, (branch) => {
    expect(branch).not.toMatch(/^-|\.\.|[ \t\r\n~^:?*[\\]|\.lock$|\/$|^\/|\/\/|@\{/)
  }),
  input('repository', ['owner/name'], parseRepository, ({ owner, name }) =>
    expect(`${owner}/${name}`).toMatch(/^[\w.-]+\/[\w.-]+$/)
  ),
  input(
    'web address',
    ['https://abcdefghijklmnopqrst.supabase.co', `https://me:${secret}@x.example`],
    parseWebAddress,
    (address) =>
      expect(new URL(address)).toMatchObject({
        protocol: expect.stringMatching(/^https?:$/),
        username: '',
        password: ''
      })
  ),
  input(
    'webhook',
    [`https://hooks.example/${encodeURIComponent(secret)}`, 'http://127.0.0.1:8000/x'],
    parseHook,
    (url) => expect(['https:', 'http:']).toContain(url.protocol)
  ),
  input('mail server', [`smtp://me:${encodeURIComponent(secret)}@mail.example:587`, 'smtps://mail.example'], parseSmtp),
  input('mail address', ['ops@example.com'], parseMailAddress, (address) => expect(address).not.toMatch(/[\r\n,;<>]/)),
  input('dashboard', ['out/dashboard.html', 'artifact', 'repository'], parseDashboard),
  input('recipients', ['age1ql3z7hjy54pw3hyww5ayyfg7zqgvc7w3j2elw8zmrj2kg5sfn9aqmcac8p'], parseRecipients),
  input('accepted recipients', ['fp:0123456789abcdef'], parseAcceptedRecipients, (all) => {
    for (const one of all) expect(one).toMatch(/^fp:[0-9a-f]{16}$/)
  }),
  input(
    'identities',
    ['# created\nAGE-SECRET-KEY-1GFPYYSJZGFPYYSJZGFPYYSJZGFPYYSJZGFPYYSJZGFPYYSJZGFPQ4EGAEX'],
    parseIdentities
  )
]
