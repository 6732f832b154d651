import { asError, UserError } from '../errors.ts'
import { type Contents, contentsSchema } from './contents.ts'
import { splitContents } from './contents-split.ts'
import { type StoredObject, storedObjectSchema } from './contents-storage.ts'
import { firstIssue } from './first-issue.ts'
import { formatVersion } from './manifest.ts'
import { deepestJson, parseStrictText } from './strict-json.ts'

/** How much is read of a contents.json. */
export interface ContentsLimits {
  /** Of all of it: bytes. */
  readonly whole: number
  /** Besides the list of Storage objects, which is all that is held in memory: characters. */
  readonly held: number
  /** Of one Storage object: characters. Its user's own metadata is in it. */
  readonly object: number
}

/** 16 GiB are some 40 million Storage objects. */
export const contentsLimits: ContentsLimits = {
  whole: 16 * 1024 * 1024 * 1024,
  held: 256 * 1024 * 1024,
  object: 32 * 1024 * 1024
}
/** Levels that an object lies inside of. */
const levelsAbove = 3

export interface ReadContents {
  readonly contents: Contents
  /** Each different set of packs that objects lie in (`in`, joined by commas), with the entry of one of those objects. */
  readonly placements: ReadonlyMap<string, string>
}

/** Takes contents.json piece by piece; memory does not grow with the number of Storage objects. */
export interface ContentsReader {
  /** Throws UserError SB509, also for an object that is not what its format demands. */
  push(bytes: Uint8Array): void
  /** Throws UserError SB509 when it is not what its format demands, SB504 when that format is a later one. */
  end(): ReadContents
}

/** `onObject` gets each Storage object in order. Objects are void until `end` has returned. */
export function startContents(onObject?: (object: StoredObject) => void, limits = contentsLimits): ContentsReader {
  const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })
  const placements = new Map<string, string>()
  let bytesRead = 0
  let objectCount = 0
  /** Of a later format an object may have another shape: the format is told first. */
  let failure: UserError | null = null
  const splitter = splitContents({
    mostRest: limits.held,
    mostItem: limits.object,
    tooLong: (most) => new UserError('SB509', `A part of contents.json is larger than ${most} characters.`),
    onObject: (text) => {
      if (failure !== null) return
      try {
        const object = objectOf(text)
        objectCount += 1
        placements.set(object.in.join(), object.entry)
        onObject?.(object)
      } catch (thrown) {
        if (!(thrown instanceof UserError)) throw thrown
        failure = thrown
      }
    }
  })
  const decoded = (bytes?: Uint8Array): string => {
    try {
      return bytes === undefined ? decoder.decode() : decoder.decode(bytes, { stream: true })
    } catch (cause) {
      throw refused('it is not UTF-8', asError(cause))
    }
  }
  return {
    push(bytes) {
      bytesRead += bytes.byteLength
      if (bytesRead > limits.whole) throw tooLarge(limits.whole)
      splitter.push(decoded(bytes))
    },
    end() {
      splitter.push(decoded())
      const { storage, ...contents } = restOf(splitter.end())
      if (failure !== null) throw failure
      if (storage === undefined) return { contents, placements }
      const { objects: _, ...facts } = storage
      return { contents: { ...contents, storage: { ...facts, objectCount } }, placements }
    }
  }
}

/** Reads contents.json from its beginning to its end. Throws as `startContents`. */
export async function readContents(chunks: AsyncIterable<Uint8Array>): Promise<ReadContents> {
  const reader = startContents()
  // Leaving the loop ends the decompressor: a bomb goes off no further.
  for await (const chunk of chunks) reader.push(chunk)
  return reader.end()
}

/** The Storage objects that contents.json lists, in its order. Throws as `startContents`, at the end at the latest. */
export async function* objectsIn(chunks: AsyncIterable<Uint8Array>): AsyncGenerator<StoredObject> {
  let found: StoredObject[] = []
  const reader = startContents((object) => found.push(object))
  for await (const chunk of chunks) {
    reader.push(chunk)
    yield* found
    found = []
  }
  reader.end()
  yield* found
}

function objectOf(text: string): StoredObject {
  const json = parseStrictText(text, deepestJson - levelsAbove)
  if (json.kind === 'refused') throw refused(json.reason)
  const parsed = storedObjectSchema.safeParse(json.value)
  if (parsed.success) return parsed.data
  throw refused(`storage.objects.${firstIssue(parsed.error)}`)
}

function restOf(text: string) {
  const json = parseStrictText(text)
  if (json.kind === 'refused') throw refused(json.reason)
  const parsed = contentsSchema.safeParse(json.value)
  if (parsed.success) return parsed.data
  // A later format may have another shape; the manifest's `minReader` has let it through only if this one may be read.
  const later =
    typeof json.value === 'object' && json.value !== null && 'format' in json.value ? json.value.format : null
  if (typeof later === 'number' && later > formatVersion) {
    throw new UserError('SB504', `contents.json has format ${later}; this version reads up to ${formatVersion}.`)
  }
  throw refused(firstIssue(parsed.error))
}

function tooLarge(most: number): UserError {
  return new UserError('SB509', `contents.json is larger than ${most} bytes.`)
}

function refused(reason: string, cause?: Error): UserError {
  return new UserError('SB509', `contents.json cannot be read: ${reason}.`, cause === undefined ? {} : { cause })
}
