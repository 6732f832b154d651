import { z } from 'zod'
import type { Result } from '../result.ts'
import { inert, inertCode } from './escape.ts'
import { formatAge, formatCount, formatDuration, plural } from './format.ts'

const shown = 100

/** What the summary takes from the free part of a restore's result. */
const schema = z.object({
  mode: z.string(),
  dryRun: z.boolean(),
  target: z.array(z.string()),
  ageMs: z.number().optional(),
  rows: z.number().optional(),
  tables: z.array(z.object({ table: z.string(), rows: z.number() })).optional(),
  sideSchema: z.string().nullable().optional(),
  databaseMs: z.number().optional(),
  safetyBackupId: z.string().optional(),
  safetyProject: z.string().nullable().optional(),
  plan: z
    .object({
      objects: z.number(),
      tables: z.number(),
      rows: z.number(),
      dropped: z.array(z.string()),
      givenBack: z.array(z.string())
    })
    .optional(),
  comparison: z
    .array(
      z.object({
        table: z.string(),
        rowsInBackup: z.number(),
        rowsInTarget: z.number().nullable(),
        missing: z.number().nullable(),
        extra: z.number().nullable(),
        differing: z.number().nullable(),
        note: z.string().optional()
      })
    )
    .optional()
})

/** What a restore did or would do; what is left to do by hand, with the SQL; how to undo it. Empty for other commands. */
export function restoreBlock(result: Result): string {
  const parsed = schema.safeParse(result.restore)
  if (!parsed.success) return ''
  const { data } = parsed
  const failed = result.status === 'failed'
  const lines = [`### ${data.dryRun ? 'What the restore would do' : failed ? 'The restore' : 'What came back'}`, '']
  lines.push(
    `Target: ${data.target.map((name) => inertCode(name)).join(' = ')} · mode \`${inert(data.mode)}\`${data.ageMs === undefined ? '' : ` · the backup is ${formatAge(data.ageMs)} old`}`,
    ''
  )
  if (data.rows !== undefined)
    lines.push(
      `**${plural(data.rows, 'row')} of ${plural(data.tables?.length ?? 0, 'table')} came back** and were compared with the backup${data.databaseMs === undefined ? '' : `, in ${formatDuration(data.databaseMs)}`}.`,
      ''
    )
  else if (data.plan !== undefined)
    lines.push(
      `Planned: ${plural(data.plan.objects, 'object')}, ${plural(data.plan.rows, 'row')} of ${plural(data.plan.tables, 'table')}.${data.dryRun ? ' **Nothing was changed.**' : ''}`,
      ''
    )
  if (typeof data.sideSchema === 'string')
    lines.push(`The tables are in the schema ${inertCode(data.sideSchema)}, beside the live ones.`, '')
  if (data.plan !== undefined) {
    list(lines, data.dryRun ? 'Would be replaced' : 'Replaced', data.plan.dropped)
    list(lines, data.dryRun ? 'Would be given back afterwards' : 'Given back', data.plan.givenBack)
  }
  const differing = (data.comparison ?? []).filter(
    (table) => table.missing !== 0 || table.extra !== 0 || table.differing !== 0
  )
  if (data.comparison !== undefined) {
    const equal = data.comparison.length - differing.length
    if (equal > 0) lines.push(`${plural(equal, 'table')} equal those of the backup.`, '')
    if (differing.length > 0) {
      const number = (value: number | null) => (value === null ? '?' : formatCount(value))
      lines.push(
        '| Table | Rows in the backup | In the target | Missing there | Extra there | Different | |',
        '| --- | ---: | ---: | ---: | ---: | ---: | --- |',
        ...differing
          .slice(0, shown)
          .map(
            (one) =>
              `| ${inertCode(one.table, 120)} | ${formatCount(one.rowsInBackup)} | ${number(one.rowsInTarget)} | ${number(one.missing)} | ${number(one.extra)} | ${number(one.differing)} | ${inert(one.note ?? '', 200)} |`
          ),
        ''
      )
    }
  }
  const todo = (result.findings ?? []).filter((finding) => finding.kind === 'todo')
  if (todo.length > 0) {
    lines.push(`#### Left to do by hand: ${todo.length}`, '', '| Object | Why | Run this |', '| --- | --- | --- |')
    lines.push(
      ...todo
        .slice(0, shown)
        .map(
          (finding) =>
            `| ${inertCode(finding.subject, 120)} | ${inert(finding.detail, 240)} | ${finding.remedy === undefined ? '' : inertCode(finding.remedy, 400)} |`
        )
    )
    lines.push(
      ...(todo.length > shown
        ? ['', `and ${formatCount(todo.length - shown)} more in the file of the output \`result\``]
        : []),
      ''
    )
  }
  const notes = (result.findings ?? []).filter((finding) => finding.kind === 'note' || finding.kind === 'difference')
  list(
    lines,
    'Notes',
    notes.map((finding) => `${finding.subject}: ${finding.detail}`)
  )
  if (data.safetyBackupId !== undefined) {
    lines.push(
      failed
        ? 'The target is as it was. It had been kept before:'
        : 'To undo this restore, start another one with these inputs:',
      '',
      '```yaml',
      'command: restore',
      `backup: ${data.safetyBackupId}`,
      'restore-mode: replace',
      `confirm-target: same:${data.target[0]?.replace(/[^\w.:/-]/g, '?') ?? ''}`,
      '```'
    )
  }
  return lines.join('\n').trimEnd()
}

function list(lines: string[], title: string, items: readonly string[]): void {
  if (items.length === 0) return
  lines.push(
    `<details><summary>${title}: ${items.length}</summary>`,
    '',
    ...items.slice(0, shown).map((item) => `- ${inert(item, 300)}`),
    ...(items.length > shown ? [`- and ${items.length - shown} more`] : []),
    '',
    '</details>',
    ''
  )
}
