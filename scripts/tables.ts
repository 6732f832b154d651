/** What is made from the table of inputs, action.yml's outputs and the error codes: texts of action.yml, README.md and docs/. Pure. */
import { z } from 'zod'
import type { ErrorEntry } from '../src/error-codes.ts'
import { fieldsSchema } from '../src/inputs/fields.ts'
import {
  commandNames,
  declaredInputs,
  type InputGroup,
  type InputName,
  inputGroups,
  inputNames
} from '../src/inputs/input-definitions.ts'

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

/** action.yml with its inputs as the table says them, a comment before each group. */
export function withInputs(text: string): string {
  const start = text.indexOf('\ninputs:\n') + '\ninputs:\n'.length
  const end = text.indexOf('\noutputs:\n')
  if (start < '\ninputs:\n'.length || end < start) throw new Error('action.yml must hold inputs and then outputs')
  const groups = groupNames.map((group) => `  # ${inputGroups[group]}\n${inputsOf(group).map(declaration).join('')}`)
  return `${text.slice(0, start)}${groups.join('\n')}${text.slice(end)}`
}

const groupNames = Object.keys(inputGroups).filter((name): name is InputGroup => Object.hasOwn(inputGroups, name))

function inputsOf(group: InputGroup): InputName[] {
  return inputNames.filter((name) => declaredInputs[name].group === group)
}

function declaration(name: InputName): string {
  const { doc } = declaredInputs[name]
  const value = defaultText(name)
  const lines = [`  ${name}:`, `    description: ${quoted(doc)}`]
  if (value !== undefined)
    lines.push(
      `    default: ${/^[A-Za-z$][^#]*$/.test(value) && !/^(?:true|false)$/.test(value) ? value : quoted(value)}`
    )
  return `${lines.join('\n')}\n`
}

/** The default as a workflow sees it: the token's comes from the runner. */
function defaultText(name: InputName): string | undefined {
  return name === 'token' ? `\${{ github.token }}` : declaredInputs[name].default
}

function quoted(text: string): string {
  return `'${text.replaceAll("'", "''")}'`
}

/** docs/inputs.md: every input under its task, and the outputs. */
export function inputPage(action: Action): string {
  return `${[
    '# Inputs and outputs',
    '<!-- Made from src/inputs/input-definitions.ts and action.yml by `npm run docs`. -->',
    'Lists take commas or new lines. Durations are written `90s`, `30m`, `26h`, `30d`, `12w`; sizes `500MB`, `2GiB`. An empty text means "not given". A name that is not here is refused before anything else.',
    ...groupNames.map((group) => `## ${inputGroups[group]}\n\n${inputTable(inputsOf(group))}`),
    `## Outputs\n\nOutputs are written when the run fails, too.\n\n${outputTable(action)}`
  ].join('\n\n')}\n`
}

/** The inputs that most workflows need. */
export function coreTable(): string {
  return inputTable(inputNames.filter((name) => declaredInputs[name].core === true))
}

export function inputTable(names: readonly InputName[]): string {
  const rows = names.map((name) => {
    const value = defaultText(name)
    return [`\`${name}\``, commandsOf(name), value === undefined ? '' : `\`${value}\``, declaredInputs[name].doc]
  })
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
