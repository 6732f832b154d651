import { z } from 'zod'
import { type ErrorCode, errorCodes } from '../error-codes.ts'
import { UserError } from '../errors.ts'
import { assemble } from './build-inputs.ts'
import type { Inputs } from './commands.ts'
import { fieldsSchema, refusalSentence } from './fields.ts'
import { commandNames, defaultOf, inputNames } from './input-definitions.ts'
import { collectProblems, type Problem, refusalOf } from './problems.ts'
import { refuseUndeclared } from './undeclared.ts'
import { oneOf } from './values.ts'

export type * from './commands.ts'
export { type NotifyInputs, readNotifyInputs } from './read-notify.ts'
export { secretsOf } from './secrets.ts'
export { namesGiven } from './undeclared.ts'

/**
 * Reads, parses and checks all inputs of the run, before any network call; nothing else reads them.
 *
 * @param get the text of an input by its name in action.yml, empty when it is not given.
 * @param names all that the runner handed over, also what action.yml does not declare.
 * @throws UserError SB001 to SB012, SB110, SB111: names every input that is wrong, its value (never that of a secret) and
 *   what is allowed, all at once.
 */
export function readInputs(get: (name: string) => string, names: readonly string[] = []): Inputs {
  refuseUndeclared(names)
  const given: Record<string, string | undefined> = {}
  for (const name of inputNames) {
    const text = get(name).trim()
    given[name] = text === '' ? undefined : text
  }
  const typedCommand = given['command'] ?? defaultOf('command')
  const command = oneOf(commandNames)(typedCommand)
  if (!command.ok) throw new UserError(command.code, refusalSentence('command', typedCommand, command.reason))

  const parsed = fieldsSchema.safeParse({ ...given, command: command.value })
  if (!parsed.success) throw refusalOf(issuesSchema.parse(parsed.error.issues))
  const problems = collectProblems()
  const inputs = assemble(parsed.data, problems)
  if (inputs === undefined || problems.found.length > 0) throw refusalOf(problems.found)
  const passphrase = get('passphrase')
  return 'passphrase' in inputs && passphrase.trim() !== passphrase
    ? { ...inputs, warnings: [...inputs.warnings, blanksAround] }
    : inputs
}

const blanksAround =
  'The passphrase has blanks or a line break at its beginning or end, which do not count: by hand, give it to `age` without them.'

/** Every issue is made by a field's own parser, with code and sentence; anything else is a bug. */
const issuesSchema = z.array(
  z
    .object({
      message: z.string(),
      params: z.object({
        code: z.custom<ErrorCode>((code) => typeof code === 'string' && Object.hasOwn(errorCodes, code))
      })
    })
    .transform(({ message, params }): Problem => ({ code: params.code, text: message }))
)
