import { readFileSync } from 'node:fs'
import { Ajv2020 } from 'ajv/dist/2020.js'
import { describe, expect, test } from 'vitest'
import { documentedSchemas, schemaText } from '../../../scripts/schemas.ts'
import { noticeOf, noticeSchema } from '../../../src/notify/notice.ts'
import { bodyFor } from '../../../src/notify/webhook.ts'
import type { Result } from '../../../src/result.ts'

const run = { serverUrl: 'https://github.com', repository: 'acme/shop', runId: '42' }

function result(rest: Partial<Result> = {}): Result {
  return {
    command: 'backup',
    status: 'failed',
    startedAt: '2026-11-22T12:00:00.000Z',
    durationMs: 1234,
    tool: 'supabase-backup 1.0.0',
    project: 'shop',
    error: { code: 'SB601', message: 'table "secret_plans" differs', remedy: 'look at "secret_plans"' },
    verified: 'none',
    destinations: [{ name: 'release', place: 'acme/shop', stored: false, url: null, error: 'secret_plans' }],
    backups: [],
    url: null,
    path: null,
    warnings: ['secret_plans has no key'],
    findings: [{ kind: 'difference', subject: 'secret_plans', detail: 'rows' }],
    alarms: [{ kind: 'shrunk', detail: 'secret_plans lost rows' }],
    ...rest
  }
}

describe('a notice', () => {
  test('T19: says what happened without a name from inside the project', () => {
    const notice = noticeOf(result(), undefined, run)
    expect(noticeSchema.strict().parse(notice)).toMatchObject({
      event: 'failure',
      project: 'shop',
      error: { code: 'SB601' },
      alarms: [{ kind: 'shrunk', detail: null }],
      warnings: 1,
      runUrl: 'https://github.com/acme/shop/actions/runs/42'
    })
    expect(JSON.stringify(notice)).not.toContain('secret_plans')
    expect(notice.text).toMatch(/^Backup of shop: failed\n.*SB601/s)
  })

  test('anything but complete is a failure', () => {
    for (const status of ['partial', 'anomalous', 'failed', 'nothing'] as const)
      expect(noticeOf(result({ status }), undefined, run).event).toBe('failure')
    expect(noticeOf(result({ status: 'complete' }), undefined, run).event).toBe('success')
    expect(noticeOf(result({ project: null }), 'blog', run).project).toBe('blog')
  })

  test('of a dry run says so', () => {
    const dry = noticeOf(result({ command: 'restore', status: 'complete' }), undefined, run, true)
    expect(dry).toMatchObject({ event: 'success', dryRun: true })
    expect(dry.text).toMatch(/^Restore of shop \(dry run\): complete\n/)
    expect(noticeOf(result(), undefined, run).dryRun).toBe(false)
  })

  test('fits the schema that is documented, which is up to date', () => {
    const documented = documentedSchemas.find((one) => one.file === 'notification.schema.json')
    if (documented === undefined) throw new Error('not documented')
    const text = readFileSync(new URL('../../../docs/notification.schema.json', import.meta.url), 'utf8')
    expect(text).toBe(schemaText(documented))
    const validate = new Ajv2020({ strict: false }).compile(JSON.parse(text))
    expect(validate(noticeOf(result(), undefined, run))).toBe(true)
    expect(validate({ event: 'failure' })).toBe(false)
  })

  test('takes the shape that Slack and Discord take, by their hosts alone', () => {
    const notice = { ...noticeOf(result(), undefined, run), text: 'a <b> & c' }
    expect(Object.keys(bodyFor(new URL('https://chat.googleapis.com/v1/spaces/x/messages?key=y'), notice))).toEqual([
      'text'
    ])
    for (const teams of [
      'https://prod-1.westeurope.logic.azure.com/workflows/x/triggers/manual/paths/invoke',
      'https://default1.environment.api.powerplatform.com/powerautomate/automations/direct/workflows/x',
      'https://acme.webhook.office.com/webhookb2/x'
    ])
      expect(bodyFor(new URL(teams), notice)).toMatchObject({
        type: 'message',
        attachments: [{ content: { type: 'AdaptiveCard', body: [{ type: 'TextBlock', wrap: true }] } }]
      })
    expect(bodyFor(new URL('https://hooks.slack.com/services/T/B/x'), notice)).toEqual({
      text: '❌ a &lt;b&gt; &amp; c'
    })
    expect(bodyFor(new URL('https://discord.com/api/webhooks/1/x'), { ...notice, text: 'y'.repeat(3000) })).toEqual({
      content: `❌ ${'y'.repeat(1998)}`,
      allowed_mentions: { parse: [] }
    })
    for (const other of [
      'https://example.com/hooks.slack.com',
      'https://hooks.slack.com.evil.example/x',
      'https://notdiscord.com/api/webhooks/1/x'
    ])
      expect(bodyFor(new URL(other), notice)).toBe(notice)
  })
})
