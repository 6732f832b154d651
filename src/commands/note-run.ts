import { makeBackupId } from '../archive/backup-id.ts'
import { renderRunRecord } from '../archive/run-record.ts'
import type { SigningKey } from '../archive/signature.ts'
import { UserError } from '../errors.ts'
import type { Result } from '../result.ts'
import type { Ports } from './ports.ts'
import { type RunAsked, type RunOrigin, recordsOfRun } from './run-records.ts'

export interface NoteOptions {
  readonly asked: RunAsked
  readonly origin: RunOrigin
  readonly signingKey: SigningKey | undefined
}

/**
 * Notes what a run did in the journal of every place that has one. A record that cannot be written never changes what the run came to: after a backup,
 * whose token may write, it is a warning; elsewhere it is told in the log.
 */
export async function noteRun(result: Result, options: NoteOptions, ports: Ports): Promise<readonly string[]> {
  const { clock, randomBytes, log, signal } = ports.context
  const warnings: string[] = []
  // What was cancelled writes nothing more: its night stands as missed in the report.
  if (signal.aborted) return warnings
  for (const record of recordsOfRun(options.asked, result, options.origin)) {
    const name = `${makeBackupId(clock, randomBytes)}.txt`
    const content = renderRunRecord(record, options.signingKey)
    for (const { journal, place } of ports.destinations) {
      try {
        await journal?.add(record.project, name, content)
      } catch (thrown) {
        if (!(thrown instanceof UserError)) throw thrown
        const words = `This run is not noted in the journal of ${place}: ${thrown.code}: ${thrown.message}`
        log.info(words)
        if (record.event === 'made') warnings.push(words)
      }
    }
  }
  return warnings
}
