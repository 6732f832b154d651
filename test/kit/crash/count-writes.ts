/**
 * Loaded before the action (`node --import`): numbers every change that the process itself makes to files under the folders of
 * CRASH_UNDER (separated by colons), writes each number with its call to CRASH_LOG, and at the point CRASH_AT
 * (`<number>:before|half|after`) sends its own process CRASH_SIGNAL. New calls are numbered without a word here: every function of
 * node:fs counts that is not named below as one that changes nothing.
 */
import fs from 'node:fs'
import { syncBuiltinESMExports } from 'node:module'
import { resolve, sep } from 'node:path'

type Call = (...args: readonly unknown[]) => unknown

const under = (process.env['CRASH_UNDER'] ?? '').split(':').filter((path) => path !== '')
const log = process.env['CRASH_LOG'] ?? ''
const [number = '', phase = ''] = (process.env['CRASH_AT'] ?? '').split(':')
const signal = (['SIGINT', 'SIGTERM'] as const).find((one) => one === process.env['CRASH_SIGNAL']) ?? 'SIGKILL'
const at = Number(number)
const { appendFileSync, readdirSync, rmSync, lstatSync, writeSync } = fs
const promisedRm = fs.promises.rm
let count = 0
let fired = false
/** Paths of open files, by descriptor. */
const open = new Map<number, string>()

for (const name of ['CRASH_UNDER', 'CRASH_LOG', 'CRASH_AT', 'CRASH_SIGNAL', 'NODE_OPTIONS']) delete process.env[name]

function watched(path: unknown): path is string {
  if (typeof path !== 'string') return false
  const whole = resolve(path)
  return under.some((one) => whole === one || whole.startsWith(one + sep))
}

/** Whether a point is the one that was asked for; what earlier runs left makes more of them, so later ones are, too. */
function isDue(point: number): boolean {
  return !fired && at > 0 && point >= at
}

/** Ends (or interrupts) this process when the point is the one that was asked for. */
function reach(point: number, where: string): void {
  if (fired || !isDue(point) || where !== phase) return
  fired = true
  appendFileSync(log, 'fired\n')
  process.kill(process.pid, signal)
}

function begin(what: string, path: string): number {
  count += 1
  appendFileSync(log, `${count} ${what} ${path}\n`)
  reach(count, 'before')
  return count
}

function replace(target: object, name: string, make: (original: Call) => Call): void {
  const original: unknown = Reflect.get(target, name)
  if (typeof original !== 'function') throw new Error(`node:fs has no ${name}`)
  Reflect.set(
    target,
    name,
    make((...args) => Reflect.apply(original, target, args))
  )
}

/** Removes half of what a folder holds: what a removal looks like that was cut off. */
function removeHalf(path: unknown): void {
  if (typeof path !== 'string' || lstatSync(path, { throwIfNoEntry: false })?.isDirectory() !== true) return
  const entries = readdirSync(path)
  for (const entry of entries.slice(0, Math.ceil(entries.length / 2)))
    rmSync(`${path}${sep}${entry}`, { recursive: true, force: true })
}

function writes(flags: unknown): boolean {
  if (typeof flags === 'number') return (flags & (fs.constants.O_WRONLY | fs.constants.O_RDWR)) !== 0
  return typeof flags === 'string' && /[wa+]/.test(flags)
}

/** The first half of what a call writes, with the rest of its arguments as they fit. */
function halved(data: unknown): Uint8Array | undefined {
  const bytes = typeof data === 'string' ? Buffer.from(data) : data instanceof Uint8Array ? data : undefined
  return bytes === undefined || bytes.byteLength < 2 ? undefined : bytes.subarray(0, bytes.byteLength >> 1)
}

const onTwoPaths = ['rename', 'link', 'symlink', 'copyFile', 'cp']
/** Functions that change no file: they only read, or what they return does the work with those that count. */
const changeNothing = new Set([
  ...['access', 'exists', 'glob', 'opendir', 'readdir', 'readlink', 'realpath', 'stat', 'lstat', 'fstat', 'statfs'],
  ...['read', 'readv', 'readFile', 'watch', 'watchFile', 'unwatchFile', 'openAsBlob', 'close'],
  ...['createReadStream', 'createWriteStream', 'ReadStream', 'WriteStream', 'FileReadStream', 'FileWriteStream'],
  ...['Dir', 'Dirent', 'Stats', 'Utf8Stream', '_toUnixTimestamp'],
  // Of a file handle.
  ...['constructor', 'getAsyncId', 'readLines', 'readableWebStream', 'pull', 'pullSync', 'writer']
])
/** Functions that say to which file a descriptor belongs. */
const opens = 'open'

