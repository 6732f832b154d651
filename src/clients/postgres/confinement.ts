import { Buffer } from 'node:buffer'
import { realpathSync } from 'node:fs'
import path from 'node:path'
import { asError } from '../../errors.ts'
import { childEnvironment, startChild } from '../process/child-process.ts'
import type { ServerUser } from './server-user.ts'

// A restored database runs code of its project with the rights of its server's superuser: checks, generated columns, expressions of indexes and
// partitions, domains. Who is superuser there may start programs and read files as the user of the server's process. So that process is
// kept apart from the machine, where the machine can do that.

/** Folders that exist when a confined program starts. */
export interface ConfinedPlace {
  /** An empty folder, on which the program's own root is put together. */
  readonly root: string
  /** The two folders of the machine that the program may write to. */
  readonly data: string
  readonly socket: string
}

/** A program with its arguments, as it is to be started. */
export interface ConfinedCommand {
  readonly command: string
  readonly args: readonly string[]
}

export interface Confinement {
  readonly kind: 'sandbox' | 'none'
  /** Why there is no sandbox; empty where there is one. */
  readonly why: string
  /**
   * The command that starts `program` confined. With kind `sandbox` it ends, with everything that was started in it, when its standard input is closed:
   * that of a killed run closes by itself.
   */
  command(program: string, args: readonly string[]): ConfinedCommand
}

/**
 * Runs what follows, and ends it when standard input ends. Signals would not do: a program that sudo started belongs to root.
 * Text for `sh -c`: fixed, all that varies comes as its arguments.
 */
const watched = `
exec 3<&0
"$@" </dev/null 3<&- &
child=$!
(cat <&3 >/dev/null; kill -9 "$child") 2>/dev/null >/dev/null &
watch=$!
exec 3<&-
code=0
wait "$child" || code=$?
kill "$watch" 2>/dev/null || true
exit "$code"`

/**
 * Inside new namespaces: puts a root together that has the system's programs and libraries and those of PostgreSQL, to be read only, and the two folders of
 * the server; leaves the machine's; gives up all rights; and becomes the program. There is no network and no other process to be seen.
 */
const entered = `
set -eu
PATH=/usr/sbin:/usr/bin:/sbin:/bin
export PATH
way=$1 root=$2 data=$3 socket=$4 prefix=$5 uid=$6 gid=$7
shift 7
mount -t tmpfs -o mode=0755,size=64m tmpfs "$root"
for each in /usr /bin /sbin /lib /lib32 /lib64 /libx32 /etc/alternatives /var/cache/postgresql "$prefix/bin" "$prefix/lib" "$prefix/lib64" "$prefix/share"; do
  if [ -L "$each" ]; then
    mkdir -p "$root\${each%/*}"
    [ -e "$root$each" ] || cp -P "$each" "$root$each"
  elif [ -d "$each" ] && [ ! -d "$root$each" ]; then
    mkdir -p "$root$each"
    mount --rbind "$each" "$root$each"
    mount -o remount,bind,ro "$root$each"
  fi
done
mkdir -p "$root/dev/shm" "$root/etc" "$root/proc" "$root/tmp"
chmod 1777 "$root/tmp"
mount -t tmpfs -o mode=1777 tmpfs "$root/dev/shm"
for each in null zero full random urandom; do
  : >"$root/dev/$each"
  mount --bind "/dev/$each" "$root/dev/$each"
done
for each in passwd group nsswitch.conf ld.so.cache localtime; do
  if [ -f "/etc/$each" ]; then cp "/etc/$each" "$root/etc/$each"; fi
done
for each in "$data" "$socket"; do
  mkdir -p "$root$each"
  mount --bind "$each" "$root$each"
done
mount -t proc -o nosuid,nodev,noexec proc "$root/proc"
cd "$root"
mkdir old
pivot_root . old
cd /
umount -l /old
rmdir old
if [ "$way" = user ]; then
  set -- unshare --user "--map-user=$uid" "--map-group=$gid" setpriv --no-new-privs --pdeathsig=KILL "$@"
else
  set -- setpriv "--reuid=$uid" "--regid=$gid" --clear-groups --no-new-privs --inh-caps=-all --bounding-set=-all --pdeathsig=KILL "$@"
fi
exec env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin LC_ALL=C LANG=C TZ=UTC HOME=/ "$@"`

// `unshare` is found through the PATH of this process, everything after it in the system's own folders.
const namespaces = ['--mount', '--net', '--pid', '--ipc', '--uts', '--fork', '--kill-child']

/** As root; in a user namespace of one's own, which some systems forbid; by sudo without a question, as GitHub's own runners have it. */
const ways = {
  root: { before: [], user: [] },
  user: { before: [], user: ['--user', '--map-root-user'] },
  sudo: { before: ['sudo', '-n', '--'], user: [] }
} as const

/**
 * Finds out by trying how this machine can confine `program`, which is asked for its version. Without root (`user` undefined) it runs as the user of this
 * process in any case.
 */
export async function findConfinement(
  program: string,
  place: ConfinedPlace,
  user: ServerUser | undefined,
  home: string,
  signal: AbortSignal
): Promise<Confinement> {
  const said: string[] = []
  for (const way of user === undefined ? (['user', 'sudo'] as const) : (['root'] as const)) {
    const confinement = sandbox(way, place, user ?? ownUser())
    try {
      const wrong = await tried(confinement.command(program, ['--version']), home, signal)
      if (wrong === null) return confinement
      said.push(wrong)
    } catch (error) {
      signal.throwIfAborted()
      said.push(asError(error).message)
    }
  }
  return {
    kind: 'none',
    why: said.join('; ').slice(0, 300),
    command: (name, args) => ({ command: name, args })
  }
}

/** Starts the command, with a standard input that stays open; null when it ended well, else its last words. */
async function tried(started: ConfinedCommand, home: string, signal: AbortSignal): Promise<string | null> {
  const child = startChild({
    ...started,
    env: childEnvironment(home),
    cwd: home,
    signal,
    stdin: 'pipe',
    stdout: 'pipe'
  })
  try {
    let version = ''
    child.stdout?.on('data', (chunk: Uint8Array) => {
      version += Buffer.from(chunk).toString('latin1')
    })
    const { code, stderr } = await child.done
    return code === 0 && /\d/.test(version) ? null : (stderr.trim().split('\n').at(-1) ?? '')
  } finally {
    await child.dispose()
  }
}

function sandbox(way: keyof typeof ways, place: ConfinedPlace, user: ServerUser): Confinement {
  const { before, user: mapped } = ways[way]
  return {
    kind: 'sandbox',
    why: '',
    command(program, args) {
      const real = realpathSync(program)
      const [command = 'sh', ...words] = [
        ...before,
        ...['sh', '-c', watched, 'sh'],
        ...['unshare', ...mapped, ...namespaces, '--', 'sh', '-c', entered, 'sh'],
        ...[
          way,
          place.root,
          place.data,
          place.socket,
          path.dirname(path.dirname(real)),
          String(user.uid),
          String(user.gid)
        ],
        ...['--', real, ...args]
      ]
      return { command, args: words }
    }
  }
}

function ownUser(): ServerUser {
  return { uid: process.getuid?.() ?? 65534, gid: process.getgid?.() ?? 65534 }
}
