import { z } from 'zod'
import { inert, inertCode } from '../../text/escape.ts'
import { formatCount, formatTime } from '../../text/format.ts'
import { section, table, unbroken } from './markup.ts'

export const whereRowsSchema = z.array(
  z.object({
    backupId: z.string(),
    createdAt: z.string(),
    doubt: z.string().nullable(),
    tables: z
      .array(z.object({ table: z.string(), rows: z.number() }))
      .readonly()
      .nullable()
  })
)

/** Which of the latest backups holds how many rows of the tables that were asked for; `chosen` is the one of this run. */
export function whereRows(found: z.infer<typeof whereRowsSchema> | undefined, chosen: string | undefined): string {
  const names = [...new Set((found ?? []).flatMap(({ tables }) => (tables ?? []).map((one) => one.table)))]
  if (found === undefined || names.length === 0) return ''
  return section(
    'Where your rows are',
    'The latest backups, newest first. Write the id of the one that you want as <code>backup</code>.',
    table(
      ['Backup', ...names.map((name) => ({ title: inertCode(name, 120), align: 'right' as const })), ''],
      found.map(({ backupId, createdAt, doubt, tables }) => [
        `${unbroken(formatTime(new Date(createdAt)))}<br>${inertCode(backupId)}`,
        ...names.map((name) => {
          if (tables === null) return '?'
          const rows = tables.find((one) => one.table === name)?.rows
          return rows === undefined ? '–' : rows === 0 ? '**0**' : formatCount(rows)
        }),
        [...(backupId === chosen ? ['◂ this one'] : []), ...(doubt === null ? [] : [inert(doubt, 120)])].join('<br>')
      ])
    )
  )
}
