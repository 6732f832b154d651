import { readFileSync } from 'node:fs'
import { Ajv, type ValidateFunction } from 'ajv'

type Schema = boolean | null | { readonly [key: string]: unknown }

interface Slice {
  readonly operations: Readonly<
    Record<string, { readonly request?: Schema; readonly responses: Readonly<Record<string, Schema>> }>
  >
  readonly schemas: Readonly<Record<string, Record<string, unknown>>>
}

// Made by scripts/slice-openapi.ts from GitHub's own OpenAPI description.
const slice: Slice = JSON.parse(readFileSync(new URL('openapi-slice.json', import.meta.url), 'utf8'))

// The schema names only `uploaded` and `open`; the prose of the same description tells of `starter`.
const assetState = Object(slice.schemas['release-asset']?.['properties'])['state']
assetState.enum = ['uploaded', 'open', 'starter']
// No null stands here either; where a fork is gone, GitHub has no id to give.
const artifactRun = Object(slice.schemas['artifact']?.['properties'])['workflow_run'].anyOf[0].properties
artifactRun.head_repository_id = { type: ['integer', 'null'] }

const ajv = new Ajv({ strict: false, validateFormats: false, allErrors: true })
ajv.addSchema({ $id: 'slice', schemas: slice.schemas })
const compiled = new Map<string, ValidateFunction>()

function faultsOf(key: string, schema: Schema, value: unknown): string[] {
  let validate = compiled.get(key)
  if (validate === undefined) {
    const text = JSON.stringify(schema).replaceAll('"#/schemas/', '"slice#/schemas/')
    validate = ajv.compile(JSON.parse(text))
    compiled.set(key, validate)
  }
  if (validate(value)) return []
  return (validate.errors ?? []).map((error) => `${error.instancePath || '/'} ${error.message ?? 'is wrong'}`)
}

/** Every operation that the double knows: `GET /repos/{owner}/{repo}`. */
export const operations: readonly string[] = Object.keys(slice.operations)

/** What is wrong with a request body, by GitHub's description; empty when nothing is. */
export function requestFaults(operation: string, body: unknown): string[] {
  const schema = slice.operations[operation]?.request
  if (schema === undefined || schema === null) return []
  return faultsOf(`${operation} request`, schema, body)
}

/** What is wrong with an answer of the double, by GitHub's description; empty when nothing is. */
export function answerFaults(operation: string, status: number, body: unknown): string[] {
  const described = slice.operations[operation]
  if (described === undefined) return [`${operation} is not described`]
  const schema = described.responses[String(status)]
  // Errors stand in the description only in part; a success must.
  if (schema === undefined) return status < 400 ? [`${operation} has no answer ${status}`] : []
  if (schema === null) return []
  return faultsOf(`${operation} ${status}`, schema, body)
}

function blank(schema: unknown): unknown {
  if (typeof schema !== 'object' || schema === null) return null
  const type = 'type' in schema ? schema.type : undefined
  if (type === 'string') return ''
  if (type === 'integer' || type === 'number') return 0
  if (type === 'boolean') return false
  if (type === 'array') return []
  if ('$ref' in schema && typeof schema.$ref === 'string') return complete(schema.$ref.split('/').at(-1) ?? '', {})
  return type === 'object' ? {} : null
}

/** `known` with every further required field of the schema filled in, so that an answer has GitHub's whole shape. */
export function complete(name: string, known: Readonly<Record<string, unknown>>): Record<string, unknown> {
  const schema = slice.schemas[name]
  if (schema === undefined) throw new Error(`No schema ${name} in the slice`)
  const required = Array.isArray(schema['required']) ? schema['required'] : []
  const properties = Object(schema['properties'])
  const out: Record<string, unknown> = { ...known }
  for (const field of required) {
    if (typeof field === 'string' && !(field in out)) out[field] = blank(properties[field])
  }
  return out
}
