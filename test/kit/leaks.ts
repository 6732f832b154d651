import { readdirSync, readFileSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'

/** A secret under which it is looked for, and the ways in which programs and protocols write it. */
export interface Canary {
  readonly name: string
  readonly value: string
}

/** More than nine ways and their spellings; written anew here, not with the code that removes secrets. */
export function spellings(value: string): ReadonlyMap<string, string> {
  const bytes = Buffer.from(value)
  const url = encodeURIComponent(value)
  const found = new Map([
    ['plain', value],
    ['URL', url],
    ['URL in small letters', url.replace(/%../g, (code) => code.toLowerCase())],
    ['URL, strict', url.replace(/[!'()*]/g, (one) => `%${one.charCodeAt(0).toString(16).toUpperCase()}`)],
    ['form', new URLSearchParams([['', value]]).toString().slice(1)],
    ['JSON', JSON.stringify(value).slice(1, -1)],
    [
      'HTML',
      value.replace(/[&<>"']/g, (one) => ({ '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;' })[one] ?? '&#39;')
    ],
    ['SQL', value.replaceAll("'", "''")],
    ['connection string', value.replace(/[\\']/g, (one) => `\\${one}`)],
    ['password file', value.replace(/[\\:]/g, (one) => `\\${one}`)],
    ['hex', bytes.toString('hex')],
    ['HEX', bytes.toString('hex').toUpperCase()]
  ])
  for (const shift of [0, 1, 2]) {
    const text = Buffer.concat([Buffer.alloc(shift, 'x'), bytes]).toString('base64')
    const whole = text.slice(Math.ceil((shift * 8) / 6), Math.floor(((shift + bytes.length) * 8) / 6))
    found.set(`base64 at ${shift}`, whole)
    found.set(`base64url at ${shift}`, whole.replaceAll('+', '-').replaceAll('/', '_'))
  }
  return found
}

/** Looks for canaries in texts and bytes; says whose, how written and where. */
export function leakFinder(canaries: readonly Canary[]): (where: string, text: string | Uint8Array) => string[] {
  const needles = canaries.flatMap(({ name, value }) =>
    [...spellings(value)].map(([how, needle]) => ({ name, how, needle, bytes: Buffer.from(needle) }))
  )
  return (where, text) => {
    const bytes = Buffer.from(text)
    return needles.filter((one) => bytes.includes(one.bytes)).map(({ name, how }) => `${name}, ${how}: ${where}`)
  }
}

/** Log commands as the runner takes them apart (ActionCommand.cs). */
export function decodedCommands(log: string): string {
  return log.replaceAll('%0D', '\r').replaceAll('%0A', '\n').replaceAll('%25', '%')
}

/** Markdown with its characters in place of their numbers, without those that cannot be seen. */
export function decodedEntities(text: string): string {
  return text
    .replace(/&#(\d+);/g, (_, code: string) => String.fromCodePoint(Number(code)))
    .replaceAll('\u200b', '')
    .replace(/&(?:lt|gt|quot|amp);/g, (name) => ({ '&lt;': '<', '&gt;': '>', '&quot;': '"' })[name] ?? '&')
}

export interface Sampler {
  /** How often it looked. */
  readonly samples: number
  /** How many children of the run it saw. */
  readonly children: number
  stop(): Promise<readonly string[]>
}

/**
 * Watches a run: arguments of the process and its children, environments of the children and files under its temporary folder, over and over.
 * A password may stand where programs of libpq take it from: PGPASSWORD of their own environment, or their password file, and git its token from one, for nobody else to read.
 */
export function watchRun(pid: number, temp: string, find: ReturnType<typeof leakFinder>): Sampler {
  const leaks = new Set<string>()
  const seen = new Set<string>()
  const children = new Set<number>()
  let samples = 0
  let stopped = false

  const ownLine = readOr(`/proc/${pid}/cmdline`)
  const look = (where: string, text: string | Uint8Array) => {
    for (const leak of find(where, text)) leaks.add(leak)
  }
  const process = (one: number, own: boolean) => {
    const name = readOr(`/proc/${one}/comm`).toString().trim()
    const line = readOr(`/proc/${one}/cmdline`)
    // Between fork and exec a child is still the action itself.
    if (!own && line.equals(ownLine)) return
    const environment = own ? Buffer.alloc(0) : readOr(`/proc/${one}/environ`)
    // The same process is looked at again only when it is another program now.
    const key = `${one} ${line.toString('latin1')} ${environment.length}`
    if (seen.has(key)) return
    seen.add(key)
    look(`arguments of ${name}`, line)
    for (const entry of environment.toString('latin1').split('\0')) {
      const isLibpq = /^(?:pg_dump|pg_restore|psql|pg_dumpall|postgres)$/.test(name)
      if (!(isLibpq && entry.startsWith('PGPASSWORD='))) look(`environment of ${name}`, Buffer.from(entry, 'latin1'))
    }
  }
  const files = (folder: string) => {
    for (const entry of entriesOf(folder)) {
      const path = join(folder, entry.name)
      if (entry.isDirectory()) files(path)
      else if (entry.isFile() && !(['passwords', 'credentials'].includes(entry.name) && isPrivate(path))) {
        const bytes = readOr(path)
        const key = `${path} ${bytes.length}`
        if (bytes.length > 4_000_000 || seen.has(key)) continue
        seen.add(key)
        look(`the file ${path.slice(temp.length)}`, bytes)
      }
    }
  }
  const watching = (async () => {
    while (!stopped) {
      samples += 1
      process(pid, true)
      for (const child of childrenOf(pid)) {
        children.add(child)
        process(child, false)
      }
      if (samples % 8 === 0) files(temp)
      await delay(5)
    }
    files(temp)
  })()
  return {
    get samples() {
      return samples
    },
    get children() {
      return children.size
    },
    stop: async () => {
      stopped = true
      await watching
      return [...leaks]
    }
  }
}

function childrenOf(pid: number): number[] {
  const own = entriesOf(`/proc/${pid}/task`).flatMap((task) =>
    readOr(`/proc/${pid}/task/${task.name}/children`)
      .toString()
      .split(' ')
      .filter((text) => text.trim() !== '')
      .map(Number)
  )
  return own.flatMap((child) => [child, ...childrenOf(child)])
}

function entriesOf(folder: string) {
  try {
    return readdirSync(folder, { withFileTypes: true })
  } catch {
    return []
  }
}

function readOr(path: string): Buffer {
  try {
    return readFileSync(path)
  } catch {
    return Buffer.alloc(0)
  }
}

function isPrivate(path: string): boolean {
  try {
    return (statSync(path).mode & 0o077) === 0
  } catch {
    return true
  }
}
