import { fieldsSchema } from '../inputs/fields.ts'
import {
  type CommandName,
  declaredInputs,
  type InputGroup,
  type InputName,
  inputGroups,
  inputNames
} from '../inputs/input-definitions.ts'
import { type CliCommand, cliCommands, isSecret, isSwitch, ownFlags, variableOf } from './arguments.ts'

const purposes: Readonly<Record<CliCommand, string>> = {
  backup: 'Back a project up, prove the backup by restoring it, and keep it.',
  verify: 'Prove a stored backup again.',
  restore: 'Bring a backup back, whole or in part; shows the plan first and asks.',
  list: 'Show the backups that are kept.',
  download: 'Fetch the files of a backup, opened where a key is given.',
  prune: 'Remove what the keep rules no longer keep.',
  delete: 'Remove one backup; asks for its id.',
  check: 'Fail when the newest backup is too old, or something else is wrong.',
  report: 'Write a page, JSON and CSV of what was made, missed, proven and restored in a period.',
  plan: 'Check a file of many projects.',
  show: 'Show what is inside a backup: tables with rows, buckets, functions, what is missing.',
  diff: 'Compare two backups, or a backup with a live database: objects, rows by table, files by bucket.'
}

/** The command of the action whose inputs one of this face takes. */
export function inputsLike(command: CliCommand): CommandName {
  return command === 'show' || command === 'diff' ? 'download' : command
}

/** The inputs that a command takes, in the order of their table. */
export function inputsFor(command: CliCommand): readonly InputName[] {
  const shape = fieldsSchema.options.find((option) => option.shape.command.value === inputsLike(command))?.shape
  return inputNames.filter((name) => name !== 'command' && shape !== undefined && Object.hasOwn(shape, name))
}

export function helpOfAll(): string {
  const width = Math.max(...cliCommands.map((name) => name.length)) + 2
  return `${[
    'Backs up a whole Supabase project, proves the backup by restoring it, and brings it back.',
    'Usage: supabase-backup <command> [--flag value]',
    `Commands:\n${cliCommands.map((name) => `  ${name.padEnd(width)}${purposes[name]}`).join('\n')}`,
    'Flags of a command: supabase-backup <command> --help',
    'Secrets are never taken from the command line: set the variable that the help names, give --<flag>-file the path of a file, or the flag alone to be asked.',
    'Exit code 0: complete. 1: everything else.'
  ].join('\n\n')}\n`
}

/** All that a command takes, by task. `width`: of the terminal. */
export function helpOf(command: CliCommand, width = 100): string {
  const names = inputsFor(command)
  const groups = Object.keys(inputGroups).filter((name): name is InputGroup => Object.hasOwn(inputGroups, name))
  const own = Object.entries(ownFlags)
    .filter(([name]) => (name !== 'local' || command === 'restore') && (name !== 'against' || command === 'diff'))
    .map(([name, text]) => flag(`--${name}${name === 'against' ? ' <id|live>' : ''}`, plain(text), width))
  const blocks = groups.flatMap((group) => {
    const inGroup = names.filter((name) => declaredInputs[name].group === group)
    return inGroup.length === 0
      ? []
      : [`${inputGroups[group]}:\n${inGroup.map((name) => flag(usage(name), describe(name), width)).join('\n')}`]
  })
  const id = ['verify', 'restore', 'download', 'delete', 'show'].includes(command)
    ? ' [id]'
    : command === 'diff'
      ? ' [id] [other id]'
      : ''
  return `${[`${purposes[command]}`, `Usage: supabase-backup ${command}${id} [--flag value]`, ...blocks, `This command:\n${own.join('\n')}`].join('\n\n')}\n`
}

function usage(name: InputName): string {
  if (isSecret(name)) return `--${name}, --${name}-file <path>`
  return isSwitch(name) ? `--${name} [true|false]` : `--${name} <value>`
}

function describe(name: InputName): string {
  const { doc, default: value } = declaredInputs[name]
  const notes = [
    ...(value === undefined ? [] : [`Default: ${value}.`]),
    ...(isSecret(name) ? [`Variable: ${variableOf(name)}.`] : [])
  ]
  return [plain(doc), ...notes].join(' ')
}

/** Markdown as plain words. */
function plain(text: string): string {
  return text.replaceAll('`', '').replace(/\[([^\]]+)\]\([^)]+\)/g, '$1')
}

function flag(head: string, text: string, width: number): string {
  const lines: string[] = []
  let line = ''
  for (const word of text.split(' ')) {
    if (line !== '' && line.length + word.length + 1 > Math.max(40, width - 6)) {
      lines.push(line)
      line = ''
    }
    line = line === '' ? word : `${line} ${word}`
  }
  return `  ${head}\n${[...lines, line].map((one) => `      ${one}`).join('\n')}`
}
