import { existsSync } from 'node:fs'
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import { type ActionRun, runAction } from '../kit/action.ts'

/*
 * A run that nobody ends: something preloaded into the process takes one of Node's own functions away under it. The list of a folder is what the
 * command waits for then, for ever.
 */
let root: string
const runs: ActionRun[] = []

beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), 'sb-guard-'))
  await mkdir(join(root, 'place'))
})
afterEach(async () => {
  for (const run of runs.splice(0)) await run.cleanUp()
})
afterAll(() => rm(root, { recursive: true, force: true }))

/** `command: list` on a folder whose reading is replaced by `instead`, JavaScript that gives a promise. */
async function listWith(instead: string, inputs: Record<string, string> = {}, signals: readonly NodeJS.Signals[] = []) {
  const preload = join(root, `preload-${runs.length}-${Date.now()}.mjs`)
  await writeFile(
    preload,
    `import fs from 'node:fs/promises'
     import { writeFileSync } from 'node:fs'
     import { syncBuiltinESMExports } from 'node:module'
     const readdir = fs.readdir
     const held = () => { writeFileSync(${JSON.stringify(`${preload}.asked`)}, ''); return ${instead} }
     fs.readdir = (path, ...more) => String(path).startsWith(${JSON.stringify(join(root, 'place'))}) ? held() : readdir(path, ...more)
     syncBuiltinESMExports()`
  )
  const done = await runAction({
    inputs: { command: 'list', destinations: 'folder', folder: join(root, 'place'), ...inputs },
    env: { NODE_OPTIONS: `--import=${preload}` },
    onStart: (child) => {
      const asked = setInterval(() => {
        if (!existsSync(`${preload}.asked`)) return
        clearInterval(asked)
        for (const [at, signal] of signals.entries()) setTimeout(() => child.kill(signal), at * 1_000)
      }, 50)
    }
  })
  runs.push(done)
  return done
}
const told = ({ code, outputs, result, summary, log }: ActionRun) => ({
  code,
  status: outputs['status'],
  error: result?.error?.code,
  summary: summary.includes(result?.error?.code ?? 'none'),
  annotation: log.includes(`::${result?.error?.code}: `)
})
const failedWith = (error: string) => ({ code: 1, status: 'failed', error, summary: true, annotation: true })

describe('T20: a run that does not come to its end', () => {
  test('is a failure with outputs, summary and error where nothing is left that could end it', async () => {
    expect(told(await listWith('new Promise(() => undefined)'))).toEqual(failedWith('SB307'))
  })

  test('is a failure with the reason of the cancelling where nothing is left after that', async () => {
    const waits =
      'new Promise(() => { const t = setInterval(() => undefined, 100); setTimeout(() => clearInterval(t), 4000) })'
    expect(told(await listWith(waits, { timeout: '2s' }))).toEqual(failedWith('SB301'))
  })

  test('is left with a second signal, and told all the same', async () => {
    const done = await listWith('new Promise(() => { setInterval(() => undefined, 100) })', {}, ['SIGINT', 'SIGTERM'])
    expect(told(done)).toEqual(failedWith('SB301'))
  })

  test('comes to its end where nobody reads its log any more', async () => {
    const done = await runAction({
      inputs: { command: 'list', destinations: 'folder', folder: join(root, 'place') },
      onStart: (child) => child.stopReading()
    })
    runs.push(done)
    expect({ signal: done.signal, status: done.outputs['status'], told: done.summary !== '' }).toEqual({
      signal: null,
      status: 'complete',
      told: true
    })
  })

  test('is a failure with outputs and summary where something is thrown that nobody catches', async () => {
    const throws =
      "new Promise(() => { setTimeout(() => { throw new Error('out of the blue') }, 10); setInterval(() => undefined, 100) })"
    const done = await listWith(throws)
    expect(told(done)).toEqual(failedWith('SB999'))
    expect(done.log).toContain('out of the blue')
  })
})
