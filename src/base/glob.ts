/**
 * A name with wildcards: the literal pieces between its `*`. `['log_', '']` is `log_*`, `['a']` is just `a`, `['', '']` is `*`.
 * Everything but `*` stands for itself, case included.
 */
export type Glob = readonly string[]

/** Takes a text apart in which `*` is any run of characters and nothing else has a meaning. */
export function parseGlob(text: string): Glob {
  return text.split('*')
}

/**
 * Whether a name fits. No regular expression is built and nothing is tried twice: each piece is taken where it stands first, which
 * is right because only the last one is bound to an end.
 */
export function globMatches(glob: Glob, name: string): boolean {
  const [first = '', ...rest] = glob
  if (rest.length === 0) return name === first
  const last = rest.pop() ?? ''
  if (name.length < first.length + last.length || !name.startsWith(first) || !name.endsWith(last)) return false
  let at = first.length
  const end = name.length - last.length
  for (const piece of rest) {
    const found = name.indexOf(piece, at)
    if (found === -1 || found + piece.length > end) return false
    at = found + piece.length
  }
  return true
}
