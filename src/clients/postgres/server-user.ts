import { readFile } from 'node:fs/promises'
import { UserError } from '../../errors.ts'
import { childEnvironment, runChild } from '../process/child-process.ts'

/** The operating system's user that a throw-away server runs as. */
export interface ServerUser {
  readonly uid: number
  readonly gid: number
}

const made = 'supabase-backup'

/**
 * PostgreSQL refuses to run as root: there it runs as `postgres`, or as a user made for it. Undefined where this process is not root: the server then
 * runs as its own user.
 */
export async function serverUser(home: string, signal: AbortSignal): Promise<ServerUser | undefined> {
  if (process.getuid?.() !== 0) return undefined
  const existing = (await userNamed('postgres')) ?? (await userNamed(made))
  if (existing !== undefined) return existing
  const ways = [
    {
      command: 'useradd',
      args: [
        '--system',
        '--user-group',
        '--no-create-home',
        '--home-dir',
        '/nonexistent',
        '--shell',
        '/usr/sbin/nologin',
        made
      ]
    },
    { command: 'adduser', args: ['-S', '-D', '-H', '-h', '/nonexistent', '-s', '/sbin/nologin', made] }
  ]
  let said = ''
  for (const { command, args } of ways) {
    try {
      const result = await runChild({ command, args, env: childEnvironment(home), signal })
      const user = await userNamed(made)
      if (user !== undefined) return user
      said = result.stderr
    } catch (error) {
      signal.throwIfAborted()
      said ||= String(error)
    }
  }
  throw new UserError(
    'SB306',
    `PostgreSQL does not run as root, and no other user could be made for it: ${said.trim().slice(0, 300)}`
  )
}

async function userNamed(name: string): Promise<ServerUser | undefined> {
  const accounts = await readFile('/etc/passwd', 'utf8').catch(() => '')
  for (const line of accounts.split('\n')) {
    const [account, , uid, gid] = line.split(':')
    if (account === name && uid !== undefined && gid !== undefined && uid !== '0')
      return { uid: Number(uid), gid: Number(gid) }
  }
  return undefined
}
