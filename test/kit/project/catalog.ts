import { readFile } from 'node:fs/promises'
import path from 'node:path'
import type { PostgresServer } from '../postgres/server.ts'

/** Lines by section: what a catalog holds, in the words of the inventory. */
export type Catalog = Readonly<Record<string, readonly string[]>>

/** The inventory of a project that was just created, on one major version: data, made from published SQL. */
export async function readInventory(major: 15 | 17): Promise<Catalog> {
  const text = await readFile(path.join(import.meta.dirname, 'inventory', `fresh-project-${major}.json`), 'utf8')
  return JSON.parse(text) as Catalog
}

/** The same of a database, read by the superuser. */
export async function readCatalog(server: PostgresServer, database = 'postgres'): Promise<Catalog> {
  const sql = await readFile(path.join(import.meta.dirname, 'catalog.sql'), 'utf8')
  const client = await server.connect(server.superuser, database)
  try {
    await client.query('set search_path = pg_catalog')
    const found = await client.query<{ section: string; line: string }>(sql)
    const sections = [...new Set(found.rows.map(({ section }) => section))]
    return Object.fromEntries(
      sections.map((name) => [name, found.rows.filter(({ section }) => section === name).map(({ line }) => line)])
    )
  } finally {
    await client.end()
  }
}

/** Runs each statement of the section `postgres may` as that role, takes it back, and says what became of it. */
export async function readRights(server: PostgresServer, expected: Catalog): Promise<Catalog> {
  const client = await server.connect('postgres')
  const lines: string[] = []
  try {
    for (const line of expected['postgres may'] ?? []) {
      const statement = line.slice(line.indexOf(' ') + 1)
      await client.query('begin')
      const outcome = await client.query(statement).then(
        () => 'ok',
        (error: unknown) => (error as { code?: string }).code ?? 'none'
      )
      await client.query('rollback')
      lines.push(`${outcome} ${statement}`)
    }
  } finally {
    await client.end()
  }
  return { 'postgres may': lines }
}

/** What only one of two catalogs holds, `section: line`, with a sign for which. */
export function differences(expected: Catalog, found: Catalog): string[] {
  const lines = (catalog: Catalog): Set<string> =>
    new Set(Object.entries(catalog).flatMap(([section, all]) => all.map((line) => `${section}: ${line}`)))
  const [left, right] = [lines(expected), lines(found)]
  return [
    ...[...left].filter((line) => !right.has(line)).map((line) => `- ${line}`),
    ...[...right].filter((line) => !left.has(line)).map((line) => `+ ${line}`)
  ].sort((a, b) => (a.slice(2) < b.slice(2) ? -1 : 1))
}
