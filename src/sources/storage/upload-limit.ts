import { z } from 'zod'
import type { StorageBucketFacts, StoredObject } from '../../archive/contents-storage.ts'
import type { Management } from '../../clients/supabase/management.ts'
import { ManagementError } from '../../clients/supabase/management-errors.ts'
import { reasonOf } from '../management-reason.ts'
import type { Finding } from '../source.ts'

const settingsPath = '/config/storage'
const settingsShape = z.looseObject({ fileSizeLimit: z.number() })

export interface UploadLimitOptions {
  readonly management: Management
  /** Opens it anew when the run was cancelled: the limit must not stay raised. */
  readonly afterAbort: () => Management
  readonly signal: AbortSignal
  /** What is to be restored. */
  readonly buckets: readonly StorageBucketFacts[]
  readonly objects: AsyncIterable<StoredObject>
}

/** The limit that a project has for each file, whatever its bucket allows: raised as far as what is restored needs it. */
export interface RaisedLimit {
  readonly findings: readonly Finding[]
  /** Why it could not be looked at; null where it could. */
  readonly unknown: string | null
  /** Whether it is another one than before: the API may take some seconds to know it. */
  readonly raised: boolean
  /** Sets the limit that the target had. What the backup's settings say of it comes with them, later. Never throws. */
  putBack(): Promise<readonly Finding[]>
}

/**
 * Raises the project-wide limit of file sizes where a file, or the limit of a bucket, is larger: the API refuses both. A token that may not do so, or
 * a plan that does not allow it, is a finding; the files that fit come all the same.
 */
export async function raiseUploadLimit(options: UploadLimitOptions): Promise<RaisedLimit> {
  const { management } = options
  const nothing: RaisedLimit = { findings: [], unknown: null, raised: false, putBack: () => Promise.resolve([]) }
  let before: number
  try {
    before = (await management.read(settingsPath, settingsShape)).fileSizeLimit
  } catch (thrown) {
    // Whoever gave a token without this scope may have no large file: it is told with the first one that is refused.
    return { ...nothing, unknown: reasonOf(thrown) }
  }
  let needed = Math.max(0, ...options.buckets.map(({ fileSizeLimit }) => fileSizeLimit ?? 0))
  for await (const { size } of options.objects) needed = Math.max(needed, size ?? 0)
  if (needed <= before) return nothing
  try {
    await set(management, needed)
  } catch (thrown) {
    if (!(thrown instanceof ManagementError)) throw thrown
    const detail = `takes files of up to ${before} bytes and ${needed} are needed; raising that was refused (${reasonOf(thrown)})`
    return { ...nothing, findings: [{ kind: 'todo', subject: 'Storage of the target', detail }] }
  }
  return {
    ...nothing,
    raised: true,
    findings: [
      {
        kind: 'note',
        subject: 'Storage of the target',
        detail: `its limit for a file was raised from ${before} to ${needed} bytes while files went up`
      }
    ],
    async putBack() {
      try {
        await set(options.signal.aborted ? options.afterAbort() : management, before)
        return []
      } catch (thrown) {
        if (!(thrown instanceof ManagementError) && !options.signal.aborted) throw thrown
        const detail = `its limit for a file, ${before} bytes before, is ${needed} now and could not be set back${thrown instanceof ManagementError ? ` (${reasonOf(thrown)})` : ''}`
        return [{ kind: 'todo', subject: 'Storage of the target', detail }]
      }
    }
  }
}

async function set(management: Management, fileSizeLimit: number): Promise<void> {
  await management.change('PATCH', settingsPath, { body: { json: { fileSizeLimit } } })
}
