import type { SupabaseStorage } from '../../clients/supabase/storage.ts'
import type { UserError } from '../../errors.ts'

/** Each of them was waited for: with more of them in a row it is no single file's fault. */
const most = 50

/** Tells a file that the API fails at (SB802) from an API that fails at all of them. */
export interface FailingInRow {
  /** A file came or went well. */
  well(): void
  /** The API failed at a file. Resolves where that is this file's own affair; throws where it is not: `failure`, or what asking for the buckets threw. */
  failed(failure: UserError): Promise<void>
}

export function failingInRow(storage: Pick<SupabaseStorage, 'listBuckets'>): FailingInRow {
  let files = 0
  return {
    well() {
      files = 0
    },
    async failed(failure) {
      files += 1
      if (files > most) throw failure
      await storage.listBuckets()
    }
  }
}
