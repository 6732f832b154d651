import { describe, expect, it } from 'vitest'
import { cliCommands, isSecret, isSwitch, readWords, variableOf } from '../../../src/cli/arguments.ts'
import { helpOf, helpOfAll, inputsFor } from '../../../src/cli/help.ts'
import { inputTexts } from '../../../src/cli/inputs.ts'
import { UserError } from '../../../src/errors.ts'
import { declaredInputs, inputNames } from '../../../src/inputs/input-definitions.ts'

const nobody = { env: {}, ask: undefined, githubToken: () => undefined }
const refusal = (words: readonly string[]): UserError => {
  try {
    readWords(words)
  } catch (error) {
    if (error instanceof UserError) return error
    throw error
  }
  throw new Error(`taken: ${words.join(' ')}`)
}

describe('the words of a command line', () => {
  it('are inputs under their own names, lists item by item, switches alone', () => {
    const words = readWords([
      'restore',
      '--folder',
      '/b',
      '--tables=public.a',
      '--tables',
      'public.b',
      '--dry-run',
      '--json'
    ])
    expect(words.command).toBe('restore')
    expect(Object.fromEntries(words.values)).toEqual({ folder: '/b', tables: 'public.a\npublic.b', 'dry-run': 'true' })
    expect([...words.flags]).toEqual(['json'])
    expect(readWords(['restore', '--safety-backup', 'false']).values.get('safety-backup')).toBe('false')
  })

  it('name a backup without a flag, and for diff two', () => {
    expect(readWords(['show', '20261122T161908Z-k2m7q5xa']).values.get('backup')).toBe('20261122T161908Z-k2m7q5xa')
    const words = readWords(['diff', 'one', 'two'])
    expect([words.values.get('backup'), words.against]).toEqual(['one', 'two'])
    expect(refusal(['list', 'surplus']).code).toBe('SB001')
    expect(refusal(['diff', 'a', 'b', 'c']).code).toBe('SB001')
  })

  it('never hold a secret: none of them takes a value, and no message repeats one', () => {
    for (const name of inputNames.filter(isSecret)) {
      for (const words of [
        ['restore', `--${name}`, 'hush-hush'],
        ['restore', `--${name}=hush-hush`]
      ]) {
        const error = refusal(words)
        expect(`${error.message} ${error.remedy}`).not.toContain('hush')
        expect(error.remedy).toContain(variableOf(name))
      }
      expect(readWords(['restore', `--${name}`]).asked).toEqual([name])
      expect(readWords(['restore', `--${name}-file`, '/key.txt']).files.get(name)).toBe('/key.txt')
    }
  })

  it('that are not known are refused with the one that was most likely meant', () => {
    expect(refusal(['restor']).message).toContain('Did you mean `restore`?')
    expect(refusal(['list', '--foldr', 'x']).message).toContain('Did you mean `--folder`?')
    expect(refusal(['list', '--folder']).code).toBe('SB003')
    expect(refusal(['list', '--command', 'x']).code).toBe('SB001')
  })
})

describe('the help', () => {
  it.each(cliCommands)('of %s names every input that it takes, with its words, and no other', (command) => {
    const text = helpOf(command, 10_000)
    for (const name of inputNames) {
      const isTaken = inputsFor(command).includes(name)
      expect([name, new RegExp(`^  --${name}[ ,]`, 'm').test(text)]).toEqual([name, isTaken])
      if (isTaken)
        expect(text).toContain(declaredInputs[name].doc.replaceAll('`', '').replace(/\[([^\]]+)\]\([^)]+\)/g, '$1'))
      if (isTaken && isSecret(name)) expect(text).toContain(variableOf(name))
      if (isTaken && isSwitch(name)) expect(text).toContain(`--${name} [true|false]`)
    }
  })

  it('lists all commands, and its lines fit', () => {
    for (const command of cliCommands) expect(helpOfAll()).toContain(`  ${command} `)
    for (const line of helpOf('restore', 80).split('\n')) expect(line.length).toBeLessThanOrEqual(80)
  })
})

describe('inputs', () => {
  it('come from flags before variables; where backups are follows from what is given', async () => {
    const env = { SUPABASE_BACKUP_FOLDER: '/from-variable', SUPABASE_BACKUP_DATABASE_URL: 'postgres://x' }
    const texts = await inputTexts(readWords(['backup', '--folder', '/typed']), { ...nobody, env })
    expect([texts.get('folder'), texts.get('database-url'), texts.get('destinations')]).toEqual([
      '/typed',
      'postgres://x',
      'folder'
    ])
    const bucket = await inputTexts(readWords(['list', '--s3-bucket', 'b']), nobody)
    expect(bucket.get('destinations')).toBe('s3')
    await expect(inputTexts(readWords(['list']), nobody)).rejects.toMatchObject({ code: 'SB003' })
  })

  it('take the token of a login where GitHub is asked, and nowhere else', async () => {
    const around = { ...nobody, env: { GH_TOKEN: 'of-the-variable' }, githubToken: () => 'of-gh' }
    const typed = ['list', '--destinations', 'release', '--repository', 'a/b']
    expect((await inputTexts(readWords(typed), around)).get('token')).toBe('of-the-variable')
    expect((await inputTexts(readWords(typed), { ...around, env: {} })).get('token')).toBe('of-gh')
    expect((await inputTexts(readWords(['list', '--folder', '/x']), around)).has('token')).toBe(false)
  })

  it('ask for a secret only where somebody sits', async () => {
    const words = readWords(['show', '--folder', '/x', '--identity'])
    await expect(inputTexts(words, nobody)).rejects.toMatchObject({ code: 'SB003' })
    const texts = await inputTexts(words, { ...nobody, ask: async (question) => `answer to ${question}` })
    expect(texts.get('identity')).toBe('answer to identity: ')
    expect(texts.get('command')).toBe('download')
  })
})
