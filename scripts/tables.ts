/** The tables of README.md, made from action.yml and the error codes. Pure. */
import { z } from 'zod'
import type { ErrorEntry } from '../src/error-codes.ts'
import { commandNames } from '../src/inputs/declared.ts'
import { fieldsSchema } from '../src/inputs/fields.ts'

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

export function errorTable(codes: Readonly<Record<string, ErrorEntry>>): string {
  const rows = Object.entries(codes)
    .toSorted(([a], [b]) => (a < b ? -1 : 1))
    .map(([code, entry]) => [`\`${code}\``, entry.title, entry.cause, entry.remedy])
  return table(['code', 'what happened', 'why', 'what to do'], rows)
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
