import { describe, expect, test } from 'vitest'
import { pushOutcome } from '../../../../src/clients/git/errors.ts'

const rejected = (why: string) => `!\trefs/heads/backups:refs/heads/backups\t[remote rejected] (${why})\n`

describe('F55: what became of a push', () => {
  test.each([
    ['', 'remote: fatal error in commit_refs\nTo https://github.com/acme/shop.git', rejected('failure')],
    ['', 'error: failed to push some refs', rejected('Internal Server Error')],
    ['', 'remote: Internal Server Error', rejected('failure')],
    ['', 'error: failed to push some refs', '!\tx:y\t[remote failure] (remote failed to report status)\n']
  ])(
    'a failure of the server itself is none of its rules: what the branch is afterwards decides',
    (_, stderr, stdout) => {
      expect(pushOutcome('acme/shop', 1, stdout, stderr)).toMatchObject({ kind: 'unknown', error: { code: 'SB401' } })
    }
  )

  test.each([
    ['remote: error: GH006: Protected branch update failed', rejected('protected branch hook declined')],
    [
      'remote: error: GH013: Repository rule violations found',
      rejected('push declined due to repository rule violations')
    ],
    ['remote: no', rejected('pre-receive hook declined')]
  ])('a rule of the repository stays a refusal: %s', (stderr, stdout) => {
    expect(pushOutcome('acme/shop', 1, stdout, stderr)).toMatchObject({ kind: 'refused', error: { code: 'SB407' } })
  })
})
