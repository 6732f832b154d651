import { readFileSync, statSync } from 'node:fs'
import { access, chown, mkdir, mkdtemp, rename, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { type Major, runOk } from './programs.ts'

/** The bootstrap superuser of every server of the kit, as on the hosted platform. */
export const superuser = 'supabase_admin'

export interface ServerUser {
  readonly uid: number
  readonly gid: number
}

/** The operating system's user that servers run as: PostgreSQL refuses to run as root. */
export function serverUser(): ServerUser | undefined {
  if (process.getuid?.() !== 0) return undefined
  const line = readFileSync('/etc/passwd', 'utf8').match(/^postgres:[^:]*:(\d+):(\d+):/m)
  if (line === null) throw new Error('There is no user postgres on this machine. Run: sh scripts/install-parts')
  return { uid: Number(line[1]), gid: Number(line[2]) }
}

/** A folder for temporary files that the server's user can enter, too; in memory where the tests' own lie there (scripts/test). */
export function temporaryFolder(): string {
  const own = tmpdir()
  return process.getuid?.() !== 0 || (statSync(own).mode & 0o001) !== 0 ? own : '/tmp'
}

/**
 * An initialised cluster to copy from: `initdb` takes a second, a copy a tenth. Made once a machine and version, under a
 * name of its own first and then renamed, so that tests that run at the same time cannot see half of it.
 */
export async function templateFor(major: Major, binDir: string, user: ServerUser | undefined): Promise<string> {
  const version = (await runOk(path.join(binDir, 'postgres'), ['--version'])).stdout
    .toString()
    .replace(/[^0-9.]+/g, '-')
  const cache = path.join(temporaryFolder(), `sb-initdb-${user?.uid ?? process.getuid?.() ?? 0}`)
  const template = path.join(cache, `${major}-${version}-1`)
  try {
    await access(path.join(template, 'PG_VERSION'))
    return template
  } catch {
    await mkdir(cache, { recursive: true })
  }
  if (user !== undefined) await chown(cache, user.uid, user.gid)
  const draft = await mkdtemp(path.join(cache, 'draft-'))
  if (user !== undefined) await chown(draft, user.uid, user.gid)
  const data = path.join(draft, 'data')
  await runOk(
    path.join(binDir, 'initdb'),
    ['-D', data, '-U', superuser, '-A', 'trust', '-E', 'UTF8', '--locale=C.UTF-8', '--no-sync'],
    { ...user, env: { TZ: 'UTC' } }
  )
  try {
    await rename(data, template)
  } catch (error) {
    // Another test process was faster.
    await access(path.join(template, 'PG_VERSION')).catch(() => {
      throw error
    })
  } finally {
    await rm(draft, { recursive: true, force: true })
  }
  return template
}
