import { z } from 'zod'

/** A non-negative integer of any size as decimal digits. */
const digits = z.string().regex(/^-?\d+$/)

/** Steps by which an object of an extension is made, in the order in which they are taken; rows come in after `partition`. */
export const memberSteps = [
  'sequence',
  'function',
  'table',
  'column',
  'view',
  'constraint',
  'owned by',
  'membership',
  'partition',
  'index',
  'foreign key',
  'trigger',
  'policy',
  'row security',
  'comment',
  'grants',
  'owner'
] as const
export type MemberStep = (typeof memberSteps)[number]

export const memberPartSchema = z.object({
  step: z.enum(memberSteps),
  /** What of the object it is about: a column, an index, a role, ...; empty for the object itself. */
  name: z.string(),
  /** One statement. */
  sql: z.string()
})
export type MemberPart = z.infer<typeof memberPartSchema>

export const memberSchema = z.object({
  /** In the server's words: `table pgmq.q_orders`, `function pgmq.pop(pg_catalog.text)`. */
  subject: z.string(),
  extension: z.string(),
  /** What makes it; none for kinds that are only told. */
  parts: z.array(memberPartSchema)
})
export type Member = z.infer<typeof memberSchema>

/** State of a sequence of an extension, or of a column of one of its tables, that no dump holds. */
export const memberSequenceSchema = z.object({
  schema: z.string(),
  name: z.string(),
  extension: z.string(),
  value: digits,
  called: z.boolean()
})
export type MemberSequence = z.infer<typeof memberSequenceSchema>
