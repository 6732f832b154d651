import { promisify } from 'node:util'
import { gunzip, gzip } from 'node:zlib'
import { z } from 'zod'
import type { Artifact } from '../../clients/github/artifacts.ts'
import { isLabel } from '../names.ts'
import type { Snapshot } from './snapshot.ts'

// Artifacts can be downloaded one by one only, and a listing needs the manifest of every backup. So a run writes copies of the
// manifests and records that it has read into one further artifact, `<label>.manifests.<run>-<chance>`. It can not disagree with
// what it copies: a copy is used only where its SHA-256 is the digest that GitHub shows for the file itself. Beside them lies
// the listing that the run saw, from which the next one fills in what lies between the pages that it reads (artifact-snapshot.ts).
// It is no part of a backup, and whoever deletes it costs the next listing some downloads.

const pattern = /^([a-z0-9-]{1,40})\.manifests\.[0-9]{1,20}-[a-f0-9]{8}$/
const mostBytes = 64 * 1024 * 1024
const zip = promisify(gzip)
const unzip = promisify(gunzip)

/** Name of a new index; `run` is the number of the workflow run, `chance` eight hexadecimal digits. */
export function indexName(project: string, run: string, chance: string): string {
  return `${project}.manifests.${/^\d{1,20}$/.test(run) ? run : '0'}-${chance}`
}

/** Label of the project that an index belongs to; null for every other artifact. */
export function labelOfIndex(name: string): string | null {
  const label = pattern.exec(name)?.[1]
  return label !== undefined && isLabel(label) ? label : null
}

/** The indexes among `all` that have not expired, newest first. */
export function indexesOf(all: readonly Artifact[]): Artifact[] {
  return all
    .filter((one) => !one.expired && !one.foreign && labelOfIndex(one.name) !== null)
    .sort((a, b) => b.createdAt.getTime() - a.createdAt.getTime() || b.id - a.id)
}

/** What an index holds. */
export interface Index {
  /** Copies of manifests and records. */
  readonly files: readonly Uint8Array[]
  readonly snapshot?: Snapshot
}

const rowSchema = z.tuple([
  z.int(),
  z.string(),
  z.int(),
  z.boolean(),
  z.int(),
  z.int().nullable(),
  z.string().nullable(),
  z.int().nullable(),
  z.boolean(),
  z.string().nullable(),
  z.boolean()
])
const indexSchema = z.object({
  files: z.array(z.string()),
  // Rows of earlier versions say less: what they remember is read anew.
  listed: z
    .object({ at: z.int(), artifacts: z.array(rowSchema) })
    .optional()
    .catch(undefined)
})
/** Earlier indexes are a list of copies alone. */
const storedSchema = z.union([indexSchema, z.array(z.string()).transform((files) => ({ files, listed: undefined }))])

export async function renderIndex({ files, snapshot }: Index): Promise<Uint8Array> {
  const listed = snapshot && { at: snapshot.at.getTime(), artifacts: snapshot.artifacts.map(toRow) }
  const text = { files: files.map((file) => Buffer.from(file).toString('base64')), ...(listed && { listed }) }
  return zip(JSON.stringify(text))
}

/** Null where it is damaged. */
export async function readIndex(bytes: Uint8Array): Promise<Index | null> {
  try {
    const text: unknown = JSON.parse((await unzip(bytes, { maxOutputLength: mostBytes })).toString('utf8'))
    const { files, listed } = storedSchema.parse(text)
    return {
      files: files.map((file) => Buffer.from(file, 'base64')),
      ...(listed && { snapshot: { at: new Date(listed.at), artifacts: listed.artifacts.map(fromRow) } })
    }
  } catch {
    // Somebody's own artifact of this name, or a broken one: the files themselves are asked instead.
    return null
  }
}

function toRow(one: Artifact): z.infer<typeof rowSchema> {
  const { id, name, bytes, expired, createdAt, expiresAt, sha256, runId, foreign, branch, ofNobody } = one
  return [
    id,
    name,
    bytes,
    expired,
    createdAt.getTime(),
    expiresAt?.getTime() ?? null,
    sha256 ?? null,
    runId ?? null,
    foreign,
    branch ?? null,
    ofNobody
  ]
}

function fromRow(row: z.infer<typeof rowSchema>): Artifact {
  const [id, name, bytes, expired, createdAt, expiresAt, sha256, runId, foreign, branch, ofNobody] = row
  return {
    id,
    name,
    bytes,
    expired,
    createdAt: new Date(createdAt),
    expiresAt: expiresAt === null ? undefined : new Date(expiresAt),
    sha256: sha256 ?? undefined,
    runId: runId ?? undefined,
    foreign,
    branch: branch ?? undefined,
    ofNobody
  }
}
