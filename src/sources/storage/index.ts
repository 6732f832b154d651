import { join } from 'node:path'
import type { PackRecord, StorageFacts, StoredObject } from '../../archive/contents-storage.ts'
import type { StoredFile } from '../../archive/manifest.ts'
import type { Glob } from '../../base/glob.ts'
import { inParallel } from '../../base/in-parallel.ts'
import type { Connection } from '../../clients/postgres/connection.ts'
import { isAddressable, isResolvedOnTheWay, type SupabaseStorage } from '../../clients/supabase/storage.ts'
import type { Context } from '../../context.ts'
import type { DestinationName } from '../../destinations/destination.ts'
import { asError, UserError } from '../../errors.ts'
import type { KnownPacks } from '../../history/pool.ts'
import type { SharedPacks, Source } from '../source.ts'
import { type Budget, OverBudget, openBudget } from './budget.ts'
import { areDeletions, newTally, reasonsOf, warningsOf } from './capture-counters.ts'
import { failingInRow } from './circuit-breaker.ts'
import { type DownloadedObject, downloadObject } from './download.ts'
import { deletedMeanwhile } from './files-left-out.ts'
import { type LineFile, openLineFile } from './jsonl-file.ts'
import {
  entryOf,
  holdsFiles,
  type ListedObject,
  type Listing,
  listedObjectSchema,
  listFromApi,
  listFromDatabase
} from './listing.ts'
import { openPackWriter, type StoredPack } from './pack-writer.ts'
import { provenDeletions } from './prove-deletions.ts'
import { isKnown, withoutFile } from './recheck-missing.ts'

/** A place that the backup goes to. */
export interface StoragePlace {
  readonly name: DestinationName
  /** What its pool holds already; null where it keeps nothing across runs and gets every file with each backup. */
  readonly known: KnownPacks | null
}

export interface StorageSourceOptions {
  readonly context: Context
  readonly storage: SupabaseStorage
  readonly url: string
  readonly ref: string | null
  /** Empty: all buckets. */
  readonly buckets: readonly Glob[]
  /** Downloads at a time. */
  readonly jobs: number
  /** Bytes that may be downloaded; undefined without a limit. */
  readonly maxDownloadBytes: number | undefined
  readonly places: readonly StoragePlace[]
  /** Why a key that was refused was refused, in a sentence. */
  readonly whyRefused?: () => Promise<string>
}

/** The files of a project: packs `objects-<random>.tar`, and a list of objects too long for memory. */
export interface StorageSource extends Source<Omit<StorageFacts, 'objects'>> {
  /** Takes the list of objects in an open transaction: the snapshot that the dump is taken in. What fails here is asked of the API later. */
  listIn(connection: Connection): Promise<void>
}

/** Files that were not there are looked up again afterwards, up to this many: with more of them the backup is not whole anyway. */
const mostLookedUp = 1000

const notThere = 'it is listed, and the API does not have it'

/** A pack of an earlier backup, in the pool of a place. */
interface PlacedPack {
  readonly place: DestinationName
  readonly pack: StoredFile
}

type Outcome =
  | {
      readonly kind: 'unchanged'
      readonly object: ListedObject
      readonly entry: string
      readonly packs: readonly PlacedPack[]
    }
  | {
      readonly kind: 'fetched'
      readonly object: ListedObject
      readonly entry: string
      readonly fetched: DownloadedObject
      /** Pools that hold it already, where only places without a pool made the download necessary. */
      readonly packs: readonly PlacedPack[]
    }
  | { readonly kind: 'vanished' | 'overBudget' | 'unaddressable' | 'unreadable'; readonly object: ListedObject }

