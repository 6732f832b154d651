import type { EdgeFunction } from '../../archive/contents-functions.ts'
import type { Management } from '../../clients/supabase/management.ts'
import { reasonOf } from '../management-reason.ts'
import { type ListedFunction, readBundle, readFunction } from './read-function.ts'
import { sha256 } from './source-paths.ts'

/** In what a function of the target differs from the backup's, in words; empty where they are equal. */
export async function compareFunction(
  one: EdgeFunction,
  there: ListedFunction,
  target: Management
): Promise<readonly string[]> {
  const differences: string[] = []
  if (there.name !== one.name) differences.push('its name is another one')
  if (one.verifyJwt !== null && there.verify_jwt !== one.verifyJwt)
    differences.push(`verification of the JWT is ${there.verify_jwt === true ? 'on' : 'off'} in the target`)
  const { source } = await readFunction(target, there)
  if (source !== null && one.files.length > 0) {
    if (source.entrypoint !== one.entrypoint) differences.push('another file is started')
    const now = new Map(source.files.map(({ path, bytes }) => [path, sha256(bytes)]))
    for (const file of one.files) {
      const digest = now.get(file.path)
      if (digest === undefined) differences.push(`its file ${file.path} is missing`)
      else if (digest !== file.sha256) differences.push(`its file ${file.path} has another content`)
    }
    if (now.size > new Set(one.files.map(({ path }) => path)).size) differences.push('it has more files')
    return differences
  }
  if (one.bundle === null) return [...differences, 'its source files could not be compared']
  try {
    if (sha256(await readBundle(target, there.slug)) !== one.bundle.sha256)
      differences.push('its packed form is another one')
  } catch (thrown) {
    differences.push(`its packed form could not be compared (${reasonOf(thrown)})`)
  }
  return differences
}
