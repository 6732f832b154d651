/** A name as an SQL identifier, always in quotes. */
export function quoteIdentifier(name: string): string {
  return `"${name.replaceAll('"', '""')}"`
}

/** A value as an SQL string literal that means the same whatever `standard_conforming_strings` says. */
export function quoteLiteral(value: string): string {
  const quoted = `'${value.replaceAll("'", "''").replaceAll('\\', '\\\\')}'`
  return value.includes('\\') ? `E${quoted}` : quoted
}

/** The name that an SQL identifier means: `"a""b"` is `a"b`, and what is not quoted stays as it is. */
export function unquoteIdentifier(identifier: string): string {
  return identifier.startsWith('"') ? identifier.slice(1, -1).replaceAll('""', '"') : identifier
}

/** A name that the server or pg_dump wrote as `readable` writes it: they also quote key words. */
export function plainName(name: string): string {
  return name.replace(/"(?:[^"]|"")*"/g, (quoted) =>
    /^"[a-z_][a-z0-9_]*"$/.test(quoted) ? quoted.slice(1, -1) : quoted
  )
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
