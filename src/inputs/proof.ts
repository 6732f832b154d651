import type { FieldsOf } from './fields.ts'
import type { Problems } from './problems.ts'

/** Refuses inputs for the restored copy where nothing is restored. */
export function checkProof(fields: FieldsOf<'backup' | 'verify'>, problems: Problems): void {
  if (fields.verify === 'auto' || fields.verify === 'restore') return
  for (const name of ['verify-database-url', 'check-sql'] as const) {
    if (fields[name] !== undefined) {
      problems.add(
        'SB002',
        `Input \`${name}\` needs a restored copy, but \`verify\` is \`${fields.verify}\`: set it to auto or restore.`
      )
    }
  }
}
