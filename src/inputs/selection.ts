import type { Selection } from './commands.ts'
import type { FieldsOf } from './fields.ts'

/** The patterns that narrow a backup or a restore. */
export function selectionOf(fields: FieldsOf<'backup' | 'restore'>): Selection {
  return {
    schemas: fields.schemas,
    excludeSchemas: fields['exclude-schemas'],
    tables: fields.tables,
    excludeTables: fields['exclude-tables'],
    excludeTableData: fields['exclude-table-data']
  }
}
