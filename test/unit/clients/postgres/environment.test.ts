import { chmod, mkdtemp, readdir, readFile, rm, stat } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import fc from 'fast-check'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { ConnectionTarget } from '../../../../src/clients/postgres/connection.ts'
import { dbnameArgument, libpqEnvironment, passwordLine } from '../../../../src/clients/postgres/environment.ts'

const target: ConnectionTarget = {
  host: 'db.example.org',
  port: 5433,
  user: 'po:st\\gres',
  password: 'pa:ss\\word canary',
  database: 'my:db',
  tls: { mode: 'verify-full', rootCertificates: '-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n' }
}

let folder: string
beforeAll(async () => {
  folder = await mkdtemp(path.join(tmpdir(), 'sb-env-'))
  await chmod(folder, 0o700)
})
afterAll(() => rm(folder, { recursive: true, force: true }))

describe('T6: the environment of libpq', () => {
  test('holds no password; the file that it names is for this user and this target alone', async () => {
    const { env, dispose } = await libpqEnvironment(target, folder)
    expect(JSON.stringify(env)).not.toContain('canary')
    const file = env.PGPASSFILE ?? ''
    expect(await readFile(file, 'utf8')).toBe('db.example.org:5433:my\\:db:po\\:st\\\\gres:pa\\:ss\\\\word canary\n')
    expect((await stat(file)).mode & 0o777).toBe(0o600)
    expect((await stat(path.dirname(file))).mode & 0o777).toBe(0o700)
    await dispose()
    await dispose()
    expect(await readdir(folder)).toEqual([])
  })

  test('F42: takes nothing of this process but PATH and points every file of libpq into its own folder', async () => {
    process.env.PGOPTIONS = '-c search_path=evil'
    process.env.PGSERVICE = 'evil'
    process.env.INPUT_TOKEN = 'canary'
    try {
      const { env, dispose } = await libpqEnvironment(target, folder, { applicationName: 'a name' })
      const home = path.dirname(env.PGPASSFILE ?? '')
      expect(env).toEqual({
        PATH: process.env.PATH,
        HOME: home,
        TMPDIR: home,
        LANG: 'C',
        LC_ALL: 'C',
        TZ: 'UTC',
        PGHOST: 'db.example.org',
        PGPORT: '5433',
        PGUSER: target.user,
        PGDATABASE: 'my:db',
        PGPASSFILE: `${home}/passwords`,
        PGSSLMODE: 'verify-full',
        PGSSLROOTCERT: `${home}/roots.crt`,
        PGSSLCERT: `${home}/none.crt`,
        PGSSLKEY: `${home}/none.key`,
        PGSSLCRL: `${home}/none.crl`,
        PGSSLCERTMODE: 'disable',
        PGGSSENCMODE: 'disable',
        PGCONNECT_TIMEOUT: '30',
        PGAPPNAME: 'a name',
        PGSERVICEFILE: `${home}/none.conf`,
        PGSYSCONFDIR: home
      })
      expect(await readFile(env.PGSSLROOTCERT ?? '', 'utf8')).toContain('AAAA')
      await dispose()
    } finally {
      delete process.env.PGOPTIONS
      delete process.env.PGSERVICE
      delete process.env.INPUT_TOKEN
    }
  })

  test.each([
    ['prefer', 'require', 'require'],
    ['prefer', 'none', 'prefer'],
    ['allow', 'require', 'require'],
    ['verify-ca', 'verify-ca', 'verify-ca'],
    ['disable', 'none', 'disable']
  ] as const)('sslmode %s with an established %s becomes %s', async (mode, established, expected) => {
    const { env, dispose } = await libpqEnvironment({ ...target, tls: { mode, rootCertificates: null } }, folder, {
      established
    })
    expect(env.PGSSLMODE).toBe(expected)
    await dispose()
  })

  test('the roots of the machine are handed over as a file', async () => {
    const { env, dispose } = await libpqEnvironment(
      { ...target, tls: { mode: 'verify-full', rootCertificates: null } },
      folder
    )
    expect(
      (await readFile(env.PGSSLROOTCERT ?? '', 'utf8')).split('-----BEGIN CERTIFICATE-----').length
    ).toBeGreaterThan(50)
    await dispose()
  })

  test('the tenant of a pooler goes into PGOPTIONS', async () => {
    const { env, dispose } = await libpqEnvironment({ ...target, options: 'reference=abcdefghijklmnopqrst' }, folder)
    expect(env.PGOPTIONS).toBe('reference=abcdefghijklmnopqrst')
    await dispose()
  })
})

test('every field of a password line comes back as libpq reads it', () => {
  const field = fc.string({ unit: 'grapheme', minLength: 1 }).filter((text) => !/[\r\n\0]/.test(text))
  fc.assert(
    fc.property(field, field, field, (user, database, password) => {
      const line = passwordLine({ host: '::1', port: 5432, user, database }, password)
      expect(readFields(line.slice(0, -1))).toEqual(['::1', '5432', database, user, password])
    })
  )
})

/** As passwordFromFile of libpq: a backslash takes the next character, a colon ends the field. */
function readFields(line: string): string[] {
  const fields = ['']
  for (let at = 0; at < line.length; at += 1) {
    if (line[at] === ':') fields.push('')
    else {
      if (line[at] === '\\' && at + 1 < line.length) at += 1
      fields.push(`${fields.pop() ?? ''}${line[at] ?? ''}`)
    }
  }
  return fields
}

test('a database name is never taken for a connection string', () => {
  expect(dbnameArgument(`a'b\\c=d`)).toBe(`dbname='a\\'b\\\\c=d'`)
})
