import { describe, expect, test } from 'vitest'
import { githubError } from '../../../../src/clients/github/errors.ts'
import type { Github, GithubRequest } from '../../../../src/clients/github/index.ts'
import { assertMayWrite, assertTagAllowed } from '../../../../src/clients/github/write-access.ts'
import { UserError } from '../../../../src/errors.ts'

const tag = 'backup-shop-20261201T000000Z-k2m7q5xa'

interface Answer {
  readonly status: number
  readonly message?: string
  readonly data?: unknown
}

/** GitHub as it answers each route; what is not named is not there. */
function github(answers: Readonly<Record<string, Answer>>): Github {
  const request = async (route: string, { ruleset_id: id = '' }: Readonly<Record<string, unknown>>) => {
    const [method = '', path = ''] = route.split(' ')
    const { status, message = 'Not Found', data } = answers[`${path}${id}`] ?? answers[path] ?? { status: 404 }
    if (status < 400) return { data }
    throw githubError(
      {
        method,
        route: path,
        repository: 'acme/backups',
        status,
        headers: {},
        message,
        reasons: [],
        networkCode: undefined,
        cause: undefined
      },
      1,
      status >= 500
    )
  }
  const unasked = () => Promise.reject(new Error('not asked for here'))
  return {
    request: request as unknown as GithubRequest,
    retries: 0,
    once: unasked,
    send: unasked,
    receive: unasked,
    serverTime: () => undefined,
    pause: () => Promise.resolve()
  }
}

const refs = '/repos/{owner}/{repo}/git/refs/{ref}'
const rulesets = '/repos/{owner}/{repo}/rulesets'

async function told(work: Promise<unknown>): Promise<string> {
  try {
    await work
    return 'yes'
  } catch (thrown) {
    if (!(thrown instanceof UserError)) throw thrown
    return `${thrown.code} ${thrown.message} ${thrown.remedy}`
  }
}

describe('before the work of a backup', () => {
  const asked = (status: number, message: string) =>
    told(assertMayWrite(github({ [refs]: { status, message } }), 'acme/backups', tag))

  test('a tag that is not there says that one could be made', async () => {
    expect(await asked(422, 'Reference does not exist')).toBe('yes')
  })
  test('no permission, an archive and a token that ended are told with what to do', async () => {
    expect(await asked(403, 'Resource not accessible by integration')).toMatch(
      /^SB403 .*`permissions: contents: write`/
    )
    expect(await asked(403, 'Repository was archived so is read-only.')).toMatch(/^SB403 .*Unarchive acme\/backups/)
    expect(await asked(403, 'forbids access via a token if its lifetime is greater than 366 days')).toMatch(
      /^SB403 .*Make a token that ends/
    )
    expect(await asked(401, 'Bad credentials')).toMatch(/^SB402 .*lives one hour/)
  })
  test('what may pass stops nothing', async () => {
    expect(await asked(500, 'Server Error')).toBe('yes')
  })
  test('a repository without a commit is told apart', async () => {
    const empty = github({ [refs]: { status: 409, message: 'Git Repository is empty.' } })
    expect(await assertMayWrite(empty, 'acme/backups', tag)).toBe(false)
  })
})

describe('a ruleset for tags', () => {
  const ruleset = (more: Readonly<Record<string, unknown>> = {}, include = ['~ALL'], exclude: string[] = []) =>
    told(
      assertTagAllowed(
        github({
          [rulesets]: { status: 200, data: [{ id: 7, target: 'tag', enforcement: 'active' }] },
          [`${rulesets}/{ruleset_id}7`]: {
            status: 200,
            data: {
              name: 'no tags',
              conditions: { ref_name: { include, exclude } },
              rules: [{ type: 'creation' }],
              ...more
            }
          }
        }),
        'acme/backups',
        tag
      )
    )

  test('that forbids tags of backups is told before the dump', async () => {
    expect(await ruleset()).toMatch(/^SB407 The ruleset "no tags" of acme\/backups .*begin with `backup-`/)
    expect(await ruleset({}, ['refs/tags/backup-*'])).toMatch(/^SB407/)
  })
  test('that leaves them out, may be bypassed, or forbids something else does not matter', async () => {
    expect(await ruleset({}, ['refs/tags/v*'])).toBe('yes')
    expect(await ruleset({}, ['~ALL'], ['refs/tags/backup-*'])).toBe('yes')
    expect(await ruleset({ current_user_can_bypass: 'always' })).toBe('yes')
    expect(await ruleset({ rules: [{ type: 'deletion' }] })).toBe('yes')
  })
  test('that cannot be read says nothing', async () => {
    expect(await told(assertTagAllowed(github({}), 'acme/backups', tag))).toBe('yes')
    expect(await told(assertTagAllowed(github({ [rulesets]: { status: 200, data: {} } }), 'acme/backups', tag))).toBe(
      'yes'
    )
  })
  test('at publishing it is told as a rule, too', () => {
    const error = githubError(
      {
        method: 'PATCH',
        route: '/repos/{owner}/{repo}/releases/{release_id}',
        repository: 'acme/backups',
        status: 422,
        headers: {},
        message: 'Repository rule violations found: Cannot create ref due to creations being restricted.',
        reasons: [],
        networkCode: undefined,
        cause: undefined
      },
      1,
      false
    )
    expect(error.code).toBe('SB407')
  })
})
