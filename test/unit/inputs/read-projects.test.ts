import { readFileSync } from 'node:fs'
import { Ajv2020 } from 'ajv/dist/2020.js'
import { describe, expect, test } from 'vitest'
import { parse } from 'yaml'
import { documentedSchemas, schemaText } from '../../../scripts/schemas.ts'
import { matrixOf } from '../../../src/commands/plan.ts'
import { UserError } from '../../../src/errors.ts'
import { fieldsSchema } from '../../../src/inputs/fields.ts'
import { projectInputs } from '../../../src/inputs/projects-file.ts'
import { readProjects } from '../../../src/inputs/read-projects.ts'

const root = new URL('../../../', import.meta.url)
const example = `
defaults:
  destinations: release
  keep-daily: 7
  secrets: { recipients: BACKUP_RECIPIENTS }
projects:
  - project: blog
    secrets: { database-url: BLOG_DB_URL }
  - project: Shop
    priority: 1
    exclude-tables: [public.cache_*, public.sessions]
    keep-daily: 30
    secrets:
      database-url: SHOP_DB_URL
      recipients: SHOP_RECIPIENTS
  - project: old
    enabled: false
  - project: wiki
    priority: 5
    recipients: age1u8u7rgtefj6x46zzjrg5thv7p3m0vnl5lmzs86spyx7hlqsqeuxqn7pwqq
`

function refusal(text: string): string {
  try {
    readProjects(text, 'projects.yml')
  } catch (error) {
    if (error instanceof UserError && error.code === 'SB922') return error.message
    throw error
  }
  throw new Error('taken')
}

