import { createHash } from 'node:crypto'
import {
  access,
  chown,
  copyFile,
  link,
  mkdir,
  mkdtemp,
  readdir,
  readFile,
  rename,
  rm,
  symlink,
  writeFile
} from 'node:fs/promises'
import path from 'node:path'
import { type ServerUser, temporaryFolder } from './cluster.ts'
import type { Major } from './programs.ts'

export interface OverlayOptions {
  /** A folder with control and SQL files of extensions that this server alone has. */
  readonly folder: string
  /** Extensions of the server that a user without special rights may create, too. */
  readonly trusted?: readonly string[]
  /** Names of libraries that a session can load, and that do nothing. */
  readonly libraries?: readonly string[]
}

/** Where program, libraries and shared files lie below a common folder: a server finds the rest from where its program lies. */
function layoutOf(
  major: Major,
  binDir: string
): { root: string; bin: string; libraries: readonly string[]; share: string } {
  return major === 15
    ? {
        root: '/usr',
        bin: 'lib/postgresql/15/bin',
        libraries: ['lib/postgresql/15/lib'],
        share: 'share/postgresql/15'
      }
    : { root: path.dirname(binDir), bin: 'bin', libraries: ['lib', 'lib/postgresql'], share: 'share/postgresql' }
}

/**
 * The server's program in a tree of its own, whose folder of extensions holds those of `options` besides the server's:
 * no other server of the machine has them. Made once a machine and set of extensions.
 */
export async function programWithExtensions(
  major: Major,
  binDir: string,
  options: OverlayOptions,
  user: ServerUser | undefined
): Promise<string> {
  const names = (await readdir(options.folder)).sort()
  const texts = await Promise.all(
    names.map(async (name) => [name, await readFile(path.join(options.folder, name), 'utf8')])
  )
  const key = createHash('sha256')
    .update(JSON.stringify([major, binDir, texts, options.trusted ?? [], options.libraries ?? []]))
    .digest('hex')
    .slice(0, 16)
  const cache = path.join(temporaryFolder(), `sb-overlay-${user?.uid ?? process.getuid?.() ?? 0}`)
  const tree = path.join(cache, key)
  const layout = layoutOf(major, binDir)
  const program = path.join(tree, layout.bin, 'postgres')
  if (await isThere(program)) return program

  await mkdir(cache, { recursive: true, mode: 0o755 })
  const draft = await mkdtemp(path.join(cache, 'draft-'))
  const links = async (folder: string, except: readonly string[]): Promise<void> => {
    await mkdir(path.join(draft, folder), { recursive: true })
    const source = path.join(layout.root, folder)
    for (const name of await readdir(source))
      if (!except.includes(name)) await symlink(path.join(source, name), path.join(draft, folder, name))
  }
  await mkdir(path.join(draft, layout.bin), { recursive: true })
  for (const folder of layout.libraries) await links(folder, ['postgresql'])
  await links(layout.share, ['extension'])
  await links(path.join(layout.share, 'extension'), names)
  // A link would be followed back to where it points: the program must lie here itself.
  const source = path.join(binDir, 'postgres')
  const copy = path.join(draft, layout.bin, 'postgres')
  await link(source, copy).catch(() => copyFile(source, copy))
  const modules = path.join(draft, layout.libraries.at(-1) ?? '')
  for (const name of options.libraries ?? []) await symlink('moddatetime.so', path.join(modules, `${name}.so`))
  const extensions = path.join(draft, layout.share, 'extension')
  for (const [name = '', text = ''] of texts) await writeFile(path.join(extensions, name), text)
  for (const name of options.trusted ?? []) {
    const control = path.join(extensions, `${name}.control`)
    const text = await readFile(control, 'utf8')
    await rm(control)
    await writeFile(control, `${text}\ntrusted = true\n`)
  }
  if (user !== undefined) await chown(draft, user.uid, user.gid)
  try {
    await rename(draft, tree)
  } catch (error) {
    // Another test process was faster.
    await rm(draft, { recursive: true, force: true })
    if (!(await isThere(program))) throw error
  }
  return program
}

async function isThere(file: string): Promise<boolean> {
  return access(file).then(
    () => true,
    () => false
  )
}
