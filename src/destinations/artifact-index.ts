import { promisify } from 'node:util'
import { gunzip, gzip } from 'node:zlib'
import type { Artifact } from '../clients/github-artifacts.ts'
import { isLabel } from './names.ts'

// Artifacts can be downloaded one by one only, and a listing needs the manifest of every backup. So a run writes copies of the
// manifests and records that it has read into one further artifact, `<label>.manifests.<run>-<chance>`. It can not disagree with
// what it copies: a copy is used only where its SHA-256 is the digest that GitHub shows for the file itself. It is no part of a
// backup, and whoever deletes it costs the next listing some downloads.

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
    .filter((one) => !one.expired && labelOfIndex(one.name) !== null)
    .sort((a, b) => b.createdAt.getTime() - a.createdAt.getTime() || b.id - a.id)
}

export async function renderIndex(files: readonly Uint8Array[]): Promise<Uint8Array> {
  return zip(JSON.stringify(files.map((file) => Buffer.from(file).toString('base64'))))
}

/** The copies of an index; none where it is damaged. */
export async function readIndex(bytes: Uint8Array): Promise<Uint8Array[]> {
  try {
    const all: unknown = JSON.parse((await unzip(bytes, { maxOutputLength: mostBytes })).toString('utf8'))
    return Array.isArray(all)
      ? all.filter((one) => typeof one === 'string').map((one: string) => Buffer.from(one, 'base64'))
      : []
  } catch {
    // Somebody's own artifact of this name, or a broken one: the files themselves are asked instead.
    return []
  }
}
