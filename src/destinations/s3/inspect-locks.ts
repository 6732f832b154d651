import { inParallel } from '../../base/in-parallel.ts'
import { formatTime } from '../../text/format.ts'
import type { GuardedBackup, LockFinding } from '../destination.ts'
import { manifestName } from '../names.ts'
import type { Finder, FoundObject } from './find-objects.ts'
import type { Keys } from './keys.ts'
import type { Listing } from './listing.ts'
import { isEnough, type LockRule, lockedUntil } from './lock-rules.ts'
import type { SafeStore } from './safe-store.ts'

interface Parts {
  readonly finder: Finder
  readonly listing: Listing
  readonly store: SafeStore
  readonly keys: Keys
  readonly rule: LockRule | undefined
  now(): Date
}

interface Question {
  readonly file: FoundObject
  readonly needed: Date
  readonly backup: GuardedBackup
}

const questionsAtOnce = 16

/**
 * Looks whether what backups need is there, is what was written first, and is locked as long as it should be. `backups`: those of one
 * project. Only locks that still should hold are asked for.
 */
export async function inspectLocks(parts: Parts, backups: readonly GuardedBackup[]): Promise<readonly LockFinding[]> {
  const { finder, listing, store, keys, rule } = parts
  const findings: LockFinding[] = []
  const questions: Question[] = []
  for (const project of new Set(backups.map(({ ref }) => ref.project))) {
    const own = backups.filter(({ ref }) => ref.project === project)
    const stored = new Map<string, ReadonlyMap<string, FoundObject>>()
    for await (const { ref, files } of listing.found(project)) stored.set(ref.id, files)
    const pool = new Map<string, FoundObject>()
    if (own.some(({ shared }) => shared.length > 0))
      for await (const file of finder.find(keys.pool(project)))
        pool.set(keys.parsePooled(project, file.key) ?? '', file)
    /** The newest backup that needs a shared file decides how long it must stay. */
    const asked = new Map<string, Question>()
    for (const backup of own.toSorted((a, b) => (a.ref.id < b.ref.id ? 1 : -1))) {
      const needed = rule === undefined ? new Date(0) : lockedUntil(backup.ref.id, rule)
      const files = stored.get(backup.ref.id) ?? new Map<string, FoundObject>()
      const here = [...backup.files, manifestName].map((name) => ({ name, file: files.get(name) }))
      for (const { name, file } of [...here, ...backup.shared.map((one) => ({ name: one, file: pool.get(one) }))]) {
        if (file === undefined) findings.push(finding(backup, 'gone', `${name} is not there any more`))
        else if (!asked.has(file.key)) asked.set(file.key, { file, needed, backup })
      }
    }
    questions.push(...asked.values())
  }
  for (const { file, backup } of questions) {
    const name = file.key.split('/').at(-1) ?? ''
    if (file.isHidden) findings.push(finding(backup, 'hidden', `somebody tried to delete ${name}, which is locked`))
    if (file.isOverwritten) findings.push(finding(backup, 'overwritten', `somebody wrote other bytes over ${name}`))
  }
  if (rule !== undefined) {
    const now = parts.now()
    const open = questions.filter(({ needed }) => needed > now)
    const look = async (question: Question) => ({ question, lock: await store.lockOf(question.file) })
    for await (const { question, lock } of inParallel(open, questionsAtOnce, look)) {
      const { file, needed, backup } = question
      if (isEnough(lock, needed, rule)) continue
      const name = file.key.split('/').at(-1) ?? ''
      const how = lock === null ? 'is not locked' : `is locked in ${lock.mode} mode until ${formatTime(lock.until)}`
      findings.push(
        finding(
          backup,
          'lock-too-short',
          `${name} ${how}; it should be in ${rule.mode} mode until ${formatTime(needed)}`
        )
      )
    }
  }
  return findings
}

function finding(backup: GuardedBackup, kind: LockFinding['kind'], detail: string): LockFinding {
  return { ref: backup.ref, kind, detail }
}
