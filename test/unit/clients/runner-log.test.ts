import { afterEach, expect, test, vi } from 'vitest'
import { createRunnerLog } from '../../../src/clients/runner-log.ts'
import { fullStop } from '../../../src/text/format.ts'

const clock = { now: () => new Date(0), monotonic: () => 0, sleep: () => Promise.resolve() }

function written(work: (log: ReturnType<typeof createRunnerLog>) => unknown): Promise<string> {
  const texts: string[] = []
  const spy = vi.spyOn(process.stdout, 'write').mockImplementation((text) => {
    texts.push(String(text))
    return true
  })
  return Promise.resolve(work(createRunnerLog(clock, (text) => text))).then(() => {
    spy.mockRestore()
    return texts.join('')
  })
}
afterEach(() => {
  vi.restoreAllMocks()
})

test('groups are never nested: GitHub would end the outer one with the inner one', async () => {
  const text = await written((log) =>
    log.group('outer', async () => {
      await log.group('inner', () => Promise.resolve())
      log.info('still in it')
    })
  )
  expect(text.match(/::group::/g)).toHaveLength(1)
  expect(text.trimEnd().split('\n')).toEqual(['::group::outer', 'inner', 'still in it', '::endgroup::'])
})

test('an error has a title for people, and whole sentences', async () => {
  const error = { title: 'The password is wrong', code: 'SB104', message: 'for user "app"', remedy: 'Check it' }
  expect(await written((log) => log.error(error))).toBe(
    '::error title=The password is wrong::SB104: for user "app". Check it.\n'
  )
})

test('the verdict is an annotation of its own', async () => {
  expect(await written((log) => log.verdict('✅ shop is backed up.'))).toBe('::notice::✅ shop is backed up.\n')
})

test('a sentence gets a full stop where it has no end', () => {
  expect(['a', 'a.', 'a!', 'a (b)', ''].map(fullStop)).toEqual(['a.', 'a.', 'a!', 'a (b).', ''])
})
