import { expect, test } from 'vitest'
import { readNotifyInputs } from '../../../src/inputs/read-notify.ts'

const read = (inputs: Readonly<Record<string, string>>) => readNotifyInputs((name) => inputs[name] ?? '')

test('without inputs a failure of a backup would be told to nobody', () => {
  expect(read({})).toEqual({
    command: 'backup',
    notify: {
      on: 'failure',
      webhook: undefined,
      webhookPrivate: false,
      email: undefined,
      issue: false,
      ping: undefined
    },
    token: undefined,
    project: undefined,
    dryRun: false
  })
})

test('what is wrong elsewhere, or in one of them, silences none of the others', () => {
  const found = read({
    command: 'nonsense',
    'database-url': 'nonsense',
    'notify-on': 'sometimes',
    'notify-issue': 'true',
    'notify-webhook': 'https://hooks.example/x',
    'notify-webhook-private': 'true',
    'notify-email': 'ops@example.com',
    'smtp-url': 'smtp://mail.example',
    'ping-url': 'not an address',
    token: ' secret ',
    project: 'Shop'
  })
  expect(found).toMatchObject({
    command: undefined,
    notify: { on: 'failure', issue: true, webhookPrivate: true, ping: undefined },
    token: 'secret',
    project: 'shop'
  })
  expect(found.notify.webhook?.href).toBe('https://hooks.example/x')
  expect(found.notify.email?.to).toEqual(['ops@example.com'])
  expect(read({ 'notify-issue': 'yes', 'notify-webhook-private': '1', token: ' ' })).toMatchObject({
    notify: { issue: false, webhookPrivate: false },
    token: undefined
  })
  expect(read({ 'notify-on': ' always ', command: 'check' })).toMatchObject({
    command: 'check',
    notify: { on: 'always' }
  })
  expect(read({ 'notify-email': 'ops@example.com' }).notify.email).toBeUndefined()
  expect(read({ 'smtp-url': 'smtp://mail.example' }).notify.email).toBeUndefined()
})

test('the project is told by its label, its ref, its connection string or its address', () => {
  const ref = 'abcdefghijklmnopqrst'
  expect(read({ project: 'shop', 'project-ref': ref }).project).toBe('shop')
  expect(read({ 'project-ref': ref }).project).toBe(ref)
  expect(read({ 'database-url': `postgresql://postgres:x@db.${ref}.supabase.co:5432/postgres` }).project).toBe(ref)
  expect(read({ 'supabase-url': `https://${ref}.supabase.co` }).project).toBe(ref)
  expect(read({ 'project-ref': 'short' }).project).toBeUndefined()
  expect(read({ 'database-url': 'postgresql://me:x@db.example/shop' }).project).toMatch(/^db-example-shop-[0-9a-f]{8}$/)
})

test('a dry run is one of a command that knows it: a form ticks it for all', () => {
  for (const command of ['restore', 'prune', 'delete'])
    expect([read({ command, 'dry-run': 'true' }).dryRun, read({ command }).dryRun]).toEqual([true, false])
  for (const command of ['', 'backup', 'list']) expect(read({ command, 'dry-run': 'true' }).dryRun).toBe(false)
})
