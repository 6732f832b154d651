import { spawn } from 'node:child_process'
import { mkdtemp, readdir, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { afterEach, beforeEach, expect, it } from 'vitest'

const root = resolve(import.meta.dirname, '../..')
let temp = ''

beforeEach(async () => {
  temp = await mkdtemp(join(tmpdir(), 'sb-demo-test-'))
})
afterEach(() => rm(temp, { recursive: true, force: true }))

it('the demo of README.md runs the main job twice, opens a backup by hand and leaves nothing behind', async () => {
  const child = spawn(process.execPath, ['scripts/demo.ts'], {
    cwd: root,
    env: { PATH: process.env.PATH ?? '/usr/bin:/bin', HOME: temp, TMPDIR: temp },
    stdio: ['ignore', 'pipe', 'pipe']
  })
  let output = ''
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding('utf8').on('data', (text: string) => {
      output += text
    })
  }
  const code = await new Promise((done, failed) => {
    child.once('error', failed)
    child.once('close', done)
  })
  expect(output).toContain('That was the whole job')
  expect(code).toBe(0)

  const ids = [...output.matchAll(/outputs: backup-id=(\S+) {2}status=complete/g)].map(([, id]) => id)
  expect(ids).toHaveLength(2)
  const rows = output.split('\n').filter((line) => /^ *\| 2\d{3}-\d\d-\d\d\s/.test(line))
  for (const id of ids) expect(rows.join('\n')).toContain(id)
  expect(output).toMatch(/public\.todos: (\d+) rows in the project, \1 in the restored copy/)
  expect(output).not.toMatch(/AGE-SECRET-KEY|kit-password|token-of-the-demo/)
  expect(await readdir(temp)).toEqual([])
})
