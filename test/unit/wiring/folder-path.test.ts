import { describe, expect, test } from 'vitest'
import { UserError } from '../../../src/errors.ts'
import { folderPath } from '../../../src/wiring/folder-path.ts'

const machine = {
  home: '/home/runner',
  workspace: '/home/runner/work/shop/shop',
  runnerTemp: '/home/runner/temp',
  isHosted: false
}
const codeOf = (typed: string, onlyPlace = true, at = machine) => {
  try {
    return folderPath(typed, at, onlyPlace).path
  } catch (thrown) {
    return thrown instanceof UserError ? thrown.code : String(thrown)
  }
}

describe('where the input `folder` leads', () => {
  test('`~` is the own home, as in a shell', () => {
    expect(codeOf('~/backups')).toBe('/home/runner/backups')
    expect(codeOf('~')).toBe('/home/runner')
    expect(codeOf('~other/backups')).toBe('SB001')
    expect(codeOf('~/x', true, { ...machine, home: '' })).not.toContain('~')
    expect(codeOf('/srv/~/backups')).toBe('/srv/~/backups')
  })

  test('what the next job empties is no only place of a backup', () => {
    for (const typed of ['/home/runner/work/shop/shop/backups', '/home/runner/temp/backups', '~/work/shop/shop'])
      expect(codeOf(typed)).toBe('SB013')
    expect(codeOf('/home/runner/work/shop/shop-backups')).toBe('/home/runner/work/shop/shop-backups')
    // Beside another place, and for commands that only read.
    expect(codeOf('/home/runner/temp/backups', false)).toBe('/home/runner/temp/backups')
  })

  test('a machine of GitHub ends with the job: a later step may take the folder away, and that is said', () => {
    const hosted = { ...machine, isHosted: true }
    expect(folderPath('/home/runner/temp/backups', hosted, true).warning).toContain('this machine ends with the job')
    expect(folderPath('/home/runner/temp/backups', hosted, false).warning).toBeUndefined()
  })
})
