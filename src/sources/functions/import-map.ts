import { basename } from 'node:path/posix'
import type { PlacedFiles } from './source-paths.ts'

const mapNames = ['deno.json', 'deno.jsonc', 'import_map.json']

/** The path of the import map among the files; null where none is. */
export function findImportMap(placed: PlacedFiles, importMapPath: string | null): string | null {
  const named = importMapPath === null ? null : placed.pathOf(importMapPath)
  if (named !== null) return named
  const folder = placed.entrypoint?.split('/').slice(0, -1).join('/') ?? ''
  const beside = placed.files.filter(
    ({ path, inside }) =>
      inside && mapNames.includes(basename(path)) && path.split('/').slice(0, -1).join('/') === folder
  )
  return beside[0]?.path ?? null
}

/**
 * Whether a file imports something by a bare name, which means nothing without an import map. The API leaves import maps out of the source
 * files at times: then only the packed form can be deployed again.
 */
export function usesBareNames(placed: PlacedFiles): boolean {
  return placed.files.some(({ path, bytes }) => {
    if (!/\.[cm]?[jt]sx?$/.test(path)) return false
    const text = new TextDecoder().decode(bytes)
    for (const [, name] of text.matchAll(/(?:\bfrom|\bimport)\s{0,10}\(?\s{0,10}["']([^"'\n]{1,300})["']/g))
      if (name !== undefined && !/^(?:\.{0,2}\/|[a-z][a-z0-9+.-]*:)/i.test(name)) return true
    return false
  })
}