/** The path that a call changes: of two, where the second is watched, that one. */
function pathIn(name: string, args: readonly unknown[]): string | undefined {
  const paths = onTwoPaths.includes(name) ? [args[1], args[0]] : [args[0]]
  const descriptor = args[0]
  if (typeof descriptor === 'number') return open.get(descriptor)
  return paths.find((path) => watched(path))
}

/** Where what is written stands among the arguments: after the path or the descriptor. */
const writesData = (name: string) => /^(?:write|writeFile|appendFile)$/.test(name)

/** A change that is done in one call. */
async function changed(name: string, original: Call, args: readonly unknown[]): Promise<unknown> {
  const path = pathIn(name, args)
  if (path === undefined) return await original(...args)
  const point = begin(name, path)
  if (isDue(point) && phase === 'half') {
    if (name === 'rm') removeHalf(path)
    else if (writesData(name)) await original(args[0], halved(args[1]) ?? '', args[2])
    reach(point, 'half')
  }
  const done = await original(...args)
  reach(point, 'after')
  return done
}

function changedSync(name: string, original: Call, args: readonly unknown[]): unknown {
  const path = pathIn(name, args)
  if (path === undefined) return original(...args)
  const point = begin(`${name}Sync`, path)
  if (isDue(point) && phase === 'half') {
    if (name === 'rm') removeHalf(path)
    reach(point, 'half')
  }
  const done = original(...args)
  reach(point, 'after')
  return done
}

/** A change that is told by a callback, the last of the arguments. */
function changedLater(name: string, original: Call, args: readonly unknown[]): unknown {
  const path = pathIn(name, args)
  const done = args.at(-1)
  if (path === undefined || typeof done !== 'function') return original(...args)
  const point = begin(name, path)
  const half = isDue(point) && phase === 'half' && name === 'write' ? halved(args[1]) : undefined
  if (half !== undefined) writeSync(Number(args[0]), half)
  reach(point, 'half')
  return original(...args.slice(0, -1), (...answer: readonly unknown[]) => {
    reach(point, 'after')
    Reflect.apply(done, undefined, answer)
  })
}

function functionsOf(target: object): string[] {
  return Object.getOwnPropertyNames(target).filter(
    (name) => typeof Object.getOwnPropertyDescriptor(target, name)?.value === 'function'
  )
}

for (const name of functionsOf(fs.promises).filter((one) => one !== opens && !changeNothing.has(one)))
  replace(
    fs.promises,
    name,
    (original) =>
      (...args) =>
        changed(name, original, args)
  )
for (const name of functionsOf(fs)) {
  const bare = name.replace(/Sync$/, '')
  if (bare === opens || changeNothing.has(bare)) continue
  replace(
    fs,
    name,
    (original) =>
      (...args) =>
        name === bare ? changedLater(name, original, args) : changedSync(bare, original, args)
  )
}

replace(fs.promises, opens, (original) => async (...args) => {
  const path = args[0]
  if (!watched(path) || !writes(args[1])) return await original(...args)
  const point = begin('open', path)
  const handle = await original(...args)
  reach(point, 'after')
  if (typeof handle !== 'object' || handle === null) throw new Error('no file handle')
  for (const name of functionsOf(Object.getPrototypeOf(handle)).filter((one) => !changeNothing.has(one)))
    replace(handle, name, (write) => async (...data) => {
      const each = begin(`handle.${name}`, path)
      const half = isDue(each) && phase === 'half' && writesData(name) ? halved(data[0]) : undefined
      if (half !== undefined) await write(half)
      reach(each, 'half')
      const done = await write(...data)
      reach(each, 'after')
      return done
    })
  return handle
})

// What streams use: descriptors, by callbacks.
replace(fs, opens, (original) => (...args) => {
  const path = args[0]
  const done = args.at(-1)
  if (!watched(path) || !writes(args[1]) || typeof done !== 'function') return original(...args)
  const point = begin('open', path)
  return original(...args.slice(0, -1), (error: unknown, descriptor: unknown) => {
    if (typeof descriptor === 'number') open.set(descriptor, path)
    reach(point, 'after')
    Reflect.apply(done, undefined, [error, descriptor])
  })
})
replace(fs, 'openSync', (original) => (...args) => {
  const path = args[0]
  if (!watched(path) || !writes(args[1])) return original(...args)
  const point = begin('openSync', path)
  const descriptor = original(...args)
  if (typeof descriptor === 'number') open.set(descriptor, path)
  reach(point, 'after')
  return descriptor
})
for (const name of ['close', 'closeSync'])
  replace(fs, name, (original) => (...args) => {
    open.delete(Number(args[0]))
    return original(...args)
  })

// Streams of node:fs and named imports of it see the replaced functions from here on.
syncBuiltinESMExports()
if (promisedRm === fs.promises.rm) throw new Error('node:fs could not be watched')
