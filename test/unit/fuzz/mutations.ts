import fc from 'fast-check'

/** What parsers stumble over: pieces of JSON, YAML, URLs, patterns, paths, log commands, and numbers at their limits. */
const pieces: readonly string[] = [
  '"',
  "'",
  '`',
  '\\',
  '/',
  '//',
  '..',
  '../',
  '\0',
  '\r',
  '\n',
  '\r\n',
  '\t',
  ' ',
  '',
  ',',
  ':',
  ';',
  '@',
  '#',
  '%',
  '%00',
  '%2e%2e',
  '%ff',
  '&',
  '=',
  '?',
  '*',
  '**',
  '{',
  '}',
  '[',
  ']',
  '[[[[',
  '{"a":',
  '"__proto__":{"polluted":1},',
  '"constructor":',
  'null',
  'true',
  '-0',
  '1e999',
  '9007199254740993',
  '0.1',
  'NaN',
  '\ufeff',
  '\u2028',
  '\u202e',
  '\u200b',
  '\ud800',
  '\udc00',
  '💥',
  'ß',
  'İ',
  '::error::',
  '##[error]',
  '<img src=x>',
  '$(id)',
  '${{ x }}',
  '--',
  '-',
  '&a [*a,*a]',
  '!!js/function',
  '<<: *a',
  '- ',
  '|\n',
  'aaaaaaaaaaaaaaaa',
  '0',
  '1',
  '-1',
  '99999999999999999999',
  'host=evil',
  'hostaddr=1',
  'options=-c',
  'sslmode=disable'
]

/** A change to a text, told by numbers so that fast-check can make it smaller. */
const change = fc.tuple(fc.nat(6), fc.nat(), fc.nat(40), fc.nat(pieces.length - 1))

function apply(text: string, [kind, where, length, piece]: readonly [number, number, number, number]): string {
  const at = where % (text.length + 1)
  const head = text.slice(0, at)
  switch (kind) {
    case 0:
      return head + text.slice(at + length)
    case 1:
      return head + text.slice(at, at + length) + text.slice(at)
    case 2:
      return head
    case 3:
      return head + String.fromCharCode((text.charCodeAt(at) || 0) ^ (1 << (length % 16))) + text.slice(at + 1)
    case 4:
      return head + text.slice(at).replace(text.charAt(at), '')
    default:
      return `${head}${pieces[piece]}${text.slice(at + (kind === 6 ? length : 0))}`
  }
}

/** Texts near the seeds: one of them, changed up to six times. */
export function near(seeds: readonly string[]): fc.Arbitrary<string> {
  return fc
    .tuple(fc.nat(seeds.length - 1), fc.array(change, { maxLength: 6 }))
    .map(([seed, changes]) => changes.reduce(apply, seeds[seed] ?? ''))
}

/** Long texts of one short piece again and again, with something else at an end: what makes backtracking explode. */
export function* repetitions(seeds: readonly string[], characters: number): Generator<string> {
  const units = [
    ...pieces.filter((piece) => piece !== ''),
    ' a',
    'a*',
    '*a',
    'a.',
    'a,',
    'a@',
    '://',
    'a=',
    "a='",
    '"a"',
    '{"a":',
    '- a\n',
    '\\"',
    '%41',
    '(a)'
  ]
  for (const unit of units) {
    const long = unit.repeat(Math.ceil(characters / unit.length))
    yield `${long}!`
    const [seed = ''] = seeds
    const middle = Math.floor(seed.length / 2)
    yield `${seed.slice(0, middle)}${long}${seed.slice(middle)}`
  }
}
