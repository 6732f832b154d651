import type { DatabaseFacts } from '../archive/contents-database.ts'
import { likeliest } from '../base/likeliest.ts'
import { UserError } from '../errors.ts'
import { matchesTable, parsePattern } from '../sources/database/catalog/patterns.ts'
import { readable } from '../sources/database/catalog/quote.ts'
import type { RestoreMode } from '../sources/database/restore/plan/restore-plan.ts'
import type { RestoreSelection } from '../sources/database/restore/plan/select-entries.ts'

/** The refusal of a restore with what was most likely meant, where that is known by what was typed; the refusal itself elsewhere. */
export function advised(
  thrown: unknown,
  typed: { readonly selection: RestoreSelection; readonly mode: RestoreMode },
  facts: Pick<DatabaseFacts, 'tables'>
): unknown {
  if (!(thrown instanceof UserError)) return thrown
  const { tables } = typed.selection
  if (thrown.code === 'SB703' && typed.mode === 'empty' && tables.length > 0)
    return new UserError('SB703', thrown.message, {
      cause: thrown,
      remedy:
        'You named tables, and `restore-mode` is `empty`, which is for a new project. Choose `missing-rows` to add the rows that are missing, or `side-schema` to put the tables beside the live ones.'
    })
  if (thrown.code !== 'SB710' || tables.length === 0) return thrown
  const names = facts.tables.map(readable)
  const meant = tables.flatMap((text) => {
    const pattern = parsePattern(text, 'table')
    if (facts.tables.some(({ schema, name }) => matchesTable(pattern, schema, name))) return []
    const near = likeliest(text, names) ?? likeliest(text.split('.').at(-1) ?? text, names.map(withoutSchema))
    const name = names.includes(near ?? '') ? near : names.find((one) => withoutSchema(one) === near)
    return name === undefined ? [] : [`\`${name}\``]
  })
  if (meant.length === 0)
    return new UserError('SB710', thrown.message, {
      cause: thrown,
      remedy: `This backup holds ${names.length} tables, none of that name. \`command: download\` with the key gives \`contents.json\`, which lists them; another backup may hold it.`
    })
  return new UserError('SB710', `${thrown.message} Did you mean ${meant.join(', ')}?`, {
    cause: thrown,
    remedy: 'Write the name as it is in the database: `schema.table`.'
  })
}

function withoutSchema(name: string): string {
  return name.slice(name.indexOf('.') + 1)
}
