import { runInNewContext } from 'node:vm'

/** What the expressions of a workflow may name; what is not there is an empty text, as at GitHub. */
export interface Contexts {
  readonly secrets?: Readonly<Record<string, string>>
  readonly vars?: Readonly<Record<string, string>>
  readonly inputs?: object
  readonly matrix?: object
  /** Outputs of the jobs before, by job. */
  readonly needs?: Readonly<Record<string, { readonly outputs: Readonly<Record<string, string>> }>>
}

/** A text of a workflow with its expressions filled in, as the runner does before it starts a step. */
export function fillIn(text: string, contexts: Contexts): string {
  return text.replaceAll(/\$\{\{ (.+?) \}\}/g, (_, expression: string) => evaluate(expression, contexts))
}

function evaluate(expression: string, contexts: Contexts): string {
  // Names with hyphens, as GitHub's expressions have them.
  const script = expression
    .replaceAll(/(?<![\w.])(inputs|secrets|vars)\.([\w-]+)/g, "($1['$2'] ?? '')")
    .replaceAll(/needs\.([\w-]+)\.outputs\.([\w-]+)/g, "(needs['$1']?.outputs['$2'] ?? '')")
    .replaceAll(/matrix\.secrets\.([\w-]+)/g, "(matrix['secrets']?.['$1'] ?? '')")
    .replaceAll(/matrix\.([\w-]+)/g, "(matrix['$1'] ?? '')")
  return String(
    runInNewContext(script, {
      secrets: {},
      vars: {},
      inputs: {},
      matrix: {},
      needs: {},
      ...contexts,
      startsWith: (text: string, start: string) => text.startsWith(start),
      endsWith: (text: string, end: string) => text.endsWith(end)
    }) ?? ''
  )
}
