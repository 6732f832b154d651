import type { Result } from '../../result.ts'
import { inert } from '../../text/escape.ts'
import { codeBlock, details, fromSecret, joined, link, section } from './markup.ts'
import { guideUrl, type SummaryPlace } from './place.ts'
import { lastGood } from './projects.ts'

/** What to do with what the run left: bring the backup back, or use the downloaded files. */
export function nextSteps(result: Result, place: SummaryPlace): string {
  return joined([howToRestore(result, place), downloaded(result)])
}

function howToRestore(result: Result, place: SummaryPlace): string {
  const { backup } = result
  const stored = result.destinations.find((one) => one.stored)
  if (result.command !== 'backup' || backup === undefined || stored === undefined) return ''
  // What lost much is not what anybody wants back.
  const good = result.error?.code === 'SB907' ? lastGood(result) : undefined
  const id = good?.id ?? backup.id
  const form = restoreFormUrl(place)
  const guide = guideUrl(place, 'docs/worst-day.md')
  return details(
    'Bring something back: one table, or everything',
    `Run ${form === null ? 'your restore form' : link('your restore form', form, place)} (Actions, Restore, Run workflow): it shows the plan first and changes nothing.${guide === null ? '' : ` ${link('The worst day, step by step', guide, place)}.`}`,
    'Or start the action with these inputs:',
    codeBlock(
      'yaml',
      [
        'command: restore',
        `project: ${(result.project ?? '').replace(/[^\w-]/g, '?')}`,
        `backup: ${id.replace(/[^\w-]/g, '?')}`,
        `destinations: ${good?.destination ?? stored.name}`,
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

/** The form that the quick start installs. */
function restoreFormUrl(place: SummaryPlace): string | null {
  if (place.repository === undefined || !/^[\w.-]+\/[\w.-]+$/.test(place.repository)) return null
  return `${place.serverUrl}/${place.repository}/actions/workflows/restore.yml`
}