export function openStorageSource(options: StorageSourceOptions): StorageSource {
  const { context, storage } = options
  let fromDatabase: { readonly listing: Listing; readonly objects: LineFile } | null = null
  let listedElsewhere = false
  let refused: UserError | null = null
  let spools = 0
  const etags = { someFit: false, areNoMd5s: false }
  const failing = failingInRow(storage)

  const list = async (): Promise<{ listing: Listing; objects: LineFile }> => {
    if (fromDatabase !== null) return fromDatabase
    const objects = openLineFile(join(context.temp, 'storage-listed'))
    const listing = await listFromApi(storage, options.buckets, objects)
    await objects.end()
    return { listing, objects }
  }

  const decide = async (object: ListedObject, budget: Budget, signal: AbortSignal): Promise<Outcome> => {
    const entry = entryOf(object)
    const pools = options.places.filter(({ known }) => known !== null).length
    const packs = options.places.flatMap(({ name, known }): PlacedPack[] => {
      const pack = known?.find(entry)
      return pack === undefined ? [] : [{ place: name, pack }]
    })
    const everywhere = pools > 0 && packs.length === pools
    if (everywhere && pools === options.places.length) return { kind: 'unchanged', object, entry, packs }
    if (!isAddressable(object.bucket, object.key)) return { kind: 'unaddressable', object }
    const allowance = budget.take(object.size)
    if (allowance === null) return { kind: 'overBudget', object }
    spools += 1
    const outcome = await downloadObject({
      storage,
      object,
      spool: join(context.temp, `storage-object-${spools}`),
      onBytes: (bytes) => budget.spend(bytes, allowance),
      etags,
      signal
    }).catch(async (thrown: unknown) => {
      allowance.giveBack()
      signal.throwIfAborted()
      if (thrown instanceof OverBudget) return { kind: 'overBudget' as const }
      // One file that is damaged in the project, or whose name the API does not take, must not cost all the others.
      if (!(thrown instanceof UserError) || !['SB802', 'SB803', 'SB804'].includes(thrown.code)) throw thrown
      if (thrown.code === 'SB802') await failing.failed(thrown)
      context.log.warning(thrown.message)
      return { kind: 'unreadable' as const }
    })
    if (outcome.kind === 'whole') failing.well()
    allowance.giveBack()
    // What a server or proxy resolved on the way is not found, although it is there.
    if (outcome.kind === 'vanished' && isResolvedOnTheWay(object.key)) return { kind: 'unaddressable', object }
    if (outcome.kind !== 'whole') return { kind: outcome.kind, object }
    const fetched = outcome.object
    if (!fetched.changed) return { kind: 'fetched', object, entry, fetched, packs: everywhere ? packs : [] }
    const { info } = fetched
    const now =
      info === null
        ? object
        : { ...object, version: info.version ?? `${info.etag}`, etag: info.etag, size: fetched.bytes }
    return { kind: 'fetched', object: now, entry: entryOf(now), fetched, packs: [] }
  }

  return {
    name: 'storage',
    async preflight() {
      // A key that is refused here costs this part only; the rest is still captured.
      try {
        await storage.listBuckets()
      } catch (thrown) {
        if (!(thrown instanceof UserError) || context.signal.aborted) throw thrown
        const why = thrown.code === 'SB801' ? await options.whyRefused?.() : undefined
        refused = why === undefined ? thrown : new UserError(thrown.code, `${thrown.message} ${why}`, { cause: thrown })
      }
    },
    async listIn(connection) {
      if (refused !== null) return
      const objects = openLineFile(join(context.temp, 'storage-listed'))
      fromDatabase = null
      listedElsewhere = false
      try {
        const listing = await listFromDatabase(connection, options.buckets, objects)
        await objects.end()
        if (listing !== null) fromDatabase = { listing, objects }
      } catch (thrown) {
        await objects.end()
        context.signal.throwIfAborted()
        listedElsewhere = true
        context.log.warning(
          `The Storage objects cannot be listed in the snapshot of the dump, the API is asked instead: ${asError(thrown).message}`
        )
      }
    },
    async capture(add, signal) {
      if (refused !== null) throw refused
      const { listing, objects: listed } = await list()
      const fresh = openPackWriter(add, context.randomBytes)
      // For places without a pool alone: what the pools of the others hold already.
      const again = openPackWriter(add, context.randomBytes)
      const kept = openLineFile(join(context.temp, 'storage-kept'))
      const budget = openBudget(options.maxDownloadBytes)
      const old = new Map<DestinationName, Map<string, StoredFile>>()
      const oldNumbers = new Map<string, number>()
      const tally = newTally()
      const listedAt = context.clock.now().getTime()
      let brokenOff: UserError | null = null
      const vanished: ListedObject[] = []
      let anUnchanged: ListedObject | null = null
      const notCaptured: StorageFacts['notCaptured'] = []
      const miss = (object: ListedObject, reason: string) => {
        if (notCaptured.length < 10_000) notCaptured.push({ what: `${object.bucket}/${object.key}`, reason })
      }
      const parsed = async function* (): AsyncGenerator<ListedObject> {
        for await (const line of listed.lines()) yield listedObjectSchema.parse(JSON.parse(line))
      }

      try {
        for await (const outcome of inParallel(parsed(), options.jobs, (object) => decide(object, budget, signal))) {
          signal.throwIfAborted()
          const { object } = outcome
          switch (outcome.kind) {
            case 'vanished':
              tally.vanished += 1
              if (vanished.length < mostLookedUp) vanished.push(object)
              else miss(object, notThere)
              break
            case 'overBudget':
              tally.overBudget += 1
              miss(object, 'left out: `max-download` was used up')
              break
            case 'unaddressable':
              tally.unaddressable += 1
              miss(object, 'the API does not give it under this name')
              break
            case 'unreadable':
              tally.unreadable += 1
              miss(object, 'it could not be read whole')
              break
            case 'unchanged':
            case 'fetched': {
              const places: string[] = []
              for (const { place, pack } of outcome.packs) {
                const there = old.get(place) ?? new Map<string, StoredFile>()
                old.set(place, there.set(pack.name, pack))
                places.push(`old ${numberOf(oldNumbers, pack.name)}`)
              }
              const fetched = outcome.kind === 'fetched' ? outcome.fetched : null
              if (outcome.kind === 'fetched') {
                const writer = outcome.packs.length > 0 ? again : fresh
                const number = await writer.put(recordOf(outcome), outcome.fetched.body)
                places.push(`${writer === again ? 'again' : 'fresh'} ${number}`)
                tally.downloaded += 1
                if (outcome.fetched.changed) {
                  tally.changed += 1
                  if (!isWrittenSince(outcome.fetched.info?.lastModified, listedAt)) tally.unlike += 1
                }
              } else {
                tally.unchanged += 1
                anUnchanged = object
              }
              tally.objects += 1
              tally.bytes += fetched?.bytes ?? object.size ?? 0
              await kept.add({ places, object: storedObject(outcome) } satisfies KeptLine)
            }
          }
          context.log.progress(
            () => `storage: ${tally.objects} of ${listed.count} files, ${tally.downloaded} downloaded`
          )
        }
      } catch (thrown) {
        // Of a project that stops answering in between, what came is kept. The next backup goes on there.
        if (signal.aborted || !(thrown instanceof UserError) || !isOfTheApi(thrown) || tally.objects === 0) {
          await Promise.all([fresh, again].map((writer) => writer.abandon(asError(thrown))))
          throw thrown
        }
        brokenOff = thrown
        const { objects, overBudget, unaddressable, unreadable } = tally
        tally.notReached = listed.count - objects - tally.vanished - overBudget - unaddressable - unreadable
        notCaptured.push({
          what: `${tally.notReached} further files`,
          reason: `the backup of the files broke off before them (${thrown.code})`
        })
      }
      let isSameProject = tally.downloaded > 0
      const fileless = new Set<ListedObject>()
      if (brokenOff === null && vanished.length > 0)
        try {
          if (!isSameProject && anUnchanged !== null) isSameProject = await isKnown(storage, anUnchanged)
          for (const object of await withoutFile(storage, vanished, options.jobs)) fileless.add(object)
          const gone = vanished.filter((object) => !fileless.has(object))
          // Asking is worth it only where the answer makes a difference.
          if (areDeletions({ vanished: gone.length, objects: tally.objects }, isSameProject)) {
            const proven = await provenDeletions(storage, gone)
            for (const object of gone) if (!proven.has(object)) fileless.add(object)
          }
        } catch (thrown) {
          if (signal.aborted || !(thrown instanceof UserError) || !isOfTheApi(thrown)) {
            await Promise.all([fresh, again].map((writer) => writer.abandon(asError(thrown))))
            throw thrown
          }
          // What nobody could look up does not count as deleted.
          isSameProject = false
          context.log.warning(`Files that were not there cannot be looked up again: ${thrown.message}`)
        }
      tally.fileless = fileless.size
      tally.vanished -= fileless.size
      const whyGone = areDeletions(tally, isSameProject) ? deletedMeanwhile : notThere
      for (const object of vanished) miss(object, fileless.has(object) ? 'its file is missing in Storage' : whyGone)
      const freshPacks = await fresh.end()
      const againPacks = await again.end()
      await kept.end()

      const packs = [...freshPacks, ...againPacks].map(({ storedName, sha256 }) => ({ name: storedName, sha256 }))
      const oldHashes = new Map(
        [...old.values()].flatMap((there) => [...there.values()].map(({ name, sha256 }) => [name, sha256] as const))
      )
      for (const name of oldNumbers.keys()) packs.push({ name, sha256: oldHashes.get(name) ?? '' })
      const offsets = { fresh: 0, again: freshPacks.length, old: freshPacks.length + againPacks.length }
      const lines = async function* (): AsyncGenerator<string> {
        for await (const line of kept.lines()) yield stored(line, offsets)
      }
      for (const bucket of listing.buckets.filter(({ id }) => listing.from === 'api' && !isAddressable(id, 'any')))
        notCaptured.push({
          what: `bucket ${bucket.id}`,
          reason: 'the API does not list the files of a bucket of this name'
        })
      const reasons = reasonsOf(tally, brokenOff, listing, isSameProject, options)
      for (const bucket of listing.buckets.filter((each) => !holdsFiles(each)))
        notCaptured.push({
          what: `bucket ${bucket.id}`,
          reason: `its kind (${bucket.type}) holds nothing that the object API gives`
        })
      return {
        status: reasons.length === 0 ? 'captured' : 'partial',
        ...(reasons.length === 0 ? {} : { reason: reasons.join('; ') }),
        facts: {
          url: options.url,
          ref: options.ref,
          listedFrom: listing.from,
          buckets: [...listing.buckets],
          packs,
          notCaptured
        },
        lists: { objects: lines },
        shared: sharedOf(freshPacks, againPacks, old),
        counts: {
          buckets: listing.buckets.length,
          objects: tally.objects,
          bytes: tally.bytes,
          unchanged: tally.unchanged,
          downloaded: tally.downloaded,
          downloadedBytes: budget.spent,
          ...(tally.vanished === 0 ? {} : { vanished: tally.vanished }),
          ...(tally.fileless === 0 ? {} : { fileless: tally.fileless }),
          ...(tally.changed === 0 ? {} : { changed: tally.changed }),
          ...(tally.overBudget === 0 ? {} : { leftOut: tally.overBudget }),
          ...(tally.unreadable === 0 ? {} : { unreadable: tally.unreadable }),
          ...(tally.notReached === 0 ? {} : { notReached: tally.notReached })
        },
        warnings: [
          ...(listedElsewhere
            ? [
                'The Storage files could not be listed in the snapshot of the dump: they were listed by the API, not at the same instant, and all of them were downloaded again.'
              ]
            : []),
          ...warningsOf(tally, brokenOff, listing, budget.spent, isSameProject, options)
        ]
      }
    },
    close: () => Promise.resolve()
  }
}

