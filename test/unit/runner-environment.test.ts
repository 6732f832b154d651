import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { UserError } from '../../src/errors.ts'
import { needed, readEvent, readRunnerEnvironment, refuseUntrustedEvent } from '../../src/runner-environment.ts'

function codeOf(work: () => unknown): string {
  try {
    work()
  } catch (error) {
    if (error instanceof UserError) return error.code
    throw error
  }
  return 'none'
}

describe('what the runner says', () => {
  it('is taken under names of our own', () => {
    const environment = readRunnerEnvironment({
      GITHUB_API_URL: 'http://127.0.0.1:8080/api/v3/',
      GITHUB_SERVER_URL: 'http://127.0.0.1:8080',
      GITHUB_REPOSITORY: 'acme/app.backup',
      GITHUB_WORKFLOW_REF: 'acme/app/.github/workflows/night-ly.yml@refs/heads/main',
      GITHUB_EVENT_NAME: 'schedule',
      RUNNER_TEMP: '/tmp/runner',
      ACTIONS_RUNTIME_TOKEN: 'token',
      GITHUB_JOB: ' ',
      RUNNER_DEBUG: '1'
    })
    expect(environment).toMatchObject({
      apiUrl: 'http://127.0.0.1:8080/api/v3',
      serverUrl: 'http://127.0.0.1:8080',
      repository: 'acme/app.backup',
      workflowFile: 'night-ly.yml',
      eventName: 'schedule',
      runnerTemp: '/tmp/runner',
      runtimeToken: 'token',
      job: undefined,
      debug: true
    })
  })

  it('has the addresses of GitHub where it says nothing', () => {
    expect(readRunnerEnvironment({})).toMatchObject({
      apiUrl: 'https://api.github.com',
      serverUrl: 'https://github.com',
      repository: undefined,
      workflowFile: undefined
    })
  })

  it('is refused where an address is none, and a repository that is no owner/name counts as not said', () => {
    expect(codeOf(() => readRunnerEnvironment({ GITHUB_SERVER_URL: 'file:///etc' }))).toBe('SB010')
    expect(codeOf(() => readRunnerEnvironment({ GITHUB_API_URL: 'x' }))).toBe('SB010')
    for (const GITHUB_REPOSITORY of ['acme', 'acme/', '/app', 'a/b/c', 'a b/c', '--upload-pack=x/y z']) {
      expect(readRunnerEnvironment({ GITHUB_REPOSITORY }).repository).toBeUndefined()
    }
  })

  it('names what is missing and what for, when it is needed', () => {
    const environment = readRunnerEnvironment({ RUNNER_TEMP: '/t' })
    expect(needed(environment, 'runnerTemp', 'for temporary files')).toBe('/t')
    expect(() => needed(environment, 'runtimeToken', 'to keep artifacts')).toThrow(
      /ACTIONS_RUNTIME_TOKEN.*to keep artifacts/
    )
  })
})

describe('T16: events that strangers start', () => {
  const own = { repository: { full_name: 'acme/app' } }
  const pull = (head: unknown) => ({ ...own, pull_request: { head: { repo: head } } })
  const completed = (head: unknown) => ({ ...own, workflow_run: { head_repository: head } })

  it.each([
    ['schedule', own, 'none'],
    ['workflow_dispatch', undefined, 'none'],
    ['push', own, 'none'],
    ['pull_request', pull({ full_name: 'acme/app' }), 'none'],
    ['pull_request', pull({ full_name: 'Acme/App' }), 'none'],
    ['pull_request', pull({ full_name: 'stranger/app' }), 'SB009'],
    ['pull_request', pull(null), 'SB009'],
    ['pull_request', undefined, 'SB009'],
    ['pull_request', 'text', 'SB009'],
    ['pull_request_review', pull({ full_name: 'stranger/app' }), 'SB009'],
    ['pull_request_target', pull({ full_name: 'acme/app' }), 'SB009'],
    ['workflow_run', completed({ full_name: 'acme/app' }), 'none'],
    ['workflow_run', completed({ full_name: 'stranger/app' }), 'SB009'],
    ['workflow_run', own, 'SB009']
  ])('%s %j: %s', (name, event, expected) => {
    const environment = readRunnerEnvironment({ GITHUB_EVENT_NAME: name })
    expect(codeOf(() => refuseUntrustedEvent(environment, event))).toBe(expected)
  })

  it('reads the payload, and takes one that cannot be read for unknown', () => {
    const folder = mkdtempSync(join(tmpdir(), 'event-'))
    try {
      const path = join(folder, 'event.json')
      writeFileSync(path, JSON.stringify(own))
      expect(readEvent(readRunnerEnvironment({ GITHUB_EVENT_PATH: path }))).toEqual(own)
      writeFileSync(path, '{')
      expect(readEvent(readRunnerEnvironment({ GITHUB_EVENT_PATH: path }))).toBeUndefined()
      expect(readEvent(readRunnerEnvironment({ GITHUB_EVENT_PATH: join(folder, 'none') }))).toBeUndefined()
      expect(readEvent(readRunnerEnvironment({}))).toBeUndefined()
    } finally {
      rmSync(folder, { recursive: true })
    }
  })
})
