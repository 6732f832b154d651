import { describe, expect, test } from 'vitest'
import { backupId, localUrl, read, ref, refusal } from './reading.ts'

const given = { 'database-url': localUrl }
const refused = (name: string, value: string, more: Readonly<Record<string, string>> = {}) =>
  refusal({ command: 'backup', ...given, ...more, [name]: value })

describe('fields at their edges', () => {
  test('a project ref is told how it looks', () => {
    expect(refused('project-ref', 'abc').message).toContain('20 lower-case letters')
    expect(read('backup', { 'project-ref': ref, 'database-url': localUrl }).command).toBe('backup')
  })

  test('only a whole JWT is looked into for its role, and what is none is a key like others', () => {
    const payload = (text: string) => Buffer.from(text).toString('base64url')
    const anon = payload('{"role":"anon"}')
    const take = (key: string) =>
      read('backup', { ...given, 'project-ref': ref, 'service-role-key': key, include: 'database,storage' }).command
    expect(refused('service-role-key', `e30.${anon}.`, { 'project-ref': ref }).code).toBe('SB006')
    expect(refused('service-role-key', `e30.${anon}.abc`, { 'project-ref': ref }).code).toBe('SB006')
    expect(refused('service-role-key', `e30.${payload('{}')}.x`, { 'project-ref': ref }).code).toBe('SB006')
    for (const key of [
      `%e30.${anon}.x`,
      `e30.${anon}.x%`,
      `e30.${payload('null')}.x`,
      `e30.${payload('"anon"')}.x`,
      `e30.${payload('7')}.x`,
      `e30.${payload('{"role"')}.x`
    ])
      expect(take(key), key).toBe('backup')
  })

  test('keep rules: nothing is refused in every spelling, a number that only begins with 0 is not nothing', () => {
    for (const [name, zeros] of [
      ['keep-last', ['0', '00']],
      ['keep-within', ['0', '00', '0d', '00h']],
      ['keep-max-bytes', ['0', '00', '0 GB', '00GB', '0gb']]
    ] as const)
      for (const zero of zeros) expect(refused(name, zero), `${name}: ${zero}`).toMatchObject({ code: 'SB008' })
    const kept = (name: string, value: string) =>
      read('prune', { destinations: 'folder', folder: '/kept', [name]: value }).keep
    expect(kept('keep-last', '05')?.last ?? refusal({ command: 'prune', 'keep-last': '05' }).code).not.toBe('SB008')
    expect(kept('keep-max-bytes', '10 MB')?.maxBytes).toBe(10_000_000)
    expect(kept('keep-within', '10d')?.withinMs).toBe(864_000_000)
    expect(kept('keep-weekly', '3')).toMatchObject({ weekly: 3 })
    expect(kept('keep-monthly', '4')).toMatchObject({ monthly: 4 })
    expect(kept('keep-yearly', '5')).toMatchObject({ yearly: 5 })
  })

  test('keep rules without a token are refused only where artifacts are all there is', () => {
    const rule = { command: 'prune', 'keep-last': '3' }
    expect(refusal({ ...rule, destinations: 'artifact' }).message).toContain('artifacts cannot be deleted')
    expect(read('prune', { ...rule, destinations: 'folder', folder: '/kept' }).keep).toMatchObject({ last: 3 })
    const both = { ...rule, destinations: 'artifact,folder', folder: '/kept' }
    expect(() => read('prune', both)).not.toThrow('artifacts cannot be deleted')
  })

  test('statements to check: a path ends with .sql, and semicolons go from the end of a line alone', () => {
    const checked = (text: string) => read('backup', { ...given, 'check-sql': text }).checkSql
    expect(checked('checks/all.sql')).toEqual({ kind: 'file', path: 'checks/all.sql' })
    expect(checked('select.sqlx')).toMatchObject({ kind: 'statements' })
    expect(checked("select ';' = ';' ;;")).toEqual({ kind: 'statements', statements: ["select ';' = ';'"] })
  })

  test('without a key nothing is opened and no canary heard', () => {
    expect(read('verify', { backup: backupId })).toMatchObject({ identities: [], canaryWords: [] })
  })
})
