import { inParallel } from '../../base/in-parallel.ts'
import { type Bucket, digester, pieceSize, piecesOf } from '../../clients/s3/index.ts'
import { UserError } from '../../errors.ts'
import type { BackupRef, Body, Pool, PooledFile, Volume } from '../destination.ts'
import { assertLabel, assertPoolName } from '../names.ts'
import type { Finder, FoundObject } from './find-objects.ts'
import type { Keys } from './keys.ts'
import { type LockRule, lockedUntil, renewed } from './lock-rules.ts'
import type { SafeStore } from './safe-store.ts'

interface Parts {
  readonly bucket: Bucket
  readonly finder: Finder
  readonly store: SafeStore
  readonly keys: Keys
  readonly rule: LockRule | undefined
  readonly signal: AbortSignal
  now(): Date
}

const locksAtOnce = 16

/** The shared files of a project in `<prefix><label>/objects/`. */
export function s3Pool({ bucket, finder, store, keys, rule, signal, now }: Parts): Pool {
  const keyOf = (project: string, name: string): string => {
    assertLabel(project)
    assertPoolName(name)
    return `${keys.pool(project)}${name}`
  }
  async function* files(project: string): AsyncGenerator<{ name: string; file: FoundObject }> {
    assertLabel(project)
    for await (const file of finder.find(keys.pool(project))) {
      const name = keys.parsePooled(project, file.key)
      if (name !== null) yield { name, file }
    }
  }

  return {
    async list(project) {
      const found: PooledFile[] = []
      for await (const { name, file } of files(project))
        found.push({ name, bytes: file.bytes, createdAt: file.changedAt })
      return found
    },

    async put(project, name, body) {
      const key = keyOf(project, name)
      signal.throwIfAborted()
      const there = await finder.one(key)
      if (there !== null) {
        if ((await store.holds(there, await digestsOf(body))) !== null) return
        throw new UserError('SB414', `The shared file ${name} of ${project} is stored with other bytes.`)
      }
      const days = rule?.days ?? 0
      await store.store(key, body, rule === undefined ? undefined : new Date(now().getTime() + days * 86_400_000))
    },

    async get(project, name): Promise<Body> {
      const file = await finder.one(keyOf(project, name))
      if (file === null)
        throw new UserError('SB404', `There is no shared file ${name} of ${project} in ${bucket.place}.`)
      return { bytes: file.bytes, open: () => bucket.open(file, file.bytes) }
    },

    async delete(project, names) {
      signal.throwIfAborted()
      const doomed = new Set(names.map((name) => keyOf(project, name)))
      const all = (await finder.everything(keys.pool(project))).filter(({ key }) => doomed.has(key))
      const left = await bucket.remove(all)
      const stayed = new Set(left.map(({ key }) => keys.parsePooled(project, key) ?? ''))
      return names.filter((name) => stayed.has(name))
    },

    async protect(backup: BackupRef, names: readonly string[]) {
      if (rule === undefined || names.length === 0) return
      const needed = lockedUntil(backup.id, rule)
      const wanted = new Set(names)
      const there: FoundObject[] = []
      for await (const { name, file } of files(backup.project)) if (wanted.delete(name)) there.push(file)
      const [missing] = wanted
      if (missing !== undefined)
        throw new UserError('SB506', `The shared file ${missing} of ${backup.project} is not in ${bucket.place}.`)
      const work = async (file: FoundObject): Promise<void> => {
        const lock = renewed(await store.lockOf(file), needed, rule)
        if (lock !== null) await store.ensureLock(file, lock, needed)
      }
      for await (const _ of inParallel(there, locksAtOnce, work)) signal.throwIfAborted()
    }
  }
}

/** What a store shows of a file that was uploaded by this program. */
async function digestsOf(body: Volume) {
  const digests = digester(body.bytes)
  for await (const piece of piecesOf(body.open(), pieceSize(body.bytes))) digests.add(piece)
  return digests.end()
}
