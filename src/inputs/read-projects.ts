import { type Document, isMap, isNode, isScalar, LineCounter, parseDocument } from 'yaml'
import type { z } from 'zod'
import { UserError } from '../errors.ts'
import { fieldsSchema } from './fields.ts'
import { declaredInputs } from './input-definitions.ts'
import { projectInputs, projectsFileSchema } from './projects-file.ts'

/** One project of the file, with what `defaults` say for it. */
export interface PlannedProject {
  /** The label, in lower case. */
  readonly project: string
  /** Inputs of the action as texts; lists as lines. */
  readonly inputs: Readonly<Record<string, string>>
  /** Input -> name of a secret. */
  readonly secrets: Readonly<Record<string, string>>
  readonly priority: number | undefined
  readonly enabled: boolean
}

/** Something wrong in the file: where, and a sentence without the value, which may be a secret put there by mistake. */
interface Fault {
  readonly path: readonly PropertyKey[]
  readonly text: string
  /** The position of the key itself is meant, not that of its value. */
  readonly key?: string
}

const mostShown = 20

/**
 * Reads the projects file. Values are checked by the very parsers that read the inputs later.
 *
 * @param name how the file is called in messages.
 * @throws UserError SB922 that names every fault with line and column; never a value.
 */
export function readProjects(text: string, name: string): readonly PlannedProject[] {
  const lines = new LineCounter()
  const document = documentOf(text, lines, name)
  const at = (offset: number): string => {
    const { line, col } = lines.linePos(offset)
    return `line ${line}, column ${col}`
  }
  const broken = document.errors.map((error) => `${at(error.pos[0])}: it is no valid YAML (${error.code})`)
  if (broken.length > 0) throw refusal(name, broken)
  const data = dataOf(document, name)
  const shape = projectsFileSchema.safeParse(data)
  if (!shape.success) {
    throw refusal(
      name,
      faultsOf(shape.error).map((fault) => `${at(offsetOf(document, fault))}: ${fault.text}`)
    )
  }
  const { defaults = {}, projects } = shape.data
  const faults = [
    ...wrongValues(defaults, ['defaults']),
    ...projects.flatMap((entry, index) => wrongValues(entry, ['projects', index])),
    ...sameLabels(projects.map((entry) => entry.project.toLowerCase()))
  ]
  if (faults.length > 0)
    throw refusal(
      name,
      faults.map((fault) => `${at(offsetOf(document, fault))}: ${fault.text}`)
    )
  return projects.map((entry) => planned(entry, defaults))
}

function documentOf(text: string, lineCounter: LineCounter, name: string): Document.Parsed {
  try {
    // The library's own messages would quote lines of the file.
    return parseDocument(text, { lineCounter, prettyErrors: false, stringKeys: true })
    /* v8 ignore start -- the library's parser calls itself once a level, and names too many of them itself since 2.9; for what it may miss */
  } catch (thrown) {
    if (!(thrown instanceof RangeError)) throw thrown
    throw new UserError('SB922', `${name} cannot be read: it is nested too deeply.`, { cause: thrown })
  }
  /* v8 ignore stop */
}

function dataOf(document: Document.Parsed, name: string): unknown {
  try {
    return document.toJS({ maxAliasCount: 100 })
  } catch (thrown) {
    // Aliases that unfold to more than anybody writes.
    throw new UserError('SB922', `${name} cannot be read: it uses too many aliases.`, { cause: thrown })
  }
}

function refusal(name: string, faults: readonly string[]): UserError {
  const shown = faults.slice(0, mostShown)
  const more = faults.length - shown.length
  return new UserError('SB922', `${name}: ${shown.join('; ')}${more > 0 ? `; and ${more} more` : ''}.`)
}