/** Clocks of this machine and of the platform may differ by so much. */
const clocksDifferMs = 10 * 60_000

/** Whether a file may have been written after it was listed: the API says so, or says nothing. */
function isWrittenSince(lastModified: string | null | undefined, listedAt: number): boolean {
  const written = Date.parse(lastModified ?? '')
  return Number.isNaN(written) || written > listedAt - clocksDifferMs
}

interface KeptLine {
  /** `fresh 0`, `again 1`, `old 2`: the numbers of packs are known at the end. */
  readonly places: readonly string[]
  readonly object: Omit<StoredObject, 'in'>
}

function stored(line: string, offsets: Readonly<Record<string, number>>): string {
  const { places, object } = JSON.parse(line) as KeptLine
  const numbers = places.map((place) => {
    const [group = '', number = ''] = place.split(' ')
    return (offsets[group] ?? 0) + Number(number)
  })
  return JSON.stringify({ ...object, in: [...new Set(numbers)] })
}

function numberOf(numbers: Map<string, number>, name: string): number {
  const known = numbers.get(name)
  if (known !== undefined) return known
  numbers.set(name, numbers.size)
  return numbers.size - 1
}

type Taken = Extract<Outcome, { readonly kind: 'unchanged' | 'fetched' }>

function recordOf({ object, entry, fetched }: Extract<Outcome, { readonly kind: 'fetched' }>): PackRecord {
  return {
    entry,
    size: fetched.bytes,
    sha256: fetched.sha256,
    contentType: fetched.info?.contentType ?? object.contentType,
    cacheControl: fetched.info?.cacheControl ?? object.cacheControl,
    userMetadata: copied(fetched.info === null ? object.userMetadata : fetched.info.userMetadata)
  }
}

