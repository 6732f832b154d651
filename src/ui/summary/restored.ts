import { z } from 'zod'
import { sourceNames } from '../../archive/parts.ts'
import type { Result } from '../../result.ts'
import { inert, inertCode } from '../../text/escape.ts'
import { formatAge, formatCount, formatDuration, plural } from '../../text/format.ts'
import { codeBlock, details, joined, leftOut, list, prose, section, table } from './markup.ts'
import { whereRows, whereRowsSchema } from './where-rows.ts'

const mostShown = 100
/** Characters. */
const longestStatement = 4_000

/** What the summary takes from the free part of a restore's result. */
const schema = z.object({
  mode: z.string(),
  dryRun: z.boolean(),
  target: z.array(z.string()),
  ageMs: z.number().optional(),
  rows: z.number().optional(),
  tables: z.array(z.object({ table: z.string(), rows: z.number() })).optional(),
  sideSchema: z.string().nullable().optional(),
  selection: z.object({ schemas: z.array(z.string()), tables: z.array(z.string()) }).optional(),
  databaseMs: z.number().optional(),
  safetyBackupId: z.string().optional(),
  safetyProject: z.string().nullable().optional(),
  /** The target is the source of the backup. */
  toItself: z.boolean().optional(),
  parts: z
    .array(
      z.object({
        source: z.enum(sourceNames),
        status: z.enum(['restored', 'unequal', 'stopped', 'notBegun']),
        reason: z.string().optional()
      })
    )
    .optional(),
  plan: z
    .object({
      objects: z.number(),
      tables: z.number(),
      rows: z.number(),
      dropped: z.array(z.string()),
      givenBack: z.array(z.string())
    })
    .optional(),
  whereRowsAre: whereRowsSchema.optional(),
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

export type Restored = z.infer<typeof schema>

/** The part of the result that only a restore has; undefined for other commands. */
export function restored(result: Result): Restored | undefined {
  const parsed = schema.safeParse(result.restore)
  return parsed.success ? parsed.data : undefined
}

/** What a restore did or would do; what is left to do by hand, with the SQL; how to undo it. Empty for other commands. */
export function restoreBlock(result: Result): string {
  const data = restored(result)
  if (data === undefined) return ''
  const failed = result.status === 'failed'
  const done = data.rows !== undefined
  const findings = result.findings ?? []
  const notes = findings.filter((finding) => finding.kind === 'note' || finding.kind === 'notProven')
  return joined([
    section(
      data.dryRun ? 'What the restore would do' : failed ? 'The restore' : 'What came back',
      `Target: ${data.target.map((name) => inertCode(name)).join(' = ')} · mode <code>${inert(data.mode)}</code>${data.ageMs === undefined ? '' : ` · the backup is ${formatAge(data.ageMs)} old`}`,
      outcome(data),
      partsOf(data),
      differences(result),
      comparison(data),
      details(
        `${data.dryRun ? 'Would be replaced' : done ? 'Replaced' : 'Was to be replaced'}: ${data.plan?.dropped.length ?? 0}`,
        named(data.plan?.dropped ?? [])
      ),
      details(
        `${data.dryRun ? 'Would be given back afterwards' : done ? 'Given back' : 'Was to be given back'}: ${data.plan?.givenBack.length ?? 0}`,
        named(data.plan?.givenBack ?? [])
      )
    ),
    whereRows(data.whereRowsAre, result.backup?.id),
    byHand(result),
    details(
      `Notes: ${notes.length}`,
      named(
        notes.map(
          ({ subject, detail, remedy }) => `${subject}: ${detail}${remedy === undefined ? '' : ` · SQL: ${remedy}`}`
        )
      )
    ),
    toFinish(data, result),
    undo(data, result)
  ])
}

const statusWords = {
  restored: '✅ came back',
  unequal: '❌ came back, and is not what the backup says',
  stopped: '❌ stopped before its end; what had come in by then stays',
  notBegun: '❌ was not begun'
} as const

/** One line a part, where there is more than the database. */
function partsOf({ parts = [] }: Restored): string {
  if (!parts.some(({ source }) => source !== 'database')) return ''
  return table(
    ['Part', 'What became of it'],
    parts.map(({ source, status, reason }) => [
      inertCode(source),
      `${statusWords[status]}${reason === undefined ? '' : `: ${prose(reason, 300)}`}`
    ])
  )
}

/** How the parts that did not come back are brought back without the others. */
function toFinish({ parts = [], target, toItself }: Restored, { backup }: Result): string {
  const open = parts.filter(({ source, status }) => source !== 'database' && status !== 'restored')
  if (open.length === 0 || backup === undefined) return ''
  const database = parts.some(({ source }) => source === 'database')
  return section(
    'To finish this restore',
    `${database ? 'The database stays restored, and is' : 'The other parts stay, and are'} not touched by another restore with these inputs, beside the credentials of the target; it goes on where this one ended:`,
    codeBlock(
      'yaml',
      [
        'command: restore',
        `backup: ${backup.id.replace(/[^\w-]/g, '?')}`,
        `include: ${open.map(({ source }) => source).join(', ')}`,
        `confirm-target: ${toItself === true ? 'same:' : ''}${target[0]?.replace(/[^\w.:/-]/g, '?') ?? ''}`
      ].join('\n')
    )
  )
}

function outcome(data: Restored): string {
  const beside =
    typeof data.sideSchema === 'string'
      ? ` The tables are in the schema ${inertCode(data.sideSchema)}, beside the live ones.`
      : ''
  if (data.rows !== undefined) {
    const time = data.databaseMs === undefined ? '' : `, in ${formatDuration(data.databaseMs)}`
    return `**${plural(data.rows, 'row')} of ${plural(data.tables?.length ?? 0, 'table')} came back** and were compared with the backup${time}.${beside}`
  }
  if (data.plan === undefined) return ''
  return `Planned: ${plural(data.plan.objects, 'object')}, ${plural(data.plan.rows, 'row')} of ${plural(data.plan.tables, 'table')}.${data.dryRun ? ' **Nothing was changed.**' : ''}${beside}`
}

/** What came back, but not equal. */
function differences(result: Result): string {
  const found = (result.findings ?? []).filter((finding) => finding.kind === 'difference')
  return list(
    found.map((finding) => `❌ ${inertCode(finding.subject, 120)}: ${prose(finding.detail, 300)}`),
    mostShown
  )
}

function comparison(data: Restored): string {
  if (data.comparison === undefined) return ''
  const differing = data.comparison.filter((one) => one.missing !== 0 || one.extra !== 0 || one.differing !== 0)
  const equal = data.comparison.length - differing.length
  const replaces = data.mode === 'replace'
  const lost = replaces ? differing.reduce((sum, { extra }) => sum + (extra ?? 0), 0) : 0
  const number = (value: number | null) => (value === null ? '?' : formatCount(value))
  const right = (title: string) => ({ title, align: 'right' as const })
  return joined([
    equal > 0 ? `${plural(equal, 'table')} ${equal === 1 ? 'equals that' : 'equal those'} of the backup.` : '',
    lost === 0
      ? ''
      : `❌ **${plural(lost, 'row')} that only the target has would be lost**: they came after the backup, and \`replace\` does not keep them. \`restore-mode: missing-rows\` adds what is missing and keeps them.`.replaceAll(
          /`([^`]+)`/g,
          '<code>$1</code>'
        ),
    table(
      [
        'Table',
        right('Rows in the backup'),
        right('In the target'),
        right('Missing there'),
        right(replaces ? 'Would be lost' : 'Extra there'),
        right('Different'),
        ''
      ],
      differing
        .slice(0, mostShown)
        .map((one) => [
          inertCode(one.table, 120),
          formatCount(one.rowsInBackup),
          number(one.rowsInTarget),
          number(one.missing),
          number(one.extra),
          number(one.differing),
          inert(one.note ?? '', 200)
        ])
    ),
    leftOut(differing.length, mostShown)
  ])
}

function byHand(result: Result): string {
  const todo = (result.findings ?? []).filter((finding) => finding.kind === 'todo')
  return section(
    `Left to do by hand: ${todo.length}`,
    table(
      ['Object', 'Why', 'Run this'],
      todo
        .slice(0, mostShown)
        .map((finding) => [
          inertCode(finding.subject, 120),
          prose(finding.detail, 240),
          finding.remedy === undefined ? '' : inertCode(finding.remedy, 400)
        ])
    ),
    leftOut(todo.length, mostShown),
    statements(todo)
  )
}

/** What a table cell cannot hold: SQL with all its lines and characters, to be copied whole. */
function statements(todo: NonNullable<Result['findings']>): string {
  const sql = todo.flatMap(({ remedy }) => (remedy !== undefined && /;\s*$/.test(remedy) ? [remedy.trim()] : []))
  const shown = sql.slice(0, mostShown).filter((one) => one.length <= longestStatement)
  return details(
    `The SQL of them, to copy: ${plural(shown.length, 'statement')}`,
    shown.length === 0 ? '' : codeBlock('sql', shown.join('\n\n')),
    shown.length === sql.length ? '' : 'The others are in the file of the output <code>result</code>.'
  )
}

function named(items: readonly string[]): string {
  return list(
    items.map((item) => prose(item, 300)),
    mostShown
  )
}

/** How the target can be had back as it was: what the restore did is taken back, and nothing else. */
function undo(data: Restored, result: Result): string {
  if (typeof data.sideSchema === 'string')
    return section(
      'To undo this restore',
      'Everything lies in a schema of its own: dropping that takes it back, and nothing else was changed.',
      codeBlock('sql', `drop schema "${data.sideSchema.replaceAll('"', '""')}" cascade;`)
    )
  if (data.safetyBackupId === undefined) return ''
  const unfinished = result.status === 'failed' && data.rows === undefined
  const narrowed = unfinished ? [] : narrowing(data)
  const meanwhile =
    narrowed.length > 0
      ? 'It takes back the tables of this restore and no others. Rows that were written into them since would be lost: <code>dry-run: true</code> counts them.'
      : 'It takes the whole database back. Rows that were written since would be lost: <code>dry-run: true</code> counts them.'
  return section(
    unfinished ? 'The target is kept' : 'To undo this restore',
    unfinished
      ? afterFailure(data, result.error?.code)
      : data.parts?.some(({ source, status }) => source !== 'database' && status !== 'notBegun') === true
        ? `The database of the target was backed up first. Start another restore with these inputs to have it back. ${meanwhile} What came into the other parts is in no such copy, and stays:`
        : `The target was backed up first. Start another restore with these inputs to have it back. ${meanwhile}`,
    codeBlock(
      'yaml',
      [
        'command: restore',
        `backup: ${data.safetyBackupId.replace(/[^\w-]/g, '?')}`,
        'restore-mode: replace',
        ...narrowed,
        `confirm-target: same:${data.target[0]?.replace(/[^\w.:/-]/g, '?') ?? ''}`
      ].join('\n')
    )
  )
}

/** The inputs that narrow an undo to what was restored; none where that was everything. */
function narrowing({ mode, selection, tables = [] }: Restored): string[] {
  const line = (input: string, names: readonly string[]) => [
    `${input}: ${names.map((name) => name.replaceAll(/[\r\n]+/g, ' ')).join(', ')}`
  ]
  if (selection !== undefined && selection.tables.length > 0) return line('tables', selection.tables)
  // Only rows came in: what they came into is known.
  if (mode === 'missing-rows') {
    const filled = tables.filter(({ rows }) => rows > 0).map(({ table }) => table)
    if (filled.length > 0) return line('tables', filled)
  }
  return selection !== undefined && selection.schemas.length > 0 ? line('schemas', selection.schemas) : []
}

/** What is known of a target into which the database did not come back. Nearly always nothing happened to it; where that is not sure, it is not said. */
function afterFailure(data: Restored, code: string | undefined): string {
  const takenBack = 'the next restore with <code>restore-mode: empty</code> takes that back before it begins'
  if (code === 'SB719')
    return `**The target holds a part of the backup**: ${takenBack}. As it was before, it is kept; afterwards these inputs bring it back:`
  if (code === 'SB712')
    return '**Whether the restore came to its end is not known**: the target holds all of it or nothing. As it was before, it is kept; should it be needed:'
  if (code === 'SB301' && data.mode === 'empty')
    return `The run was cancelled. The target is as it was, or, where the backup comes in several transactions, holds a part of it: ${takenBack}. It had been kept before; should it be needed:`
  return 'The target is as it was. It had been kept before; should it be needed:'
}
