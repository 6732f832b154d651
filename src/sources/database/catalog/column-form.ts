import type { ColumnFacts } from '../../../archive/contents-database.ts'

/** Built-in types whose hash is equal exactly when the values are identical. */
const identityByHash = new Set([
  ...['bool', 'int2', 'int4', 'int8', 'bytea', 'uuid', 'date', 'time', 'timestamp', 'timestamptz', 'char'],
  ...['macaddr', 'macaddr8', 'inet', 'cidr', 'pg_lsn', 'oid', 'timetz']
])

/** Text types: identity is that of the bytes once the collation is a plain one. */
const identityByBytes = new Set(['text', 'varchar', 'name'])

/**
 * Built-in types with the function that gives their exact bytes. Their own hash is missing (json, point, ...) or takes values for
 * equal that are not identical (1.0 and 1.00, -0 and 0, `1 mon` and `30 days`, `char` with and without blanks, numbers inside jsonb).
 */
const sendFunctions: ReadonlyMap<string, string> = new Map([
  ['numeric', 'numeric_send'],
  ['float4', 'float4send'],
  ['float8', 'float8send'],
  ['bpchar', 'bpcharsend'],
  ['interval', 'interval_send'],
  ['money', 'cash_send'],
  ['json', 'json_send'],
  ['jsonb', 'jsonb_send'],
  ['jsonpath', 'jsonpath_send'],
  ['point', 'point_send'],
  ['box', 'box_send'],
  ['lseg', 'lseg_send'],
  ['path', 'path_send'],
  ['polygon', 'poly_send'],
  ['circle', 'circle_send'],
  ['line', 'line_send'],
  ['bit', 'bit_send'],
  ['varbit', 'varbit_send'],
  ['tsvector', 'tsvectorsend'],
  ['tsquery', 'tsquerysend'],
  ['int4range', 'range_send'],
  ['int8range', 'range_send'],
  ['numrange', 'range_send'],
  ['tsrange', 'range_send'],
  ['tstzrange', 'range_send'],
  ['daterange', 'range_send'],
  ['int4multirange', 'multirange_send'],
  ['int8multirange', 'multirange_send'],
  ['nummultirange', 'multirange_send'],
  ['tsmultirange', 'multirange_send'],
  ['tstzmultirange', 'multirange_send'],
  ['datemultirange', 'multirange_send']
])

/**
 * How a column of a built-in type goes into the row's hash; `type` is the name in pg_catalog under all domains, or empty for any
 * other type. Enumerations, composites, registered names (regclass, ...) and types of extensions go in as text: their binary form
 * holds object numbers, which differ between source and copy.
 */
export function columnForm(name: string, type: string): ColumnFacts {
  if (identityByHash.has(type)) return { name, form: 'value' }
  if (identityByBytes.has(type)) return { name, form: 'collated' }
  const send = sendFunctions.get(type)
  if (send !== undefined) return { name, form: 'binary', send }
  // array_send holds shape and bounds, and the element type's number, which is fixed for built-in types.
  const element = type.startsWith('_') ? type.slice(1) : ''
  if (identityByHash.has(element) || identityByBytes.has(element) || sendFunctions.has(element)) {
    return { name, form: 'binary', send: 'array_send' }
  }
  return { name, form: 'text' }
}
