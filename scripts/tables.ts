/** The tables of README.md, made from action.yml and the error codes. Pure. */
import { z } from 'zod'
import type { ErrorEntry } from '../src/error-codes.ts'
import { fieldsSchema } from '../src/inputs/fields.ts'
import { commandNames } from '../src/inputs/input-definitions.ts'

export const actionSchema = z.strictObject({
  name: z.string(),
  description: z.string().max(125),
  author: z.string(),
  branding: z.strictObject({ icon: z.string(), color: z.string() }),
  inputs: z.record(
    z.string(),
    z.strictObject({ description: z.string(), default: z.string().optional(), required: z.boolean().optional() })
  ),
  outputs: z.record(z.string(), z.strictObject({ description: z.string() })),
  runs: z.strictObject({ using: z.literal('node24'), main: z.literal('dist/index.js') })
})
export type Action = z.output<typeof actionSchema>

/** Replaces what stands between `<!-- name:start -->` and `<!-- name:end -->`. */
export function withTable(text: string, name: string, table: string): string {
  const start = `<!-- ${name}:start -->`
  const end = `<!-- ${name}:end -->`
  const from = text.indexOf(start)
  const to = text.indexOf(end)
  if (from === -1 || to < from || text.indexOf(start, from + 1) !== -1 || text.indexOf(end, to + 1) !== -1) {
    throw new Error(`README.md must hold ${start} and ${end} once, in this order`)
  }
  return `${text.slice(0, from + start.length)}\n\n${table}\n\n${text.slice(to)}`
}

export function inputTable(action: Action): string {
  const rows = Object.entries(action.inputs).map(([name, input]) => [
    `\`${name}\``,
    commandsOf(name),
    input.default === undefined ? '' : `\`${input.default}\``,
    input.description
  ])
  return table(['input', 'for', 'default', 'meaning'], rows)
}

export function outputTable(action: Action): string {
  return table(
    ['output', 'meaning'],
    Object.entries(action.outputs).map(([name, output]) => [`\`${name}\``, output.description])
  )
}

/** The areas that the codes are grouped by, as in src/README.md. */
const areas: readonly (readonly [prefix: string, title: string])[] = [
  ['SB0', 'Inputs'],
  ['SB1', 'Connecting to the database'],
  ['SB2', 'Reading the database'],
  ['SB3', 'The machine and its programs'],
  ['SB4', 'Destinations'],
  ['SB5', 'Stored files and keys'],
  ['SB6', 'Verification'],
  ['SB7', 'Restore'],
  ['SB8', 'Storage, Edge Functions and settings'],
  ['SB9', 'History, checks and notifications']
]

/** docs/errors.md: every code under a heading of its own, so that `#sb104` leads to it. */
export function errorPage(codes: Readonly<Record<string, ErrorEntry>>): string {
  const sorted = Object.entries(codes).toSorted(([a], [b]) => (a < b ? -1 : 1))
  const sections = areas.map(([prefix, title]) => {
    const own = sorted.filter(([code]) => code.startsWith(prefix))
    return own.length === 0
      ? ''
      : `## ${title}\n\n${own
          .map(([code, entry]) => `### ${code}\n\n**${entry.title}.** ${entry.cause}\n\n*What to do:* ${entry.remedy}`)
          .join('\n\n')}`
  })
  return `${[
    '# Errors',
    `<!-- Made from src/error-codes.ts by \`npm run docs\`. -->`,
    'A run that fails says in its log and at the top of its summary what happened, why, and what to do, with one of these codes. The message there is about your run and knows more than this page, which has the code alone. A code never changes its meaning.',
    ...sections.filter((section) => section !== '')
  ].join('\n\n')}\n`
}

/** The commands that read an input, from the very schemas that read it. */
function commandsOf(name: string): string {
  if (name === 'command') return 'all'
  const readers = fieldsSchema.options
    .filter((option) => Object.hasOwn(option.shape, name))
    .map((option) => option.shape.command.value)
  return readers.length === commandNames.length
    ? 'all'
    : commandNames.filter((command) => readers.includes(command)).join(', ')
}

function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const line = (cells: readonly string[]) => `| ${cells.map(cell).join(' | ')} |`
  return [line(head), `|${head.map(() => '---').join('|')}|`, ...rows.map(line)].join('\n')
}

function cell(text: string): string {
  return text.replaceAll('|', '\\|').replace(/\s+/g, ' ')
}
