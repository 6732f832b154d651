import type { ErrorCode } from '../error-codes.ts'
import { UserError } from '../errors.ts'

/** One thing that is wrong with the inputs. */
export interface Problem {
  readonly code: ErrorCode
  /** A whole sentence, without the value of a secret. */
  readonly text: string
}

/** Collects problems, so that a person sees all of them in one run. */
export interface Problems {
  add(code: ErrorCode, text: string): void
  readonly found: readonly Problem[]
}

export function collectProblems(): Problems {
  const found: Problem[] = []
  return {
    found,
    add(code, text) {
      if (!found.some((problem) => problem.text === text)) found.push({ code, text })
    }
  }
}

/** One UserError for all problems, under the code of the first. Throws (a bug) when there is none. */
export function refusalOf(problems: readonly Problem[]): UserError {
  const [first, ...rest] = problems
  if (first === undefined) throw new Error('Inputs were refused without a reason')
  if (rest.length === 0) return new UserError(first.code, first.text)
  const lines = problems.map((problem) => `- ${problem.text} (${problem.code})`)
  return new UserError(first.code, `${problems.length} things are wrong with the inputs:\n${lines.join('\n')}`, {
    remedy: 'Change the inputs as the lines say.'
  })
}
