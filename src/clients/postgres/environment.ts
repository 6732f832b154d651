import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import path from 'node:path'
import { childEnvironment } from '../process/child-process.ts'
import type { ConnectionTarget } from './connection.ts'
import { rootsOf } from './socket.ts'

/** The environment for one of libpq's programs, and the files that it names. */
export interface LibpqEnvironment {
  /** The whole environment of the child. The password is in a file that it names, not in it. */
  readonly env: Readonly<Record<string, string>>
  /** Removes the files. Never throws; may be repeated. */
  dispose(): Promise<void>
}

export interface LibpqOptions {
  /** `pg_stat_activity.application_name`. */
  readonly applicationName?: string
  /** What `Connection.tls` said of a connection to the same server: with `prefer`, the program may then not fall back to plain text. */
  readonly established?: string
  /** Port on this machine that leads to the server, where its connections run through a relay. TLS still asks for the server's own name. */
  readonly relayPort?: number
}

/**
 * What libpq's programs need to reach `target`, and nothing else: files that libpq would read from a home (`.pgpass`, `.pg_service.conf`,
 * `.postgresql/`) are pointed into an empty place. Files lie in a folder of their own (0700) in `folder`.
 */
export async function libpqEnvironment(
  target: ConnectionTarget,
  folder: string,
  options: LibpqOptions = {}
): Promise<LibpqEnvironment> {
  const home = await mkdtemp(path.join(folder, 'libpq-'))
  const at = (name: string) => path.join(home, name)
  try {
    const { password } = target
    const inFile = password !== undefined && !/[\r\n\0]/.test(password)
    const port = options.relayPort ?? target.port
    await writeFile(at('passwords'), inFile ? passwordLine({ ...target, port }, password) : '', {
      mode: 0o600,
      flag: 'wx'
    })
    const mode = sslMode(target, options.established)
    const checked = mode.startsWith('verify-') || (mode === 'require' && target.tls.rootCertificates !== null)
    // A file also where the roots are those of the machine: `system` is known to libpq 16 and later only, and this makes both see the same roots.
    if (checked) await writeFile(at('roots.crt'), `${rootsOf(target.tls).join('\n')}\n`, { mode: 0o600, flag: 'wx' })
    const env = childEnvironment(home, {
      PGHOST: target.host,
      ...(options.relayPort === undefined ? {} : { PGHOSTADDR: '127.0.0.1' }),
      PGPORT: String(port),
      PGUSER: target.user,
      PGDATABASE: target.database,
      PGPASSFILE: at('passwords'),
      PGSSLMODE: mode,
      PGSSLROOTCERT: at('roots.crt'),
      PGSSLCERT: at('none.crt'),
      PGSSLKEY: at('none.key'),
      PGSSLCRL: at('none.crl'),
      PGSSLCERTMODE: 'disable',
      PGGSSENCMODE: 'disable',
      PGCONNECT_TIMEOUT: String(Math.max(2, Math.ceil((target.connectTimeoutMs ?? 30_000) / 1000))),
      PGAPPNAME: options.applicationName ?? 'supabase-backup',
      PGSERVICEFILE: at('none.conf'),
      PGSYSCONFDIR: home,
      // A line of a password file cannot hold a line break.
      ...(password !== undefined && !inFile ? { PGPASSWORD: password } : {}),
      ...(target.options === undefined ? {} : { PGOPTIONS: target.options })
    })
    return { env, dispose: () => remove(home) }
  } catch (error) {
    await remove(home)
    throw error
  }
}

async function remove(folder: string): Promise<void> {
  // What cannot be removed here goes with the folder of the run.
  await rm(folder, { recursive: true, force: true }).catch(() => undefined)
}

function sslMode(target: ConnectionTarget, established: string | undefined): string {
  if (target.host.startsWith('/')) return 'disable'
  const { mode } = target.tls
  return (mode === 'prefer' || mode === 'allow') && established === 'require' ? 'require' : mode
}

/** One line of a password file, good for this target only. Source: libpq, fe-connect.c, passwordFromFile. */
export function passwordLine(
  target: Pick<ConnectionTarget, 'host' | 'port' | 'user' | 'database'>,
  password: string
): string {
  // For a socket libpq looks for `localhost` or for the folder, depending on where it was built to expect it.
  const host = target.host.startsWith('/') ? '*' : escapeField(target.host)
  const fields = [
    host,
    String(target.port),
    escapeField(target.database),
    escapeField(target.user),
    escapeField(password)
  ]
  return `${fields.join(':')}\n`
}

function escapeField(text: string): string {
  return text.replace(/[\\:]/g, '\\$&')
}

/**
 * A database name for `--dbname`, quoted: given bare, libpq's programs take a name with `=` or `postgresql://` in it for a connection string.
 */
export function dbnameArgument(database: string): string {
  return `dbname='${database.replace(/[\\']/g, '\\$&')}'`
}
