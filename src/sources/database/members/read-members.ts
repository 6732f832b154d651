import { type Member, memberSteps } from '../../../archive/contents-members.ts'
import type { Connection } from '../../../clients/postgres/connection.ts'
import { membersSql } from './member-parts.ts'

interface Row extends Record<string, unknown> {
  subject: string
  extension: string
  step: string | null
  name: string | null
  sql: string | null
}

/** All objects of the database's extensions, each with the statements that make it. The session's settings must be those of `beginReading`. */
export async function readMembers(connection: Connection): Promise<Member[]> {
  const members = new Map<string, Member>()
  for (const { subject, extension, step, name, sql } of await connection.query<Row>(membersSql)) {
    const key = JSON.stringify([extension, subject])
    const member = members.get(key) ?? { subject, extension, parts: [] }
    members.set(key, member)
    const known = memberSteps.find((one) => one === step)
    if (known !== undefined && sql !== null) member.parts.push({ step: known, name: name ?? '', sql })
  }
  return [...members.values()]
}