function copied(metadata: Readonly<Record<string, unknown>> | null): Record<string, unknown> | null {
  return metadata === null ? null : { ...metadata }
}

function storedObject(taken: Taken): Omit<StoredObject, 'in'> {
  const { etag: _, ...object } = taken.object
  const rest = { ...object, entry: taken.entry }
  if (taken.kind === 'unchanged') return rest
  const { entry, size, sha256, contentType, cacheControl, userMetadata } = recordOf(taken)
  return {
    ...rest,
    entry,
    size,
    sha256,
    contentType,
    cacheControl,
    userMetadata,
    version: object.version ?? taken.fetched.info?.version ?? null,
    ...(taken.fetched.changed ? { changed: true as const } : {})
  }
}

/** Whether it was the API that failed, and not this machine or the place where packs go. */
function isOfTheApi({ code }: UserError): boolean {
  return ['SB801', 'SB802', 'SB803', 'SB804', 'SB809'].includes(code)
}

function sharedOf(
  fresh: readonly StoredPack[],
  again: readonly StoredPack[],
  old: ReadonlyMap<DestinationName, ReadonlyMap<string, StoredFile>>
): SharedPacks {
  return {
    fresh: new Map(fresh.map(({ storedName, entries }) => [storedName, entries])),
    again: new Set(again.map(({ storedName }) => storedName)),
    old: new Map([...old].map(([place, packs]) => [place, [...packs.values()]]))
  }
}
