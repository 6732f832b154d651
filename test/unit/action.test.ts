import { readdirSync, readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { describe, expect, it } from 'vitest'
import { parse } from 'yaml'
import {
  actionSchema,
  coreTable,
  errorPage,
  inputPage,
  outputTable,
  withInputs,
  withTable
} from '../../scripts/tables.ts'
import { errorCodes } from '../../src/error-codes.ts'
import { fieldsSchema } from '../../src/inputs/fields.ts'
import { readInputs } from '../../src/inputs/index.ts'
import { declaredInputs, inputNames } from '../../src/inputs/input-definitions.ts'

const action = actionSchema.parse(
  parse(readFileSync(fileURLToPath(new URL('../../action.yml', import.meta.url)), 'utf8'))
)

describe('action.yml', () => {
  it('has the inputs that are read, in the same order, with the same defaults', () => {
    expect(Object.keys(action.inputs)).toEqual(inputNames)
    for (const name of inputNames) {
      const expected = name === 'token' ? `\${{ github.token }}` : declaredInputs[name].default
      expect(action.inputs[name]?.default, name).toBe(expected)
    }
  })

  it('has no input that no command reads', () => {
    for (const name of inputNames) {
      expect(
        fieldsSchema.options.some((option) => Object.hasOwn(option.shape, name)),
        name
      ).toBe(true)
    }
  })

  it('gives defaults that change nothing', () => {
    const given: Record<string, string> = {
      'database-url': 'postgres://u:x@localhost/d',
      passphrase: 'correct horse battery staple',
      token: ''
    }
    const defaults = (name: string) =>
      Object.hasOwn(given, name) ? (given[name] ?? '') : (action.inputs[name]?.default ?? '')
    expect(readInputs(defaults)).toEqual(readInputs((name) => given[name] ?? ''))
  })

  it('has the outputs of the contract', () => {
    expect(Object.keys(action.outputs)).toEqual([
      'backup-id',
      'status',
      'verified',
      'size-bytes',
      'duration-ms',
      'url',
      'path',
      'backups',
      'result',
      'matrix'
    ])
  })

  it('is ready for the Marketplace', () => {
    expect(action.name).toBe('Supabase Backup')
    expect(action.description.length).toBeLessThanOrEqual(125)
    for (const { description } of Object.values(action.inputs)) expect(description).toMatch(/^[A-Za-z`].{10,}\.$/)
  })
})

describe('the error codes', () => {
  it.each(Object.entries(errorCodes))('%s has a title, a cause and a remedy in whole sentences', (code, entry) => {
    expect(code).toMatch(/^SB[0-9]{3}$/)
    expect(entry.title).toMatch(/^\S.*[^.]$/)
    expect(entry.cause).toMatch(/^\S.*\.$/)
    expect(entry.remedy).toMatch(/^\S.*\.$/)
  })

  it('are thrown somewhere, every one of them', () => {
    const src = fileURLToPath(new URL('../../src', import.meta.url))
    const files = readdirSync(src, { recursive: true, encoding: 'utf8' }).filter(
      (name) => name.endsWith('.ts') && name !== 'error-codes.ts'
    )
    const text = files.map((name) => readFileSync(`${src}/${name}`, 'utf8')).join('\n')
    expect(Object.keys(errorCodes).filter((code) => !text.includes(`'${code}'`))).toEqual([])
  })

  it('have a heading each in docs/errors.md, under an area', () => {
    const page = errorPage(errorCodes)
    for (const [code, entry] of Object.entries(errorCodes)) {
      expect(page.split(`\n### ${code}\n`)).toHaveLength(2)
      expect(page).toContain(`**${entry.title}.** ${entry.cause}\n\n*What to do:* ${entry.remedy}`)
    }
  })
})

describe('the tables of README.md', () => {
  it('have one row for each input and output, the README a dozen', () => {
    const page = inputPage(action)
    for (const name of inputNames)
      expect(page.split('\n## Outputs')[0]?.split(`\n| \`${name}\` |`), name).toHaveLength(2)
    for (const name of Object.keys(action.outputs))
      expect(page.split('\n## Outputs')[1], name).toContain(`\n| \`${name}\` |`)
    expect(page).toContain('| `max-age` | check, report | `26h` | Age of')
    expect(coreTable().split('\n').length - 2).toBeLessThanOrEqual(13)
    expect(coreTable()).toContain('| `destinations` | all | `artifact` |')
  })

  it('keep what stands around the inputs of action.yml', () => {
    expect(withInputs('name: x\n\ninputs:\n  old: {}\n\noutputs:\n  a: 1\n')).toMatch(
      /^name: x\n\ninputs:\n {2}# What to back up\n {2}command:\n[\s\S]*\n\noutputs:\n {2}a: 1\n$/
    )
    expect(() => withInputs('name: x\n')).toThrow('action.yml')
  })

  it('keep their cells apart', () => {
    const output = { description: 'a|b\nc' }
    expect(outputTable({ ...action, outputs: { one: output } })).toContain('| `one` | a\\|b c |')
  })

  it('replace what stood between the markers, and nothing else', () => {
    const text = 'a\n<!-- x:start -->\nold\n<!-- x:end -->\nb\n'
    expect(withTable(text, 'x', 'new')).toBe('a\n<!-- x:start -->\n\nnew\n\n<!-- x:end -->\nb\n')
    expect(withTable(withTable(text, 'x', 'new'), 'x', 'new')).toBe(withTable(text, 'x', 'new'))
    for (const bad of ['', '<!-- x:end --><!-- x:start -->', `${text}${text}`])
      expect(() => withTable(bad, 'x', 'new')).toThrow('README.md')
  })
})
