/**
 * Splits SQL into its statements at the semicolons that are none of a string's, name's or comment's. What holds nothing but blanks and
 * comments is left out.
 */
export function splitStatements(sql: string): string[] {
  const statements: string[] = []
  const token =
    /[eE]'(?:[^'\\]|\\[\s\S]|'')*(?:'|$)|'(?:[^']|'')*(?:'|$)|"(?:[^"]|"")*(?:"|$)|--[^\n]*|\/\*|(\$(?:[A-Za-z_\u0080-\uffff][\w\u0080-\uffff]*)?\$)|;|[\w\u0080-\uffff$]+|[\s\S]/g
  let start = 0
  let hasCode = false
  const cut = (end: number) => {
    const statement = sql.slice(start, end).trim()
    if (hasCode && statement !== '') statements.push(statement)
    hasCode = false
  }
  for (let match = token.exec(sql); match !== null; match = token.exec(sql)) {
    const [text, dollar] = match
    if (text === ';') {
      cut(match.index)
      start = token.lastIndex
    } else if (text === '/*') token.lastIndex = endOfComment(sql, token.lastIndex)
    else if (dollar !== undefined) {
      const end = sql.indexOf(dollar, token.lastIndex)
      token.lastIndex = end === -1 ? sql.length : end + dollar.length
      hasCode = true
    } else if (!text.startsWith('--') && text.trim() !== '') hasCode = true
  }
  cut(sql.length)
  return statements
}

/** Comments nest in PostgreSQL. */
function endOfComment(sql: string, from: number): number {
  let depth = 1
  const mark = /\/\*|\*\//g
  mark.lastIndex = from
  for (let match = mark.exec(sql); match !== null; match = mark.exec(sql)) {
    depth += match[0] === '/*' ? 1 : -1
    if (depth === 0) return mark.lastIndex
  }
  return sql.length
}
