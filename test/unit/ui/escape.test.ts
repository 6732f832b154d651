import fc from 'fast-check'
import { expect, test } from 'vitest'
import { inert, logLine, visible } from '../../../src/ui/escape.ts'

/**
 * The runner's two parsers of log lines, as actions/runner has them (ActionCommand.cs): the second form starts a line after
 * white space, the first stands anywhere. Lines end at \n, \r\n and a bare \r.
 */
const commands = [
  'set-output',
  'save-state',
  'add-mask',
  'add-matcher',
  'remove-matcher',
  'debug',
  'warning',
  'error',
  'notice',
  'group',
  'endgroup',
  'echo',
  'internal-set-repo-path',
  'stop-commands'
]
function recognised(text: string): string[] {
  return text.split(/\r\n|\r|\n/).flatMap((line) => {
    const second = /^\s*::([^:]*?)(?: [^:]*)?::/.exec(line)?.[1]
    const first = /##\[([^\]\s;]*)[^\]]*\]/.exec(line)?.[1]
    return [second, first].filter((name) => name !== undefined && commands.includes(name)).map(String)
  })
}

const piece = fc.constantFrom(
  ...commands.flatMap((name) => [`::${name}::`, `##[${name}]`, `:${name}:`]),
  ':',
  '::',
  '#',
  '##',
  '##[',
  ']',
  '\r',
  '\n',
  '\u2028',
  ' ',
  '\t',
  '\u200b',
  'x',
  '\u0000'
)
const hostile = fc
  .array(fc.oneof(piece, fc.string({ unit: 'grapheme', maxLength: 5 })), { maxLength: 12 })
  .map((parts) => parts.join(''))

test('T3: no text makes a line that either parser of the runner takes for a command', () => {
  expect(recognised('  ::error::x')).toEqual(['error'])
  expect(recognised('x ##[add-mask]a')).toEqual(['add-mask'])
  fc.assert(
    fc.property(hostile, (text) => {
      expect(recognised(logLine(text))).toEqual([])
    }),
    { numRuns: 20_000 }
  )
})

test('what cannot be seen is shown by its number', () => {
  expect(visible('a\r\nb\u202ec\u0000')).toBe('a\\x0d\\x0ab\\u202ec\\x00')
})

test('T4: no text makes markup, a link, a mention or a reference', () => {
  fc.assert(
    fc.property(fc.oneof(hostile, fc.string({ maxLength: 40 })), (text) => {
      const made = inert(text, 500)
      expect(made.replace(/&(?:amp|lt|gt|quot|#\d+);/g, '')).not.toMatch(/[<>"'|`*_~[\]()!#@$\\:/]|www\./i)
    }),
    { numRuns: 5_000 }
  )
  expect([...inert('x'.repeat(60_000), 80)]).toHaveLength(80)
})
