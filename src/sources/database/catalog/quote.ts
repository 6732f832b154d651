/** A name as an SQL identifier, always in quotes. */
export function quoteIdentifier(name: string): string {
  return `"${name.replaceAll('"', '""')}"`
}

/** A value as an SQL string literal that means the same whatever `standard_conforming_strings` says. */
export function quoteLiteral(value: string): string {
  const quoted = `'${value.replaceAll("'", "''").replaceAll('\\', '\\\\')}'`
  return value.includes('\\') ? `E${quoted}` : quoted
}

/** `"schema"."name"` for statements. */
export function qualified(object: { readonly schema: string; readonly name: string }): string {
  return `${quoteIdentifier(object.schema)}.${quoteIdentifier(object.name)}`
}

/** `schema.name` for people: quoted only where a name holds more than lower-case letters, digits and underscores. */
export function readable(object: { readonly schema: string; readonly name: string }): string {
  const plain = (name: string) => (/^[a-z_][a-z0-9_]*$/.test(name) ? name : quoteIdentifier(name))
  return `${plain(object.schema)}.${plain(object.name)}`
}

/** The first names of a list, and how many more there are. */
export function listed(names: readonly string[], most = 20): string {
  const shown = names.slice(0, most).join(', ')
  return names.length > most ? `${shown} and ${names.length - most} more` : shown
}
