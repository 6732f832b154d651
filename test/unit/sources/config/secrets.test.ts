import { describe, expect, test } from 'vitest'
import { authFields } from '../../../../src/sources/config/auth-fields.ts'
import { groupOfSecret } from '../../../../src/sources/config/difference.ts'
import { isSecretName, withoutSecrets } from '../../../../src/sources/config/secrets.ts'

describe('secret settings', () => {
  test('of Auth are known by their names, and nothing else is', () => {
    const secret = authFields.filter((name) => isSecretName(name))
    expect(secret.filter((name) => !/^external_\w+_secret$|^hook_\w+_secrets$/.test(name))).toEqual(
      [
        'smtp_pass',
        'security_captcha_secret',
        'sms_messagebird_access_key',
        'sms_test_otp',
        'sms_textlocal_api_key',
        'sms_twilio_auth_token',
        'sms_twilio_verify_auth_token',
        'sms_vonage_api_key',
        'sms_vonage_api_secret',
        'nimbus_oauth_client_secret'
      ].sort((a, b) => secret.indexOf(a) - secret.indexOf(b))
    )
    expect(authFields.filter((name) => /_secrets?$/.test(name) && !secret.includes(name))).toEqual([])
  })

  test('are left out at every depth and named; empty ones stay', () => {
    const { value, omitted } = withoutSecrets(
      {
        a: [{ smtp_pass: 'x', smtp_host: 'h' }],
        b: { api_key: '', jwt_secret: 'y' },
        hook: 'https://u:p@h/',
        keys: [{ kty: 'RSA', n: 'n', d: 'd' }]
      },
      'top',
      false
    )
    expect(value).toEqual({ a: [{ smtp_host: 'h' }], b: { api_key: '' }, keys: [{ kty: 'RSA', n: 'n' }] })
    expect(omitted).toEqual(['top.a[0].smtp_pass', 'top.b.jwt_secret', 'top.hook', 'top.keys[0].d'])
  })

  test('included ones leave out what is never kept', () => {
    const { value, omitted } = withoutSecrets(
      { smtp_pass: 'x', jwt_secret: 'y', key: { kty: 'oct', k: 'z' } },
      'top',
      true
    )
    expect(value).toEqual({ smtp_pass: 'x', key: { kty: 'oct' } })
    expect(omitted).toEqual(['top.jwt_secret', 'top.key.k'])
  })

  test('deep nesting from a server ends', () => {
    let deep: unknown = 'end'
    for (let depth = 0; depth < 2_000; depth += 1) deep = { deeper: deep }
    expect(withoutSecrets(deep, 'top', false).omitted).toHaveLength(1)
  })

  test.each([
    ['external_apple_secret', 'external_apple_'],
    ['smtp_pass', 'smtp_'],
    ['sms_twilio_auth_token', 'sms_twilio_'],
    ['sms_vonage_api_key', 'sms_vonage_'],
    ['hook_send_sms_secrets', 'hook_send_sms_'],
    ['security_captcha_secret', 'security_captcha_']
  ])('%s belongs to %s', (name, group) => {
    expect(groupOfSecret(name)).toBe(group)
  })
})
