import { validate } from '@actions/languageservice'
import { z } from 'zod'

type Document = Parameters<typeof validate>[0]
type Position = ReturnType<Document['positionAt']>

const metadataSchema = z.looseObject({
  name: z.string(),
  description: z.string(),
  inputs: z.record(
    z.string(),
    z.looseObject({ description: z.string(), default: z.string().optional(), required: z.boolean().optional() })
  ),
  outputs: z.record(z.string(), z.looseObject({ description: z.string() }))
})

/** The service keeps what it parsed by the address of the document: each call needs one of its own. */
let calls = 0

/**
 * What GitHub's own language service says of a workflow or an action file: one text a finding, with its line.
 *
 * @param uses the name under which workflows use this action, as in `OWNER/supabase-backup@v1`.
 * @param action the parsed action.yml: inputs that it does not have are findings.
 */
export async function findingsOf(path: string, text: string, uses: string, action: unknown): Promise<string[]> {
  const { name, description, inputs, outputs } = metadataSchema.parse(action)
  const metadata = {
    name,
    description,
    outputs,
    inputs: Object.fromEntries(
      Object.entries(inputs).map(([key, one]) => [
        key,
        {
          description: one.description,
          ...(one.required === undefined ? {} : { required: one.required }),
          ...(one.default === undefined ? {} : { default: one.default })
        }
      ])
    )
  }
  calls += 1
  const found = await validate(documentOf(`file:///${calls}/${path}`, text), {
    actionsMetadataProvider: {
      fetchActionMetadata: (reference) =>
        Promise.resolve(
          `${reference.owner}/${reference.name}@${reference.ref}` === uses
            ? metadata
            : { name: reference.name, description: 'not looked at' }
        )
    }
  })
  return found.map(
    (one) => `${path}:${one.range.start.line + 1}: ${typeof one.message === 'string' ? one.message : one.message.value}`
  )
}

/** A text as editors hand it to the language service. */
function documentOf(uri: string, text: string): Document {
  const starts = [0]
  for (const [at, character] of [...text].entries()) if (character === '\n') starts.push(at + 1)
  const offsetAt = ({ line, character }: Position) =>
    Math.min((starts[line] ?? text.length) + character, starts[line + 1] ?? text.length)
  return {
    uri,
    languageId: 'yaml',
    version: 1,
    lineCount: starts.length,
    getText: (range) => (range === undefined ? text : text.slice(offsetAt(range.start), offsetAt(range.end))),
    positionAt: (offset) => {
      const line = starts.findLastIndex((start) => start <= offset)
      return { line, character: offset - (starts[line] ?? 0) }
    },
    offsetAt,
    getLineRange: (line) => ({
      start: { line, character: 0 },
      end: { line, character: (starts[line + 1] ?? text.length) - (starts[line] ?? text.length) }
    }),
    getEOLCharacters: (line) => (starts[line + 1] === undefined ? '' : '\n')
  }
}
