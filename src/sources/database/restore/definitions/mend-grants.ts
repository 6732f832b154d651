import { grantStatements } from '../../fingerprint/grant-lines.ts'
import { readGuards } from '../../fingerprint/read-objects.ts'
import type { Work } from '../work.ts'
import { refusalOf } from './refusal.ts'

/**
 * Makes the grants on schemas of the user what the backup's fingerprint says, in the open transaction: what pg_dump writes about a schema begins with what a new
 * one has, and the target's `public`, or one that was `public` before, began otherwise. What the target refuses is found when everything is compared.
 */
export async function mendGrants({ connection, facts, journal }: Work): Promise<void> {
  const wanted = facts.guards.filter(({ kind }) => kind === 'grants on schema')
  if (wanted.length === 0) return
  const guards = await readGuards(connection, facts.server.versionNumber)
  const now = new Map(guards.filter(({ kind }) => kind === 'grants on schema').map((guard) => [guard.name, guard]))
  const ownerOf = (name: string) =>
    [...facts.guards, ...guards].flatMap((guard) =>
      guard.kind === 'owner of schema' && guard.name === name ? [guard.definition] : []
    )
  for (const { name, definition } of wanted) {
    const there = now.get(name)
    if (there === undefined || there.definition === definition || journal.plan.platform.has(name)) continue
    const statements = grantStatements(
      { kind: 'schema', name },
      definition.split('\n'),
      there.definition.split('\n'),
      new Set(ownerOf(name))
    )
    for (const statement of statements) await refusalOf(connection, statement)
  }
}
