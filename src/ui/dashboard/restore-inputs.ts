import type { DashboardBackup, DashboardPlace } from './data.ts'

/** Inputs to copy into a workflow, with what they are for. */
export interface CopyableInputs {
  readonly title: string
  readonly hint: string
  readonly yaml: string
}

/** What to type to get a backup back, from the first of its places. */
export function restoreInputs(backup: DashboardBackup, places: readonly DashboardPlace[]): CopyableInputs[] {
  const from = places.find((place) => backup.copies.some((copy) => copy.destination === place.name))
  const which = { project: backup.project, backup: backup.id }
  const where = from === undefined ? {} : { destinations: from.name, ...from.inputs }
  const key = keyOf(backup.encryption)
  const target = {
    'target-database-url': secret('TARGET_DB_URL'),
    'confirm-target': 'PROJECT-REF-OF-THE-TARGET'
  }
  return [
    {
      title: 'Restore everything into an empty project',
      hint: 'Shows the plan first. Take dry-run out to do it.',
      yaml: yamlOf({ command: 'restore', ...which, ...where, ...target, ...key, 'dry-run': 'true' })
    },
    {
      title: 'Bring one table back beside the live one',
      hint: 'The copy goes into a schema of its own; nothing that is there is touched.',
      yaml: yamlOf({
        command: 'restore',
        ...which,
        ...where,
        ...target,
        ...key,
        tables: 'public.YOUR_TABLE',
        'restore-mode': 'side-schema'
      })
    },
    {
      title: 'Prove it again',
      hint: 'Restores it into a throw-away server and compares every table.',
      yaml: yamlOf({ command: 'verify', ...which, ...where, ...key, verify: 'restore' })
    },
    {
      title: 'Download it',
      hint: 'Leaves the opened files in the folder that the output path names.',
      yaml: yamlOf({ command: 'download', ...which, ...where, ...key })
    }
  ]
}

function keyOf(scheme: string | null): Record<string, string> {
  if (scheme === 'none' || scheme === null) return {}
  return scheme === 'age-scrypt' ? { passphrase: secret('BACKUP_PASSPHRASE') } : { identity: secret('BACKUP_IDENTITY') }
}

/** As GitHub's workflows name a secret. */
function secret(name: string): string {
  return `\${{ secrets.${name} }}`
}

function yamlOf(inputs: Readonly<Record<string, string>>): string {
  return Object.entries(inputs)
    .map(([name, value]) => `${name}: ${scalar(value)}`)
    .join('\n')
}

/** As it is where YAML reads it as this very text, else in quotes. */
function scalar(value: string): string {
  return /^(?:[A-Za-z./][\w./-]*|\d{8}T\d{6}Z-[a-z2-7]{8}|\$\{\{ [\w.]+ \}\})$/.test(value)
    ? value
    : JSON.stringify(value)
}
