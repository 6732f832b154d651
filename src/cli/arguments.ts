import { likeliest } from '../base/likeliest.ts'
import { UserError } from '../errors.ts'
import { commandNames, declaredInputs, type InputName, inputNames } from '../inputs/input-definitions.ts'

/** What the command can do besides the commands of the action. */
export const moreCommands = ['show', 'diff'] as const
export const cliCommands = [...commandNames, ...moreCommands] as const
export type CliCommand = (typeof cliCommands)[number]

/** Flags that are no inputs. */
export const ownFlags = {
  json: 'Print the result as JSON on standard output, and nothing else there.',
  local: 'Restore into what `supabase start` runs on this machine: its database and its Storage.',
  against: 'For `diff`: the other backup, or `live` for the database of `database-url`.',
  help: 'Show what a command takes.',
  version: 'Show the version.'
} as const
type OwnFlag = keyof typeof ownFlags

/** The words of a command line, checked for themselves. */
export interface Words {
  /** Undefined: nothing but flags was typed. */
  readonly command: CliCommand | undefined
  readonly values: ReadonlyMap<InputName, string>
  /** Inputs whose value is to be read from a file. */
  readonly files: ReadonlyMap<InputName, string>
  /** Secrets to be asked for. */
  readonly asked: readonly InputName[]
  readonly flags: ReadonlySet<OwnFlag>
  readonly against: string | undefined
}

export function isSecret(name: InputName): boolean {
  return declaredInputs[name].value === 'secret'
}

export function isSwitch(name: InputName): boolean {
  return ['true', 'false'].includes(declaredInputs[name].default ?? '')
}

/** The variable that an input is taken from. */
export function variableOf(name: InputName): string {
  return `SUPABASE_BACKUP_${name.toUpperCase().replaceAll('-', '_')}`
}

/**
 * Reads the words after the name of the program. No value of a secret is ever taken from here: others on the machine can read a command line.
 *
 * @throws UserError SB001, SB002, SB003 for a word that is not known, a value that is missing or one that does not belong here.
 */
export function readWords(words: readonly string[]): Words {
  const values = new Map<InputName, string>()
  const files = new Map<InputName, string>()
  const asked: InputName[] = []
  const flags = new Set<OwnFlag>()
  const places: string[] = []
  let against: string | undefined
  const rest = [...words]
  for (let word = rest.shift(); word !== undefined; word = rest.shift()) {
    if (word === '-h') flags.add('help')
    else if (!word.startsWith('--')) places.push(word)
    else {
      const [typed = '', inline] = cutAtEqualsSign(word.slice(2))
      const next = (): string | undefined => inline ?? (rest[0]?.startsWith('--') === false ? rest.shift() : undefined)
      if (typed === 'against') against = needed(typed, next())
      else if (isOwnFlag(typed)) flags.add(typed)
      else if (typed.endsWith('-file') && isInput(typed.slice(0, -5)))
        files.set(inputNamed(typed.slice(0, -5)), needed(typed, next()))
      else takeInput(inputNamed(typed), inline, rest, { values, asked })
    }
  }
  const command = commandOf(places)
  takePlaces(command, places.slice(1), values, (id) => {
    against ??= id
  })
  return { command, values, files, asked, flags, against }
}

function cutAtEqualsSign(word: string): [string, string?] {
  const at = word.indexOf('=')
  return at === -1 ? [word] : [word.slice(0, at), word.slice(at + 1)]
}

function takeInput(
  name: InputName,
  inline: string | undefined,
  rest: string[],
  found: { readonly values: Map<InputName, string>; readonly asked: InputName[] }
): void {
  const follows = rest[0] !== undefined && !rest[0].startsWith('--')
  if (isSecret(name)) {
    if (inline !== undefined || follows)
      throw new UserError('SB001', `\`--${name}\` takes no value: everybody on this machine can read a command line.`, {
        remedy: `Set the variable ${variableOf(name)}, or give \`--${name}-file\` the path of a file, or \`--${name}\` alone to be asked for it.`
      })
    found.asked.push(name)
    return
  }
  if (isSwitch(name)) {
    const isSaid = inline !== undefined || rest[0] === 'true' || rest[0] === 'false'
    found.values.set(name, isSaid ? (inline ?? rest.shift() ?? '') : 'true')
    return
  }
  const value = needed(name, inline ?? (follows ? rest.shift() : undefined))
  const before = found.values.get(name)
  // A list may be given item by item.
  found.values.set(name, before === undefined ? value : `${before}\n${value}`)
}

function needed(name: string, value: string | undefined): string {
  if (value === undefined) throw new UserError('SB003', `\`--${name}\` needs a value.`)
  return value
}

function isOwnFlag(name: string): name is OwnFlag {
  return Object.hasOwn(ownFlags, name)
}

function isInput(name: string): boolean {
  return inputNames.some((one) => one === name) && name !== 'command'
}

function inputNamed(typed: string): InputName {
  const found = inputNames.find((name) => name === typed && name !== 'command')
  if (found !== undefined) return found
  throw new UserError('SB001', `There is no flag \`--${shown(typed)}\`.${likely(typed, inputNames, '--')}`, {
    remedy: 'Run `supabase-backup <command> --help` to see them all.'
  })
}

function commandOf(places: readonly string[]): CliCommand | undefined {
  const [typed] = places
  if (typed === undefined) return undefined
  const found = cliCommands.find((name) => name === typed)
  if (found !== undefined) return found
  throw new UserError('SB001', `There is no command \`${shown(typed)}\`.${likely(typed, cliCommands, '')}`, {
    remedy: `Commands are ${cliCommands.join(', ')}.`
  })
}

/** Words without a flag name backups, as one would type it: `show <id>`, `diff <id> <other>`. */
function takePlaces(
  command: CliCommand | undefined,
  places: readonly string[],
  values: Map<InputName, string>,
  other: (id: string) => void
): void {
  const [first, second, ...more] = places
  if (first === undefined) return
  const takesOne = ['verify', 'restore', 'download', 'delete', 'show', 'diff'].includes(command ?? '')
  const surplus = takesOne ? (command === 'diff' ? more[0] : second) : first
  if (surplus !== undefined)
    throw new UserError('SB001', `The word \`${shown(surplus)}\` belongs to no flag.`, {
      remedy: `Run \`supabase-backup ${command ?? ''} --help\`.`
    })
  if (!values.has('backup')) values.set('backup', first)
  if (second !== undefined) other(second)
}

function shown(word: string): string {
  return word.length > 40 ? `${word.slice(0, 40)}...` : word
}

/** The name that was most likely meant. */
function likely(typed: string, names: readonly string[], before: string): string {
  const meant = likeliest(typed, names)
  return meant === undefined ? '' : ` Did you mean \`${before}${meant}\`?`
}
