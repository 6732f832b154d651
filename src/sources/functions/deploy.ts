import type { EdgeFunction } from '../../archive/contents-functions.ts'
import type { Management } from '../../clients/supabase/management.ts'
import { functionPath } from './read-function.ts'

/** Content of a function's files by their names in the archive. */
export type Contents = ReadonlyMap<string, Uint8Array<ArrayBuffer>>

/**
 * How a function is deployed again: from its source files where they are enough, else in its packed form, which is what the source project ran.
 */
export function wayToDeploy(one: EdgeFunction): 'source' | 'bundle' | 'none' {
  if (one.problem === null && one.entrypoint !== null && one.files.length > 0) return 'source'
  return one.bundle === null ? 'none' : 'bundle'
}

export async function deployFunction(
  one: EdgeFunction,
  way: 'source' | 'bundle',
  contents: Contents,
  exists: boolean,
  target: Management
): Promise<void> {
  if (way === 'source') await deploySource(one, contents, target)
  else await deployBundle(one, contents, exists, target)
}

/** `POST /functions/deploy`: makes the function, or a new version of it. Doing it twice gives one version more and nothing else. */
async function deploySource(one: EdgeFunction, contents: Contents, target: Management): Promise<void> {
  const form = new FormData()
  form.append(
    'metadata',
    JSON.stringify({
      name: one.name,
      entrypoint_path: one.entrypoint,
      ...(one.importMapFile === null ? {} : { import_map_path: one.importMapFile }),
      ...(one.verifyJwt === null ? {} : { verify_jwt: one.verifyJwt })
    })
  )
  for (const file of one.files) {
    const bytes = contents.get(file.entry)
    if (bytes !== undefined)
      form.append('file', new File([bytes], file.path, { type: 'application/octet-stream' }), file.path)
  }
  await target.change('POST', '/functions/deploy', { query: { slug: one.slug }, body: { form }, repeatable: true })
}

async function deployBundle(one: EdgeFunction, contents: Contents, exists: boolean, target: Management): Promise<void> {
  const bytes = one.bundle === null ? undefined : contents.get(one.bundle.entry)
  if (bytes === undefined) throw new Error('the packed form is not at hand')
  const query = {
    slug: one.slug,
    name: one.name,
    ...(one.verifyJwt === null ? {} : { verify_jwt: String(one.verifyJwt) }),
    ...(one.importMap === null ? {} : { import_map: String(one.importMap) }),
    ...(one.entrypointPath === null ? {} : { entrypoint_path: one.entrypointPath }),
    ...(one.importMapPath === null ? {} : { import_map_path: one.importMapPath }),
    ...(one.bundleSha256 === null ? {} : { ezbr_sha256: one.bundleSha256 })
  }
  const body = { bytes, type: 'application/vnd.denoland.eszip' }
  if (exists) await target.change('PATCH', functionPath(one.slug), { query, body })
  else await target.change('POST', '/functions', { query, body })
}
