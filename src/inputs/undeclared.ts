import { likeliest } from '../base/likeliest.ts'
import { UserError } from '../errors.ts'
import { inputNames } from './input-definitions.ts'

/** Inputs that earlier versions had, and what became of them. */
const gone: Readonly<Record<string, string>> = {
  status: '`list` shows all backups; the dashboard filters them',
  verified: '`list` shows all backups; the dashboard filters them',
  until: '`list` takes `since` alone; the dashboard filters further',
  text: '`list` shows all backups; the dashboard searches them',
  sort: '`list` shows the newest first; the dashboard sorts them'
}

/** Names of the inputs that the runner hands over: those of action.yml and whatever else the workflow gave. */
export function namesGiven(environment: Readonly<Record<string, string | undefined>>): string[] {
  return Object.keys(environment)
    .filter((name) => name.startsWith('INPUT_'))
    .map((name) => name.slice('INPUT_'.length).toLowerCase())
}

/**
 * Refuses inputs that action.yml does not declare. The runner only warns of them and goes on, so that a rule or a place that is misspelt would silently be none.
 *
 * @throws UserError SB011 naming each with the one that was most likely meant.
 */
export function refuseUndeclared(names: readonly string[]): void {
  const known: readonly string[] = inputNames
  const unknown = names.filter((name) => !known.includes(name))
  if (unknown.length === 0) return
  const words = unknown.slice(0, 10).map((name) => {
    const shown = `\`${name.slice(0, 60)}\``
    if (Object.hasOwn(gone, name)) return `${shown} is no input any more: ${gone[name]}.`
    const meant = likeliest(name.replaceAll('_', '-'), known)
    return meant === undefined
      ? `${shown} is no input of this action.`
      : `${shown} is no input: did you mean \`${meant}\`?`
  })
  throw new UserError('SB012', words.join(' '))
}
