import { existsSync, readFileSync } from 'node:fs'
import { UserError } from '../errors.ts'
import { declaredInputs, type InputName, inputNames } from '../inputs/input-definitions.ts'
import { isSecret, variableOf, type Words } from './arguments.ts'
import { inputsLike } from './help.ts'

/** What inputs are made of besides the words themselves. */
export interface Surroundings {
  readonly env: Readonly<Record<string, string | undefined>>
  /** Asks for a secret without showing it; undefined where nobody sits there. */
  readonly ask: ((question: string) => Promise<string>) | undefined
  /** The token of a login on this machine, where there is one. */
  readonly githubToken: () => string | undefined
}

/** The texts of all inputs: flags first, then files, answers, variables, and what follows from the others. */
export async function inputTexts(words: Words, around: Surroundings): Promise<Map<InputName, string>> {
  const texts = new Map<InputName, string>()
  for (const name of inputNames) {
    const variable = around.env[variableOf(name)]
    if (variable !== undefined && variable.trim() !== '') texts.set(name, variable)
  }
  for (const [name, path] of words.files) texts.set(name, readInputFile(name, path))
  for (const [name, value] of words.values) texts.set(name, value)
  for (const name of words.asked) {
    if (words.files.has(name)) continue
    if (around.ask === undefined)
      throw new UserError('SB003', `\`--${name}\` is to be asked for, and nobody sits at a terminal.`, {
        remedy: `Set the variable ${variableOf(name)}, or give \`--${name}-file\`.`
      })
    texts.set(name, await around.ask(`${name}: `))
  }
  if (words.command !== undefined) texts.set('command', inputsLike(words.command))
  if (!texts.has('destinations')) texts.set('destinations', placeOf(texts, words))
  const isAtGithub = /release|repository|artifact/.test(texts.get('destinations') ?? '')
  if (isAtGithub && !texts.has('token')) {
    const token = around.env['GH_TOKEN'] ?? around.env['GITHUB_TOKEN'] ?? around.githubToken()
    if (token !== undefined && token !== '') texts.set('token', token)
  }
  return texts
}

/** Where backups are, where that follows from what was given. */
function placeOf(texts: ReadonlyMap<InputName, string>, words: Words): string {
  const given = [...(texts.has('folder') ? ['folder'] : []), ...(texts.has('s3-bucket') ? ['s3'] : [])]
  const [place, ...more] = given
  if (place !== undefined && more.length === 0) return place
  if (words.command === 'plan') return declaredInputs.destinations.default ?? ''
  throw new UserError('SB003', 'It is not said where the backups are.', {
    remedy: 'Give `--folder <path>`, `--s3-bucket <name>`, or `--destinations release --repository <owner/name>`.'
  })
}

function readInputFile(name: InputName, path: string): string {
  if (!existsSync(path)) throw new UserError('SB001', `The file of \`--${name}-file\` is not there.`)
  try {
    return readFileSync(path, 'utf8')
  } catch (cause) {
    throw new UserError('SB001', `The file of \`--${name}-file\` cannot be read.`, { cause })
  }
}

/** Inputs that a command line may hold, for completeness in tests: everything but secrets. */
export function mayBeTyped(name: InputName): boolean {
  return name !== 'command' && !isSecret(name)
}
