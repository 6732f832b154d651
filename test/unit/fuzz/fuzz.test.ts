import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { createContext, runInContext } from 'node:vm'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { z } from 'zod'
import { near, repetitions } from './mutations.ts'
import { targets } from './targets.ts'

/** Cases for each target; `FUZZ_RUNS=1000000` for a long hunt. */
const runs = Number(process.env['FUZZ_RUNS'] ?? 2_000)
/** A watchdog and no measure: such a text takes milliseconds, an explosion takes for ever. */
const watchdogMs = 10_000

const corpusFolder = join(import.meta.dirname, '../corpus')
/** What once went wrong, and what comes close to it: it is tried each time, and fuzzing starts from it, too. */
const corpus = new Map(
  readdirSync(corpusFolder).map((file) => [
    file.replace(/\.json$/, ''),
    z
      .array(z.strictObject({ why: z.string(), text: z.string() }))
      .parse(JSON.parse(readFileSync(join(corpusFolder, file), 'utf8')))
  ])
)

test('every file of the corpus is that of a target', () => {
  const names = targets.map(({ name }) => name.replaceAll(' ', '-'))
  for (const name of corpus.keys()) expect(names).toContain(name)
})

describe.each(targets)('$name', ({ name, seeds, read, longest = 100_000 }) => {
  const known = corpus.get(name.replaceAll(' ', '-')) ?? []

  test('takes what it should', () => {
    for (const text of [...seeds, ...known.map((one) => one.text)]) read(text)
  })

  test('T12: holds its promises whatever it is given', { timeout: Math.max(600_000, runs * 50) }, () => {
    fc.assert(
      fc.property(near([...seeds, ...known.map((one) => one.text)]), (text) => read(text)),
      { numRuns: runs }
    )
    fc.assert(
      fc.property(fc.oneof(fc.string(), fc.string({ unit: 'binary' }), fc.json()), (text) => read(text)),
      { numRuns: Math.ceil(runs / 4) }
    )
    expect(Reflect.get({}, 'polluted')).toBeUndefined()
  })

  test('T12: ends soon on long texts that are made to hold it up', { timeout: 600_000 }, () => {
    const sandbox = createContext({ work: () => undefined })
    for (const text of repetitions(seeds, longest)) {
      sandbox['work'] = () => read(text)
      try {
        runInContext('work()', sandbox, { timeout: watchdogMs })
      } catch (thrown) {
        throw new Error(`on ${text.length} characters, beginning with ${JSON.stringify(text.slice(0, 200))}`, {
          cause: thrown
        })
      }
    }
  })
})
