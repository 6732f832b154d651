/** The JSON Schemas in docs/, made from the schemas that the program itself checks with. Pure. */
import { z } from 'zod'
import { projectsFileSchema } from '../src/inputs/projects-file.ts'
import { noticeSchema } from '../src/notify/notice.ts'
import { backupRowSchema, resultSchema } from '../src/result.ts'

export interface DocumentedSchema {
  /** File under docs/. */
  readonly file: string
  readonly title: string
  readonly schema: z.ZodType
  /** `input`: what a person may write; `output`: what the program writes. */
  readonly io: 'input' | 'output'
}

export const documentedSchemas: readonly DocumentedSchema[] = [
  { file: 'projects.schema.json', title: 'File of `command: plan`', schema: projectsFileSchema, io: 'input' },
  { file: 'notification.schema.json', title: 'Body of `notify-webhook`', schema: noticeSchema, io: 'output' },
  { file: 'result.schema.json', title: 'File of the output `result`', schema: resultSchema, io: 'output' },
  {
    file: 'backups.schema.json',
    title: 'Output `backups`, as `command: list` gives it',
    schema: z.array(backupRowSchema),
    io: 'output'
  }
]

/** The text of one schema file. */
export function schemaText({ title, schema, io }: DocumentedSchema): string {
  const { $schema, ...rest } = z.toJSONSchema(schema, { io })
  return `${JSON.stringify({ $schema, title, ...rest }, null, 2)}\n`
}
