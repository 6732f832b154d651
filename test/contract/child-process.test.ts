import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Readable } from 'node:stream'
import { text } from 'node:stream/consumers'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { childEnvironment, runChild, startChild } from '../../src/clients/process/child-process.ts'

let home = ''
beforeAll(async () => {
  home = await mkdtemp(join(tmpdir(), 'child-'))
})
afterAll(() => rm(home, { recursive: true, force: true }))

const run = (
  args: readonly string[],
  more: { stdin?: string | Readable; maxOutput?: number; signal?: AbortSignal } = {}
) =>
  runChild({
    command: process.execPath,
    args: ['-e', ...args],
    env: childEnvironment(home),
    signal: new AbortController().signal,
    ...more
  })

function alive(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return true
  } catch {
    return false
  }
}

describe('child processes', () => {
  test('exit code, output and error output come back', async () => {
    const result = await run(['process.stdin.pipe(process.stdout); console.error("no"); process.exitCode = 7'], {
      stdin: 'in ü'
    })
    expect(result).toMatchObject({ code: 7, signal: null, stdout: 'in ü', stderr: 'no\n', cut: false })
  })

  test('a stream is fed to standard input; its failure rejects', async () => {
    const program = 'let n = 0; process.stdin.on("data", (c) => { n += c.length }).on("end", () => console.log(n))'
    const chunks = Array.from({ length: 40 }, () => Buffer.alloc(50_000))
    expect((await run([program], { stdin: Readable.from(chunks) })).stdout).toBe('2000000\n')
    const failing = Readable.from(
      (async function* () {
        yield Buffer.alloc(10)
        throw new Error('disk broke')
      })()
    )
    await expect(run([program], { stdin: failing })).rejects.toThrow('disk broke')
  })

  test('a child that does not read its input is judged by its exit code', async () => {
    expect(await run(['process.exit(3)'], { stdin: Readable.from([Buffer.alloc(5_000_000)]) })).toMatchObject({
      code: 3
    })
  })

  test('output is capped at its beginning, error output at its end', async () => {
    const program = 'process.stdout.write("a".repeat(3e6)); process.stderr.write("b".repeat(1e5) + "end")'
    const result = await run([program], { maxOutput: 1000 })
    expect(result.stdout).toBe('a'.repeat(1000))
    expect(result.cut).toBe(true)
    expect(result.stderr).toHaveLength(16 * 1024)
    expect(result.stderr.endsWith('bend')).toBe(true)
  })

  test("F42: nothing of this process's environment reaches the child", async () => {
    process.env.INPUT_TOKEN_OF_TEST = 'secret'
    try {
      const { stdout } = await run(['console.log(JSON.stringify(process.env))'])
      expect(Object.keys(JSON.parse(stdout)).sort()).toEqual(['HOME', 'LANG', 'LC_ALL', 'PATH', 'TMPDIR', 'TZ'])
    } finally {
      delete process.env.INPUT_TOKEN_OF_TEST
    }
  })

  test('a missing program is named', async () => {
    const started = runChild({
      command: 'no-such-program-here',
      args: [],
      env: childEnvironment(home),
      signal: new AbortController().signal
    })
    await expect(started).rejects.toMatchObject({
      code: 'SB302',
      message: 'The program no-such-program-here was not found.'
    })
  })

  test('F37: the signal ends the child and what it started, even when SIGTERM is ignored', async () => {
    const controller = new AbortController()
    const program = `
      process.on('SIGTERM', () => {})
      const grandchild = require('node:child_process').spawn('sleep', ['300'], { stdio: 'inherit' })
      console.log(process.pid + ' ' + grandchild.pid)
      setInterval(() => {}, 1000)`
    const child = startChild({
      command: process.execPath,
      args: ['-e', program],
      env: childEnvironment(home),
      signal: controller.signal,
      stdout: 'pipe'
    })
    const line = await new Promise<string>((resolve) => child.stdout?.once('data', (chunk) => resolve(String(chunk))))
    controller.abort(new Error('time is up'))
    await expect(child.done).rejects.toThrow('time is up')
    const pids = line.trim().split(' ').map(Number)
    expect(pids).toHaveLength(2)
    for (const pid of pids) await expect.poll(() => alive(pid)).toBe(false)
  })

  test('dispose ends a running child and may be repeated', async () => {
    const child = startChild({
      command: 'sleep',
      args: ['300'],
      env: childEnvironment(home),
      signal: new AbortController().signal
    })
    await child.dispose()
    await child.dispose()
    expect(alive(child.pid)).toBe(false)
    expect(await child.done).toMatchObject({ signal: 'SIGTERM' })
  })

  test('standard output streams', async () => {
    const child = startChild({
      command: 'printf',
      args: ['hello'],
      env: childEnvironment(home),
      signal: new AbortController().signal,
      stdout: 'pipe'
    })
    expect(child.stdout === null ? null : await text(child.stdout)).toBe('hello')
    expect(await child.done).toMatchObject({ code: 0 })
  })
})
