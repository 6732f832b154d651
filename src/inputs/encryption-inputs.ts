import type { Sealing } from './commands.ts'
import type { FieldsOf } from './fields.ts'
import type { Problems } from './problems.ts'

/** What is said where a backup would be made that nobody asked to be unencrypted. */
export const noKey =
  'Input `recipients` is missing, so that the backup would be readable for everybody who reaches it: set it to your age recipient (`age1...`), or set `passphrase`. A secret or variable whose name is misspelt arrives as an empty text, as if it were not given.'

/** The level that each method has when none is given. */
const defaultLevels = { zstd: 3, gzip: 6, none: 0 } as const

/** How new backups are sealed, with what contradicts itself added to `problems`. */
export function sealingOf(fields: FieldsOf<'backup' | 'restore'>, problems: Problems): Sealing {
  const method = fields.compression
  const level = fields['compression-level']
  if (level !== undefined && method === 'none') {
    problems.add('SB002', 'Input `compression-level` is given, but `compression` is `none`.')
  }
  if (level !== undefined && method === 'gzip' && level > 9) {
    problems.add(
      'SB001',
      `Input \`compression-level\` is \`${level}\`: allowed for gzip is a whole number from 1 to 9.`
    )
  }
  return {
    recipients: fields.recipients,
    passphrase: fields.passphrase,
    plaintext: fields.plaintext,
    compression: { method, level: level ?? defaultLevels[method] },
    signingKey: fields['signing-key']
  }
}
