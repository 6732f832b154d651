import type { Selection } from '../sources/database/catalog/selection.ts'
import type { FieldsOf } from './fields.ts'
import type { Problems } from './problems.ts'

/** The patterns that narrow a backup or a restore. */
export function selectionOf(fields: FieldsOf<'backup' | 'restore'>, problems: Problems): Omit<Selection, 'type'> {
  if (fields.schemas.length > 0 && fields.tables.length > 0) {
    problems.add(
      'SB002',
      'Inputs `schemas` and `tables` cannot be combined: write whole schemas as `schema.*` in `tables`.'
    )
  }
  return {
    schemas: [...fields.schemas],
    excludeSchemas: [...fields['exclude-schemas']],
    tables: [...fields.tables],
    excludeTables: [...fields['exclude-tables']],
    excludeTableData: [...fields['exclude-table-data']]
  }
}
