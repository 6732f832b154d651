/** Prints what is wrong with package-lock.json and package.json, and fails when something is. */
import { readFileSync } from 'node:fs'
import { lockfileProblems } from './lockfile-problems.ts'

const read = (path: string): unknown => JSON.parse(readFileSync(path, 'utf8'))
const problems = lockfileProblems(read('package-lock.json'), read('package.json'))
for (const problem of problems) process.stderr.write(`${problem}\n`)
process.exitCode = problems.length === 0 ? 0 : 1