describe('the projects file', () => {
  test('gives a matrix by priority, with defaults, without what is off, and secrets by name', () => {
    const text = example.replace(/^ {4}recipients: age1.*$/m, '    type: schema')
    expect(matrixOf(readProjects(text, 'projects.yml'))).toEqual({
      include: [
        {
          project: 'shop',
          priority: 1,
          destinations: 'release',
          'keep-daily': '30',
          'exclude-tables': 'public.cache_*\npublic.sessions',
          secrets: { 'database-url': 'SHOP_DB_URL', recipients: 'SHOP_RECIPIENTS' }
        },
        {
          project: 'wiki',
          priority: 5,
          destinations: 'release',
          'keep-daily': '7',
          type: 'schema',
          secrets: { recipients: 'BACKUP_RECIPIENTS' }
        },
        {
          project: 'blog',
          destinations: 'release',
          'keep-daily': '7',
          secrets: { recipients: 'BACKUP_RECIPIENTS', 'database-url': 'BLOG_DB_URL' }
        }
      ]
    })
  })

  test('takes one project alone, where that is asked for', () => {
    const projects = readProjects('projects: [{project: a}, {project: b}]', 'p')
    expect(matrixOf(projects, 'b').include.map((one) => one['project'])).toEqual(['b'])
    expect(matrixOf(projects, 'c').include).toEqual([])
  })

  test('an entry replaces a default, be it a value or a secret', () => {
    const [a, b] = readProjects(
      'defaults: {folder: /x, secrets: {buckets: B}}\nprojects: [{project: a, buckets: z}, {project: b, secrets: {folder: F}}]',
      'p'
    )
    expect(a).toMatchObject({ inputs: { folder: '/x', buckets: 'z' }, secrets: {} })
    expect(b).toMatchObject({ inputs: {}, secrets: { folder: 'F', buckets: 'B' } })
  })

  test.each([
    [
      'projects:\n  - project: a\n    database-url: postgresql://me:hunter2secret@db/x',
      'line 3, column 5',
      '`database-url` is a secret'
    ],
    [
      'projects:\n  - project: a\n    secrets:\n      database-url: postgresql://me:hunter2secret@db/x',
      'line 4, column 21',
      'never its value'
    ],
    ['projects:\n  - project: a\n    shcemas: x', 'line 3, column 5', '`shcemas` is not known here'],
    ['projects:\n  - priority: 1', 'line 2, column 5', 'every project needs its label'],
    ['projects:\n  - project: a\n  - project: A', 'line 3, column 14', 'another project a'],
    ['projects:\n  - project: a\n    type: hunter2secret', 'line 3, column 11', 'full, schema, data'],
    ['defaults:\n  keep-daily: 0\nprojects: [{project: a}]', 'line 2, column 15', '0 would keep nothing'],
    ['projects:\n  - project: a b', 'line 2, column 14', 'letters, digits and hyphens'],
    ['projects:\n  - project: a\n    enabled: perhaps', 'line 3, column 14', 'true or false'],
    ['projects:\n  - project: a\n    schemas: {x: y}', 'line 3, column 14', 'a list of them'],
    ['projects:\n  - project: a\n    command: restore', 'line 3, column 5', '`command` is not known here'],
    ['projects: []', 'line 1, column 11', 'no project'],
    ['', 'line 1, column 1', ''],
    ['projects:\n  - project: a\n   secrets: hunter2secret', 'line 3', 'no valid YAML'],
    ['projects:\n  - project: a\n    project: b', 'line 3, column 5', 'no valid YAML']
  ])('refuses %j at its line and column', (text, position, reason) => {
    const message = refusal(text)
    expect(message).toContain(position)
    expect(message).toContain(reason)
    if (!text.includes('type:')) expect(message).not.toContain('hunter2secret')
  })

  test('names all faults at once, but not without end', () => {
    const entries = Array.from({ length: 30 }, (_, index) => `  - project: p${index}\n    nonsense: 1`).join('\n')
    expect(refusal(`projects:\n${entries}`)).toMatch(/line 3, .*line 5, .*and 10 more/)
  })

  test('F66: a file that is nested without end is refused, not run into', () => {
    for (const level of ['[', '{a: ', '- '])
      expect(refusal(`projects:\n  ${level.repeat(20_000)}`)).toMatch(/RESOURCE_EXHAUSTION|nested too deeply/)
  })

  test('a fault in an entry that is an alias is shown where the alias stands', () => {
    const message = refusal('projects:\n  - &a {project: a, nonsense: 1}\n  - *a')
    expect(message).toContain('line 2, column 21: `nonsense` is not known here')
    expect(message).toContain('line 3, column 5: `nonsense` is not known here')
  })

  test('every input that an entry may set has a parser, so that no value goes unseen', () => {
    const read = new Set(fieldsSchema.options.flatMap(({ shape }) => Object.keys(shape)))
    expect(projectInputs.filter((name) => !read.has(name))).toEqual([])
  })

  test('aliases that unfold without end are refused', () => {
    const bomb = [
      'a: &a [x,x,x,x,x,x,x,x,x]',
      ...'bcdefgh'.split('').map((name, index) => `${name}: &${name} [${`*${'abcdefg'[index]},`.repeat(9)}]`)
    ]
    expect(refusal(`${bomb.join('\n')}\nprojects: [{project: a}]`)).toContain('aliases')
  })
})

describe('docs/projects.schema.json', () => {
  const documented = documentedSchemas.find((one) => one.file === 'projects.schema.json')

  test('is up to date', () => {
    if (documented === undefined) throw new Error('not documented')
    expect(readFileSync(new URL('docs/projects.schema.json', root), 'utf8')).toBe(schemaText(documented))
  })

  test('takes what the program takes, and refuses secrets in plain sight', () => {
    const validate = new Ajv2020({ strict: false }).compile(
      JSON.parse(readFileSync(new URL('docs/projects.schema.json', root), 'utf8'))
    )
    expect(validate(parse(example))).toBe(true)
    expect(validate({ projects: [{ project: 'a', 'database-url': 'x' }] })).toBe(false)
    expect(validate({ projects: [{ project: 'a', secrets: { 'database-url': 'postgresql://x' } }] })).toBe(false)
  })
})
