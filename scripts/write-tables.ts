/** Writes what is generated of action.yml, README.md and docs/; with `--check` fails when it is not up to date. */
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { parse } from 'yaml'
import { errorCodes } from '../src/error-codes.ts'
import { faultsPage, faultsText, namedTests, problemsOf, withoutResults, withTests } from './fault-table.ts'
import { documentedSchemas, schemaText } from './schemas.ts'
import { actionSchema, coreTable, errorPage, inputPage, withInputs, withTable } from './tables.ts'

const root = fileURLToPath(new URL('..', import.meta.url))
const readme = `${root}README.md`
const actionBefore = readFileSync(`${root}action.yml`, 'utf8')
const actionText = withInputs(actionBefore)
const action = actionSchema.parse(parse(actionText))

const before = readFileSync(readme, 'utf8')
const after = withTable(before, 'inputs', coreTable())

const check = process.argv.includes('--check')

function write(path: string, name: string, before: string, after: string): void {
  if (after === before) return
  if (check) {
    process.stderr.write(`${name}: what is generated in it is not up to date. Run \`npm run docs\`.\n`)
    process.exitCode = 1
    return
  }
  writeFileSync(path, after)
  process.stdout.write(`${name} written\n`)
}

write(`${root}action.yml`, 'action.yml', actionBefore, actionText)
write(readme, 'README.md', before, after)
if (!check) mkdirSync(`${root}docs`, { recursive: true })
function writeText(name: string, text: string): void {
  const path = `${root}${name}`
  write(path, name, existsSync(path) ? readFileSync(path, 'utf8') : '', text)
}

writeText('docs/errors.md', errorPage(errorCodes))
writeText('docs/inputs.md', inputPage(action))
for (const one of documentedSchemas) {
  writeText(`docs/${one.file}`, schemaText(one))
}

const tests = namedTests()
for (const problem of problemsOf(tests)) {
  process.stderr.write(`${problem}\n`)
  process.exitCode = 1
}
const security = `${root}.github/SECURITY.md`
const securityBefore = readFileSync(security, 'utf8')
write(security, '.github/SECURITY.md', securityBefore, withTests(securityBefore, tests))
const faultsBefore = existsSync(faultsPage) ? readFileSync(faultsPage, 'utf8') : ''
const faults = faultsText(tests, faultsBefore)
// A result that is not taken in yet does not make the page wrong.
if (!check || withoutResults(faults) !== withoutResults(faultsBefore))
  write(faultsPage, 'docs/faults.md', faultsBefore, faults)
