/**
 * Whether two definitions mean the same. The server rewrites one form when a definition goes through a dump: a cast of a whole
 * array, `(ARRAY['a'::varchar])::text[]`, comes back as casts of its elements, `ARRAY[('a'::varchar)::text]`. Both are brought to the second.
 */
export function sameDefinition(left: string, right: string): boolean {
  return left === right || withElementCasts(left) === withElementCasts(right)
}

/** Rewrites every `(ARRAY[a, b])::type[]` into `ARRAY[(a)::type, (b)::type]`. */
export function withElementCasts(definition: string): string {
  let text = definition
  for (let from = 0; ; ) {
    const start = text.indexOf('(ARRAY[', from)
    if (start === -1) return text
    from = start + 1
    const open = start + '(ARRAY'.length
    const items = splitList(text, open)
    if (items === null) continue
    const cast =
      /^\)::((?:"(?:[^"]|"")*"|[a-z_][\w$]*)(?:\.(?:"(?:[^"]|"")*"|[a-z_][\w$]*))?(?: varying| with(?:out)? time zone)?(?:\(\d+\))?)\[\]/.exec(
        text.slice(items.end)
      )
    if (cast === null) continue
    const rewritten = `ARRAY[${items.list.map((item) => `(${item})::${cast[1] ?? ''}`).join(', ')}]`
    text = text.slice(0, start) + rewritten + text.slice(items.end + cast[0].length)
  }
}

/** Items of a bracketed list that starts at `open`, split at its own commas; `end` is behind its closing bracket. Null where it is not closed. */
function splitList(text: string, open: number): { readonly list: string[]; readonly end: number } | null {
  const list: string[] = []
  let depth = 0
  let start = open + 1
  for (let at = open; at < text.length; at += 1) {
    const character = text.charAt(at)
    if (character === "'" || character === '"') {
      const close = text.indexOf(character, at + 1)
      if (close === -1) return null
      // A doubled quote is two strings side by side, which skips the same text.
      at = close
    } else if (character === '[' || character === '(') depth += 1
    else if (character === ']' || character === ')') {
      depth -= 1
      if (depth === 0) {
        list.push(text.slice(start, at).trim())
        return { list, end: at + 1 }
      }
    } else if (character === ',' && depth === 1) {
      list.push(text.slice(start, at).trim())
      start = at + 1
    }
  }
  return null
}
