import { splitStatements } from '../pg-archive/split-statements.ts'

/**
 * The definition of a foreign key or check that holds for new rows alone, since old ones break it: the rows are never withheld for that. Null for what is no
 * such definition. A partitioned table takes no such key before PostgreSQL 18, which the server says itself.
 */
export function asNotValid(definition: string): string | null {
  const [first = '', ...rest] = splitStatements(definition)
  if (!/^ALTER (?:TABLE|FOREIGN TABLE|DOMAIN) [\s\S]*\bADD CONSTRAINT [\s\S]*\b(?:FOREIGN KEY|CHECK)\b/.test(first))
    return null
  const valid = / NOT VALID$/.test(first) ? first : `${first} NOT VALID`
  return [valid, ...rest].map((statement) => `${statement};`).join('\n')
}
