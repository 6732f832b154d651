/**
 * What is wrong with package-lock.json and package.json: addresses of registries, packages without a digest, versions that are not exact, runtime packages
 * that want to run a script when they are installed, too many of them. Pure.
 */
import { z } from 'zod'

const versions = z.record(z.string(), z.string())
const lockSchema = z.looseObject({
  packages: z.record(
    z.string(),
    z.looseObject({
      version: z.string().optional(),
      resolved: z.string().optional(),
      integrity: z.string().optional(),
      link: z.boolean().optional(),
      dev: z.boolean().optional(),
      devOptional: z.boolean().optional(),
      inBundle: z.boolean().optional(),
      hasInstallScript: z.boolean().optional()
    })
  )
})
const manifestSchema = z.looseObject({ dependencies: versions, devDependencies: versions })

/** Most direct packages that the bundle may be made of. */
export const mostRuntimePackages = 15

export function lockfileProblems(lockfile: unknown, packageFile: unknown): string[] {
  const lock = lockSchema.parse(lockfile)
  const manifest = manifestSchema.parse(packageFile)
  const problems: string[] = []
  for (const [place, entry] of Object.entries(lock.packages)) {
    if (place === '') continue
    if (entry.resolved !== undefined) problems.push(`${place}: names an address (resolved)`)
    if (entry.integrity === undefined && entry.inBundle !== true) problems.push(`${place}: has no digest (integrity)`)
    if (entry.hasInstallScript === true && entry.dev !== true && entry.devOptional !== true) {
      problems.push(`${place}: a runtime package with an install script`)
    }
  }
  for (const [name, version] of Object.entries({ ...manifest.dependencies, ...manifest.devDependencies })) {
    if (!/^(?:npm:@?[\w./-]+@)?\d+\.\d+\.\d+(?:-[\w.]+)?$/.test(version))
      problems.push(`${name}: ${version} is no exact version`)
  }
  const direct = Object.keys(manifest.dependencies).length
  if (direct > mostRuntimePackages)
    problems.push(`${direct} direct runtime packages; at most ${mostRuntimePackages} are wanted`)
  return problems
}
