import type { Result } from '../../result.ts'
import { inert } from '../../text/escape.ts'
import { codeBlock, details, fromSecret, joined, link, section } from './markup.ts'
import type { SummaryPlace } from './place.ts'

/** What to do with what the run left: bring the backup back, or use the downloaded files. */
export function nextSteps(result: Result, place: SummaryPlace): string {
  return joined([howToRestore(result, place), downloaded(result)])
}

function howToRestore(result: Result, place: SummaryPlace): string {
  const { backup } = result
  const stored = result.destinations.find((one) => one.stored)
  if (result.command !== 'backup' || backup === undefined || stored === undefined) return ''
  const form = formUrl(place)
  const start =
    form === null
      ? 'Start a manual run of your restore workflow'
      : `Start a manual run of ${link('this workflow', form, place)} or of your restore workflow`
  return details(
    'How to restore this backup',
    `${start} with these inputs of the action; it shows the plan first and changes nothing:`,
    codeBlock(
      'yaml',
      [
        'command: restore',
        `project: ${(result.project ?? '').replace(/[^\w-]/g, '?')}`,
        `backup: ${backup.id.replace(/[^\w-]/g, '?')}`,
        `destinations: ${stored.name}`,
        ...(backup.encryption.scheme === 'age-x25519' || backup.encryption.scheme === 'age-pq'
          ? [`identity: ${fromSecret('BACKUP_IDENTITY')}`]
          : []),
        ...(backup.encryption.scheme === 'age-scrypt' ? [`passphrase: ${fromSecret('BACKUP_PASSPHRASE')}`] : []),
        `target-database-url: ${fromSecret('TARGET_DB_URL')}`,
        'confirm-target: REF-OF-THE-TARGET',
        'dry-run: true'
      ].join('\n')
    ),
    'Without this action: the file <code>RESTORE.md</code> of the backup tells how, with <code>age</code>, <code>zstd</code> and <code>pg_restore</code> only.'
  )
}

function downloaded(result: Result): string {
  if (result.command !== 'download' || result.path === null) return ''
  return section(
    'Where the files are',
    `In the folder that the output <code>path</code> names, on this runner, until the job ends:\n\n<pre>${inert(result.path, 400)}</pre>`,
    'Look into it in a later step: <code>pg_restore --list "$FOLDER/database.dump"</code>. It holds the whole project in plain where a key was given: do not upload it as an artifact.'
  )
}

function formUrl(place: SummaryPlace): string | null {
  if (place.repository === undefined || place.workflow === undefined) return null
  if (!/^[\w.-]+\/[\w.-]+$/.test(place.repository) || !/^[\w.-]+\.ya?ml$/.test(place.workflow)) return null
  return `${place.serverUrl}/${place.repository}/actions/workflows/${place.workflow}`
}
