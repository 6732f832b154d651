import { type ErrorCode, errorCodes } from './error-codes.ts'
import { UserError } from './errors.ts'
import { assemble } from './inputs/assemble.ts'
import type { Inputs } from './inputs/commands.ts'
import { commandNames, declaredInputs, inputNames } from './inputs/declared.ts'
import { fieldsSchema, refusalSentence } from './inputs/fields.ts'
import { collectProblems, type Problem, throwProblems } from './inputs/problems.ts'
import { oneOf } from './inputs/values.ts'

export type * from './inputs/commands.ts'
export { type NotifyInputs, readNotifyInputs } from './inputs/read-notify.ts'
export { secretsOf } from './inputs/secrets.ts'

/**
 * Reads, parses and checks all inputs of the run, before any network call; nothing else reads them.
 *
 * @param get the text of an input by its name in action.yml, empty when it is not given.
 * @throws UserError SB001 to SB011, SB110, SB111: names every input that is wrong, its value (never that of a secret) and
 *   what is allowed, all at once.
 */
export function readInputs(get: (name: string) => string): Inputs {
  const given: Record<string, string | undefined> = {}
  for (const name of inputNames) {
    const text = get(name).trim()
    given[name] = text === '' ? undefined : text
  }
  const typedCommand = given['command'] ?? declaredInputs.command.default ?? ''
  const command = oneOf(commandNames)(typedCommand)
  if (!command.ok) throw new UserError(command.code, refusalSentence('command', typedCommand, command.reason))

  const parsed = fieldsSchema.safeParse({ ...given, command: command.value })
  if (!parsed.success) throwProblems(parsed.error.issues.map(problemOf))
  const problems = collectProblems()
  const inputs = parsed.data === undefined ? undefined : assemble(parsed.data, problems)
  throwProblems(problems.found)
  if (inputs === undefined) throw new Error('Inputs were refused without a reason')
  return inputs
}

/** Every issue is made by a field's own parser, with code and sentence. */
function problemOf(issue: { readonly message: string; readonly code?: string; readonly params?: unknown }): Problem {
  const { params } = issue
  const code = typeof params === 'object' && params !== null && 'code' in params ? params.code : undefined
  return { code: isErrorCode(code) ? code : 'SB001', text: issue.message }
}

function isErrorCode(code: unknown): code is ErrorCode {
  return typeof code === 'string' && Object.hasOwn(errorCodes, code)
}
