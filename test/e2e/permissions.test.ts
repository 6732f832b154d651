import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { shown } from '../kit/action.ts'
import type { Permissions } from '../kit/github/permissions.ts'
import { day, earlierBackup } from '../kit/history.ts'
import { type Place, type Places, startPlaces } from '../kit/places.ts'
import { binDirOf } from '../kit/postgres/programs.ts'
import { type PostgresServer, startPostgres } from '../kit/postgres/server.ts'

// What the README says that each command needs of the job's token, and nothing else. Artifacts are stored with the runner's own token.

const nothing: Permissions = { contents: 'none', actions: 'none', issues: 'none' }
type Level = 'read' | 'write'
interface Row {
  readonly place: Place
  readonly command: string
  readonly needs: Partial<Record<keyof Permissions, Level>>
}
const rows: readonly Row[] = [
  ...['backup', 'list', 'pin', 'download', 'verify', 'check'].map((command): Row => {
    return { place: 'artifact', command, needs: { actions: 'read' } }
  }),
  ...['prune', 'delete'].map((command): Row => ({ place: 'artifact', command, needs: { actions: 'write' } })),
  ...(['release', 'repository'] as const).flatMap((place) => [
    ...['list', 'download'].map((command): Row => ({ place, command, needs: { contents: 'read' } })),
    ...['backup', 'verify', 'pin', 'prune', 'delete'].map((command): Row => {
      return { place, command, needs: { contents: 'write' } }
    }),
    { place, command: 'check', needs: { contents: 'read', actions: 'read' } } satisfies Row
  ])
]

let places: Places
let server: PostgresServer
beforeAll(async () => {
  places = await startPlaces()
  server = await startPostgres({ major: 15 })
  await server.query('create table public.orders as select generate_series(1, 10) n')
})
afterAll(async () => {
  await places.stop()
  await server.stop('immediate')
})
beforeEach(() => {
  places.reset()
  allow(undefined)
})

/** Gives the token these permissions, at the API and at git. */
function allow(permissions: Permissions | undefined): void {
  places.github.permissions = permissions
  places.git.fault =
    permissions === undefined || permissions.contents === 'write'
      ? undefined
      : ({ path, query }) => {
          const writes = `${path}?${query}`.includes('git-receive-pack')
          if (permissions.contents === 'read' && !writes) return undefined
          const body = writes ? 'Write access to repository not granted.' : 'Not Found'
          return { kind: 'status', status: 403, body }
        }
}

async function run({ place, command }: Row, permissions: Permissions) {
  // What is downloaded as it is stored needs no contents.
  const encryption = { scheme: 'age-x25519' as const, recipients: ['0123456789abcdef'] }
  const backups = [2, 3].map((days) => earlierBackup(days * day, command === 'download' ? { encryption } : {}))
  await places.seed(backups)
  allow(permissions)
  const old = backups[1]?.ref.id ?? ''
  const own: Readonly<Record<string, Readonly<Record<string, string>>>> = {
    backup: {
      'database-url': server.url(server.superuser, 'postgres'),
      'pg-bin': binDirOf(15),
      plaintext: 'private',
      verify: 'none'
    },
    pin: { command: 'list', pin: old },
    verify: { verify: 'checksum' },
    prune: { 'keep-last': '1' },
    delete: { backup: old, 'confirm-target': old },
    check: { 'max-age': '90d' }
  }
  const elsewhere = place === 'repository' ? {} : { branch: '' }
  return places.run({ command, project: 'shop', destinations: place, folder: '', ...elsewhere, ...own[command] })
}

describe.each(rows.map((row) => ({ ...row, name: `${row.command} at ${row.place}` })))('T18: $name', (row) => {
  test('is done with exactly the permissions that it needs', async () => {
    const done = await run(row, { ...nothing, ...row.needs })
    const warnings = done.result?.warnings.filter((warning) => !warning.startsWith('This backup is not encrypted'))
    expect({ code: done.code, error: done.result?.error, warnings }).toEqual({ code: 0, warnings: [] })
  })

  test.each(Object.entries(row.needs))(
    'without %s: %s it fails, or says what it could not do, and names the permission',
    async (scope, level) => {
      const done = await run(row, { ...nothing, ...row.needs, [scope]: level === 'write' ? 'read' : 'none' })
      const told = [shown(done.log), ...(done.result?.warnings ?? [])].join('\n')
      expect(told).toContain(`${scope}: ${level}`)
      expect({ failed: done.code !== 0, warned: (done.result?.warnings.length ?? 0) > 0 }).not.toEqual({
        failed: false,
        warned: false
      })
    }
  )
})
