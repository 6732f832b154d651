import { makeCanary } from '../archive/canary.ts'
import type { Contents } from '../archive/contents.ts'
import { databaseFactsSchema, isNarrowed } from '../archive/contents-database.ts'
import { contentsLimits } from '../archive/contents-reading.ts'
import { formatVersion, type Manifest } from '../archive/manifest.ts'
import type { Packer } from '../archive/pack.ts'
import type { SourceName } from '../archive/parts.ts'
import { recoveryText } from '../archive/recovery.ts'
import type { RandomBytes } from '../context.ts'
import { UserError } from '../errors.ts'
import type { Captured, SharedPacks } from '../sources/source.ts'

/** Long lists of a source's facts, which never lie in memory as a whole. */
export type FactLists = NonNullable<Captured<unknown>['lists']>

/** What the contents tell, besides the files that are packed already. */
export interface PackedBackup {
  readonly id: string
  readonly project: string
  readonly createdAt: Date
  readonly type: Manifest['type']
  readonly encryption: Manifest['encryption']
  readonly facts: ReadonlyMap<SourceName, unknown>
  readonly lists: ReadonlyMap<SourceName, FactLists>
  readonly shared: SharedPacks | undefined
  /** The diary of the schema, in words. */
  readonly changes?: readonly string[]
}

/**
 * Packs the two files that tell of all the others: RESTORE.md, in plain, and contents.json. They come last, and before them the canary of a backup
 * that is sealed for recipients. Throws UserError SB807.
 */
export async function packContents(about: PackedBackup, packer: Packer, randomBytes: RandomBytes): Promise<void> {
  const { id, project, createdAt, facts, lists, shared } = about
  if (about.encryption.recipients.length > 0) {
    const canary = makeCanary(about, randomBytes)
    await packer.addUncompressed(canary.name, Buffer.from(canary.text))
  }
  const old = new Map([...(shared?.old.values() ?? [])].flat().map((pack) => [pack.name, pack]))
  await packer.addPlain(
    'RESTORE.md',
    Buffer.from(
      recoveryText({
        id,
        project,
        createdAt: createdAt.toISOString(),
        encryption: about.encryption,
        files: [...packer.staged, ...old.values()].map(({ name, bytes, sha256 }) => ({ name, bytes, sha256 })),
        type: about.type,
        narrowed: isNarrowedDatabase(facts.get('database'))
      })
    )
  )
  const contents: Contents = {
    format: formatVersion,
    id,
    project,
    createdAt: createdAt.toISOString(),
    files: Object.fromEntries(packer.staged.map((file) => [file.name, file.sha256])),
    ...Object.fromEntries([...facts].filter(([name]) => !lists.has(name))),
    ...(about.changes === undefined ? {} : { changes: [...about.changes] })
  }
  await packer.add('contents.json', { bytes: asLongAsRead(textOf(contents, facts, lists)) })
}

/** A list that no restore would read must not be published. */
async function* asLongAsRead(text: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  let bytes = 0
  for await (const piece of text) {
    bytes += piece.byteLength
    if (bytes > contentsLimits.whole) throw tooLong(contentsLimits.whole)
    yield piece
  }
}

/** contents.json; its long lists pass through without ever lying in memory. */
async function* textOf(
  contents: Contents,
  facts: ReadonlyMap<SourceName, unknown>,
  lists: ReadonlyMap<SourceName, FactLists>
): AsyncGenerator<Uint8Array> {
  let text = JSON.stringify(contents).slice(0, -1)
  let held = text.length
  for (const [name, longLists] of lists) {
    const part = `,${JSON.stringify(name)}:${JSON.stringify(facts.get(name)).slice(0, -1)}`
    held += part.length
    text += part
    if (held > contentsLimits.held) throw tooLong(contentsLimits.held)
    for (const [key, items] of Object.entries(longLists)) {
      let separator = `,${JSON.stringify(key)}:[`
      for await (const item of items()) {
        text += `${separator}${item}`
        separator = ','
        if (text.length < 65_536) continue
        yield Buffer.from(text)
        text = ''
      }
      text += separator === ',' ? ']' : `${separator}]`
    }
    text += '}'
  }
  yield Buffer.from(`${text}}\n`)
}

function tooLong(most: number): UserError {
  return new UserError('SB807', `contents.json would be longer than ${most} bytes.`)
}

function isNarrowedDatabase(database: unknown): boolean {
  const parsed = databaseFactsSchema.pick({ selection: true }).safeParse(database)
  return parsed.success && isNarrowed(parsed.data)
}
