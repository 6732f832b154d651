import { z } from 'zod'
import { declaredInputs, inputNames } from './input-definitions.ts'

/** Inputs that an entry may set: all but those that only make sense for the plan itself. */
export const projectInputs = inputNames.filter((name) => !['command', 'projects', 'project'].includes(name))

const scalar = z.union([z.string(), z.number(), z.boolean()])
const inputValue = z
  .union([scalar, z.array(scalar)], { error: 'allowed is a text, a number, true, false, or a list of them' })
  .optional()
  .meta({ id: 'value', description: 'Value of an input of the action; a list stands for one value a line' })

/** A name as GitHub takes it for a secret: https://docs.github.com/actions/reference/security/secrets#naming-your-secrets */
const secretName = z
  .string({ error: 'allowed is the name of a secret' })
  .regex(
    /^(?!GITHUB_)[A-Z_][A-Z0-9_]{0,199}$/i,
    'allowed is the name of a secret (letters, digits and _), never its value'
  )
  .optional()
  .meta({ id: 'secretName', description: 'Name of a secret of the repository, never its value' })

const secrets = z
  .strictObject(Object.fromEntries(projectInputs.map((name) => [name, secretName])))
  .optional()
  .meta({ id: 'secrets', description: 'Input of the action -> name of the secret that holds its value' })

const settings = {
  secrets,
  priority: z
    .number({ error: 'allowed is a number' })
    .optional()
    .describe('1 comes before 2; entries without one come last, in the order of the file'),
  enabled: z.boolean({ error: 'allowed is true or false' }).optional().describe('false leaves the project out'),
  ...Object.fromEntries(
    projectInputs.filter((name) => declaredInputs[name].value !== 'secret').map((name) => [name, inputValue])
  )
}

/** The file that `command: plan` reads. Its JSON Schema is docs/projects.schema.json. */
export const projectsFileSchema = z.strictObject({
  $schema: z.string().optional(),
  defaults: z.strictObject(settings).optional().describe('What holds for every project that does not say otherwise'),
  projects: z
    .array(
      z.strictObject({
        project: z
          .string({ error: 'allowed is the label of the project' })
          .regex(
            /^[A-Za-z0-9](?:[A-Za-z0-9-]{0,38}[A-Za-z0-9])?$/,
            'allowed are letters, digits and hyphens, at most 40'
          )
          .describe('Label under which the backups are kept'),
        ...settings
      }),
      { error: 'allowed is a list of projects' }
    )
    .min(1, 'there is no project in it')
})
export type ProjectsFile = z.infer<typeof projectsFileSchema>
