import { timeOfBackupId } from '../../archive/backup-id.ts'
import type { Lock, LockMode } from '../../clients/s3/index.ts'

/** How long what a backup needs must stay, whoever wants it gone. */
export interface LockRule {
  readonly mode: LockMode
  readonly days: number
}

const dayMs = 24 * 60 * 60 * 1000
/** Stores keep whole seconds. */
const secondMs = 1000

/** The moment until which everything that a backup needs is to be locked. The same for all its files, so that they are free together. */
export function lockedUntil(id: string, rule: LockRule): Date {
  const made = timeOfBackupId(id)
  if (made === null) throw new Error(`not a backup id: ${id}`)
  return wholeSecond(made.getTime() + rule.days * dayMs)
}

/**
 * The lock of a file that backups share, when a backup needs it until `needed`: null where the one that it has is enough. It is given some
 * more time than needed, so that a file is renewed every few nights and not in each, and stays no longer than that without a need.
 */
export function renewed(lock: Lock | null, needed: Date, rule: LockRule): Lock | null {
  if (isEnough(lock, needed, rule)) return null
  const stride = Math.min(rule.days / 4, 7) * dayMs
  const until = wholeSecond(needed.getTime() + stride)
  // A lock is never made shorter or weaker: a store refuses that, and rightly.
  return { mode: strongest(lock, rule), until: lock !== null && lock.until > until ? lock.until : until }
}

function strongest(lock: Lock | null, rule: LockRule): LockMode {
  return lock?.mode === 'compliance' ? 'compliance' : rule.mode
}

/** Whether a lock holds until then, in the mode that was asked for or a stronger one. */
export function isEnough(lock: Lock | null, needed: Date, rule: LockRule): boolean {
  if (lock === null || (rule.mode === 'compliance' && lock.mode !== 'compliance')) return false
  return lock.until.getTime() >= needed.getTime() - secondMs
}

function wholeSecond(ms: number): Date {
  return new Date(Math.ceil(ms / secondMs) * secondMs)
}
