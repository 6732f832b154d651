import fc from 'fast-check'
import { expect, test } from 'vitest'
import { inert, inertCode, logLine, shorten, visible } from '../../../src/text/escape.ts'

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
  expect(visible('\u0085\u00ad\u061c\ufeff\ud800')).toBe('\\x85\\xad\\u061c\\ufeff\ufffd')
})

test('T3: what is no command stays as it is, what is one is broken where it begins', () => {
  expect(logLine('a::b #[c] a #b')).toBe('a::b #[c] a #b')
  expect(logLine('  ::error::x')).toBe('  :\u200b:error::x')
  expect(logLine('a ##[error]b ##[debug]')).toBe('a #\u200b#[error]b #\u200b#[debug]')
})

test('a text is cut to so many characters, not to half of one, and the cut is shown', () => {
  expect(shorten('abc', 3)).toBe('abc')
  expect(shorten('abcd', 3)).toBe('ab…')
  expect(shorten('\u{1f600}\u{1f600}\u{1f600}', 2)).toBe('\u{1f600}…')
  expect(inert('x'.repeat(201))).toBe(`${'x'.repeat(199)}…`)
  expect(inertCode('x'.repeat(81))).toBe(`<code>${'x'.repeat(79)}…</code>`)
})

test('T4: ordinary text stays readable; what GitHub would link by itself is broken by something that cannot be seen', () => {
  expect(inert('ordinary text, 3.5 = ü')).toBe('ordinary text, 3.5 = ü')
  expect(inert('a:b/c')).toBe('a&#58;b&#47;c')
  expect(inert('https://x')).toBe('https&#58;&#8203;&#47;&#47;x')
  expect(inert('www.example.com and WWW.x')).toBe('www&#8203;&#46;example.com and WWW&#8203;&#46;x')
  expect(inert('me@x #1')).toBe('me&#64;&#8203;x &#35;&#8203;1')
  expect(inertCode('<b>|')).toBe('<code>&lt;b&gt;&#124;</code>')
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
