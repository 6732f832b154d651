import fc from 'fast-check'

/** Commands of the runner that do something (actions/runner, ActionCommandManager.cs and ExecutionContext.cs). */
export const runnerCommands = [
  'set-output',
  'save-state',
  'set-env',
  'add-path',
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
] as const

const known = (name: string) => runnerCommands.some((one) => one === name.toLowerCase())

/** Characters that a comparison by culture, which .NET makes unless told otherwise, passes over. */
const ignorable =
  '[\\u00ad\\u034f\\u061c\\u115f\\u1160\\u17b4\\u17b5\\u180b-\\u180f\\u200b-\\u200f\\u202a-\\u202e\\u2060-\\u206f\\u3164\\ufe00-\\ufe0f\\ufeff\\uffa0]*'
const loosely = (text: string) => [...text].map((one) => `${one === '[' ? '\\[' : one}${ignorable}`).join('')
const legacy = { exact: /##\[/, loose: new RegExp(loosely('##[')) }
const modern = { exact: /^::/, loose: new RegExp(`^${ignorable}${loosely('::')}`) }

/**
 * What the runner would take for commands in an output: each line, cut at `\r`, `\n` and both, by its two parsers
 * (ActionCommand.cs): `##[` anywhere in the line up to the next `]`, and `::` after white space up to the next `::`. Both compare by
 * culture and then cut by the length of what they looked for; it is tried with and without.
 */
export function commandsIn(output: string): string[] {
  return output.split(/\r\n|\r|\n/).flatMap((line) =>
    (['exact', 'loose'] as const).flatMap((way) => {
      const names: (string | undefined)[] = []
      const prefix = legacy[way].exec(line)
      if (prefix !== null) {
        const end = line.indexOf(']', prefix.index)
        if (end >= prefix.index + 3) names.push(line.slice(prefix.index + 3, end))
      }
      const trimmed = line.replace(/^[\s\u0085]+/, '')
      const end = modern[way].test(trimmed) ? trimmed.indexOf('::', 2) : -1
      if (end >= 2) names.push(trimmed.slice(2, end))
      return names.map((info) => (info ?? '').split(' ')[0] ?? '').filter(known)
    })
  )
}

const markup = [
  '<img src=x onerror=alert(1)>',
  '<script>alert(1)</script>',
  '</td></tr></table>',
  '</details>',
  '</code>',
  '<!--',
  '-->',
  '<a href="https://evil.example">x</a>',
  '[a](javascript:alert(1))',
  '![a](https://evil.example/x.png)',
  '[x]: https://evil.example',
  '[^1]',
  '<https://evil.example>',
  'https://evil.example',
  'www.evil.example',
  'someone@evil.example',
  '@acme/team',
  '#1',
  'GH-1',
  'acme/shop#1',
  '```mermaid\ngraph TD;A-->B\n```',
  '~~~',
  '$$\\alpha$$',
  '$`x`$',
  '| a | b |\n|---|---|',
  '# heading',
  '- [ ] task',
  '> [!WARNING]\n> x',
  '&lt;img&gt;',
  '&#60;',
  '<!channel>',
  '<@U123>',
  '@everyone',
  '\r\nBcc: evil@evil.example',
  '\r\n.\r\n',
  '\\',
  '`',
  '``',
  '*',
  '_'
]

const controls = [
  '\r',
  '\n',
  '\r\n',
  '\u0000',
  '\u001b[2J',
  '\u0085',
  '\u2028',
  '\u2029',
  '\u202e',
  '\u200b',
  '\ufeff',
  '\ufe0f',
  '\t',
  ' '
]

const piece = fc.oneof(
  fc.constantFrom(
    ...runnerCommands.flatMap((name) => [
      `::${name}::`,
      `::${name} x=y::`,
      `##[${name}]`,
      `##[${name.toUpperCase()} x=y]`
    ])
  ),
  fc.constantFrom(...markup),
  fc.constantFrom(...controls),
  fc.constantFrom(':', '::', '#', '##', '##[', ']', '%0A', '%3A%3A', 'x'),
  fc.string({ unit: 'grapheme', maxLength: 6 }),
  fc.string({ unit: 'binary', maxLength: 4 })
)

/** Names and messages as somebody would choose them who wants more than to be named. */
export const hostileText = fc.array(piece, { minLength: 1, maxLength: 8 }).map((parts) => parts.join(''))