function faultsOf(error: z.ZodError): Fault[] {
  return error.issues.flatMap((issue) => {
    if (issue.code === 'unrecognized_keys') return issue.keys.map((key) => unknownKey(issue.path, key))
    const last = issue.path.at(-1)
    const what = typeof last === 'string' ? `\`${last}\`: ` : ''
    const missing = issue.code === 'invalid_type' && issue.path.at(-1) === 'project' && issue.path.length === 3
    return [
      {
        path: issue.path,
        text: `${what}${missing ? 'every project needs its label; ' : ''}${lowerFirst(issue.message)}`
      }
    ]
  })
}

function unknownKey(path: readonly PropertyKey[], key: string): Fault {
  const name = projectInputs.find((one) => one === key)
  if (path.length > 0 && name !== undefined && declaredInputs[name].value === 'secret') {
    return { path, key, text: `\`${key}\` is a secret: give the name of one under \`secrets:\`, never its value` }
  }
  return { path, key, text: `\`${key.slice(0, 60)}\` is not known here` }
}

/** Values that the action would refuse later, each in a job of its own. */
function wrongValues(settings: Readonly<Record<string, unknown>>, path: readonly PropertyKey[]): Fault[] {
  return projectInputs.flatMap((name) => {
    const text = textOf(settings[name])
    const issues = text === undefined ? [] : (parsers.get(name)?.safeParse(text).error?.issues ?? [])
    return issues.map((issue) => ({ path: [...path, name], text: dropEnd(issue.message) }))
  })
}

/** The parser of each input, as the first command that reads it has it. */
const parsers: ReadonlyMap<string, z.ZodType> = new Map(
  fieldsSchema.options.toReversed().flatMap(({ shape }) => Object.entries(shape))
)

function sameLabels(labels: readonly string[]): Fault[] {
  return labels.flatMap((label, index) =>
    labels.indexOf(label) === index
      ? []
      : [{ path: ['projects', index, 'project'], text: `\`project\`: there is another project ${label}` }]
  )
}

function planned(
  entry: Readonly<Record<string, unknown>>,
  defaults: Readonly<Record<string, unknown>>
): PlannedProject {
  const inputs: Record<string, string> = {}
  const secrets: Record<string, string> = {}
  for (const layer of [defaults, entry]) {
    const named: unknown = layer['secrets']
    for (const name of projectInputs) {
      const text = textOf(layer[name])
      const secret: unknown = typeof named === 'object' && named !== null ? Reflect.get(named, name) : undefined
      // What an entry says replaces the default, be it a value or a secret.
      if (text !== undefined) {
        inputs[name] = text
        delete secrets[name]
      }
      if (typeof secret === 'string') {
        secrets[name] = secret
        delete inputs[name]
      }
    }
  }
  const pick = (key: string): unknown => entry[key] ?? defaults[key]
  const priority = pick('priority')
  return {
    project: String(entry['project']).toLowerCase(),
    inputs,
    secrets,
    priority: typeof priority === 'number' ? priority : undefined,
    enabled: pick('enabled') !== false
  }
}

/** The text of an input: lists as lines. Undefined for what is not given. */
function textOf(value: unknown): string | undefined {
  if (Array.isArray(value)) return value.map(String).join('\n')
  return value === undefined ? undefined : String(value)
}

/** Where a fault lies in the text, as near as there is something: the key, the value, else what it is missing in. */
function offsetOf(document: Document.Parsed, fault: Fault): number {
  for (let length = fault.path.length; length >= 0; length -= 1) {
    const node = length === 0 ? document.contents : document.getIn(fault.path.slice(0, length), true)
    const keys = length === fault.path.length && isMap(node) ? node.items.map((item) => item.key) : []
    const start = startOf(keys.find((key) => isScalar(key) && key.value === fault.key) ?? node)
    if (start !== undefined) return start
  }
  return 0
}

function startOf(node: unknown): number | undefined {
  return isNode(node) ? node.range?.[0] : undefined
}

function lowerFirst(text: string): string {
  return dropEnd(text.charAt(0).toLowerCase() + text.slice(1))
}

function dropEnd(text: string): string {
  return text.replace(/\.$/, '')
}
