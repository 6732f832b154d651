/**
 * Looks at package-lock.json: no addresses of any registry, a digest for every package, exact versions of direct
 * packages, and no runtime package that wants to run a script when it is installed.
 */
import { readFileSync } from 'node:fs'
import { z } from 'zod'

const versions = z.record(z.string(), z.string())
const lock = z
  .looseObject({
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
  .parse(JSON.parse(readFileSync('package-lock.json', 'utf8')))
const manifest = z
  .looseObject({ dependencies: versions, devDependencies: versions })
  .parse(JSON.parse(readFileSync('package.json', 'utf8')))

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
const most = 15
const direct = Object.keys(manifest.dependencies).length
if (direct > most) problems.push(`${direct} direct runtime packages; at most ${most} are wanted`)

for (const problem of problems) process.stderr.write(`${problem}\n`)
process.exitCode = problems.length === 0 ? 0 : 1
