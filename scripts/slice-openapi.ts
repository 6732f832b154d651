// Cuts the operations that the tests' GitHub double serves out of GitHub's OpenAPI description (npm package
// @octokit/openapi, file generated/api.github.com.json, about 13 MB) and writes them as JSON Schema.
// Use: node scripts/slice-openapi.ts <path of api.github.com.json> > test/kit/github/openapi-slice.json

import { readFileSync } from 'node:fs'

const operations = [
  'GET /rate_limit',
  'GET /repos/{owner}/{repo}',
  'GET /repos/{owner}/{repo}/releases',
  'POST /repos/{owner}/{repo}/releases',
  'GET /repos/{owner}/{repo}/releases/latest',
  'GET /repos/{owner}/{repo}/releases/tags/{tag}',
  'GET /repos/{owner}/{repo}/releases/{release_id}',
  'PATCH /repos/{owner}/{repo}/releases/{release_id}',
  'DELETE /repos/{owner}/{repo}/releases/{release_id}',
  'GET /repos/{owner}/{repo}/releases/{release_id}/assets',
  'POST /repos/{owner}/{repo}/releases/{release_id}/assets',
  'GET /repos/{owner}/{repo}/releases/assets/{asset_id}',
  'DELETE /repos/{owner}/{repo}/releases/assets/{asset_id}',
  'GET /repos/{owner}/{repo}/git/matching-refs/{ref}',
  'DELETE /repos/{owner}/{repo}/git/refs/{ref}',
  'GET /repos/{owner}/{repo}/actions/artifacts',
  'GET /repos/{owner}/{repo}/actions/artifacts/{artifact_id}',
  'DELETE /repos/{owner}/{repo}/actions/artifacts/{artifact_id}',
  'GET /repos/{owner}/{repo}/actions/artifacts/{artifact_id}/{archive_format}',
  'GET /repos/{owner}/{repo}/actions/runs/{run_id}',
  'GET /repos/{owner}/{repo}/actions/workflows',
  'GET /repos/{owner}/{repo}/actions/workflows/{workflow_id}',
  'GET /repos/{owner}/{repo}/contents/{path}',
  'GET /repos/{owner}/{repo}/issues',
  'POST /repos/{owner}/{repo}/issues',
  'GET /repos/{owner}/{repo}/issues/{issue_number}',
  'PATCH /repos/{owner}/{repo}/issues/{issue_number}',
  'GET /repos/{owner}/{repo}/issues/{issue_number}/comments',
  'POST /repos/{owner}/{repo}/issues/{issue_number}/comments',
  'GET /repos/{owner}/{repo}/labels',
  'POST /repos/{owner}/{repo}/labels',
  'GET /repos/{owner}/{repo}/labels/{name}'
]

type Json = null | boolean | number | string | readonly Json[] | { readonly [key: string]: Json }
type Fields = { readonly [key: string]: Json }

function isFields(value: Json | undefined): value is Fields {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

function fields(value: Json | undefined, where: string): Fields {
  if (!isFields(value)) throw new Error(`No object at ${where}`)
  return value
}

const file = process.argv[2]
if (file === undefined) throw new Error('Give the path of api.github.com.json.')
const parsed: Json = JSON.parse(readFileSync(file, 'utf8'))
const description = fields(parsed, 'the root')
const components = fields(description['components'], 'components')
const schemas = new Map<string, Json>()

/** What the reference `#/components/<kind>/<name>` stands for. */
function resolve(value: Json | undefined): Json | undefined {
  if (!isFields(value) || typeof value['$ref'] !== 'string') return value
  const [, , kind = '', name = ''] = value['$ref'].split('/')
  return fields(components[kind], kind)[name]
}

/** Keywords that carry text for people, or that this slice translates itself. */
const dropped = new Set([
  'description',
  'title',
  'example',
  'examples',
  'default',
  'format',
  'nullable',
  'externalDocs',
  'deprecated'
])

/** An OpenAPI 3.0 schema as JSON Schema: `nullable` becomes a type, references point into this slice. */
function translate(value: Json): Json {
  if (Array.isArray(value)) return value.map(translate)
  if (!isFields(value)) return value
  if (typeof value['$ref'] === 'string') {
    const name = value['$ref'].split('/').at(-1) ?? ''
    if (!schemas.has(name)) {
      schemas.set(name, true)
      schemas.set(name, translate(resolve(value) ?? true))
    }
    return { $ref: `#/schemas/${name}` }
  }
  const out: Record<string, Json> = {}
  for (const [key, inner] of Object.entries(value)) {
    if (key === 'properties' && isFields(inner)) {
      out[key] = Object.fromEntries(Object.entries(inner).map(([name, schema]) => [name, translate(schema)]))
    } else if (key === 'enum' || key === 'required') {
      out[key] = inner
    } else if (!dropped.has(key) && !key.startsWith('x-')) {
      out[key] = translate(inner)
    }
  }
  return value['nullable'] === true ? { anyOf: [out, { type: 'null' }] } : out
}

function bodySchema(value: Json | undefined): Json {
  const content = fields(resolve(value), 'a body')['content']
  const json = isFields(content) ? content['application/json'] : undefined
  return isFields(json) && json['schema'] !== undefined ? translate(json['schema']) : null
}

const paths = fields(description['paths'], 'paths')
const cut: Record<string, Json> = {}
for (const operation of operations) {
  const [method = '', path = ''] = operation.split(' ')
  const found = fields(fields(paths[path], path)[method.toLowerCase()], operation)
  const responses: Record<string, Json> = {}
  for (const [status, answer] of Object.entries(fields(found['responses'], operation))) {
    responses[status] = bodySchema(answer)
  }
  cut[operation] =
    found['requestBody'] === undefined ? { responses } : { request: bodySchema(found['requestBody']), responses }
}

const version = fields(description['info'], 'info')['version'] ?? null
const slice = { version, operations: cut, schemas: Object.fromEntries([...schemas].sort()) }
process.stdout.write(`${JSON.stringify(slice)}\n`)
