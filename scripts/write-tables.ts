/** Writes the generated tables of README.md; with `--check` fails when they are not up to date. */
import { readFileSync, writeFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { parse } from 'yaml'
import { errorCodes } from '../src/error-codes.ts'
import { actionSchema, errorTable, inputTable, outputTable, withTable } from './tables.ts'

const root = fileURLToPath(new URL('..', import.meta.url))
const readme = `${root}README.md`
const action = actionSchema.parse(parse(readFileSync(`${root}action.yml`, 'utf8')))

const before = readFileSync(readme, 'utf8')
const after = [
  ['inputs', inputTable(action)] as const,
  ['outputs', outputTable(action)] as const,
  ['errors', errorTable(errorCodes)] as const
].reduce((text, [name, table]) => withTable(text, name, table), before)

if (process.argv.includes('--check')) {
  if (after !== before) {
    process.stderr.write('README.md: the generated tables are not up to date. Run `npm run docs`.\n')
    process.exitCode = 1
  }
} else if (after !== before) {
  writeFileSync(readme, after)
  process.stdout.write('README.md written\n')
}
