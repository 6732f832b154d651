import { readFileSync } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { generateIdentity, identityToRecipient } from 'age-encryption'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { runAction } from '../kit/action.ts'
import { type ManyFiles, manyFiles } from '../kit/supabase/many-files.ts'

const key = 'sb_secret_3Qm7tTzL0pKc9vXy2WbNq5RsDfGhJk_8aBcDeF'
const ref = 'bcdefghijklmnopqrstu'
const few = 2000
const many = 20_000
/** What the largest resident memory may differ by: with a list in memory, 20,000 files took 80 to 220 MiB more than 2,000. */
const slackMiB = 64

describe('memory with ten times as many files', () => {
  let root: string
  let identity: string
  let recipients: string
  const servers: ManyFiles[] = []
  const serve = async (count: number, filled: boolean) => {
    const server = await manyFiles({ count, filled })
    servers.push(server)
    return server
  }
  /** Runs the action and gives the largest resident memory of its process in MiB. */
  const peakOf = async (inputs: Readonly<Record<string, string>>): Promise<number> => {
    let peak = 0
    let watch: NodeJS.Timeout | undefined
    const run = await runAction({
      inputs: { destinations: 'folder', ...inputs },
      onStart: ({ pid }) => {
        watch = setInterval(() => {
          peak = Math.max(peak, residentMiB(pid))
        }, 20)
      }
    })
    clearInterval(watch)
    await run.cleanUp()
    expect({ code: run.code, error: run.result?.error }).toEqual({ code: 0 })
    return peak
  }
  const backup = (source: ManyFiles, folder: string) =>
    peakOf({
      include: 'storage',
      'supabase-url': source.url,
      'service-role-key': key,
      project: 'shop',
      folder,
      recipients,
      verify: 'none'
    })

  beforeAll(async () => {
    root = await mkdtemp(join(tmpdir(), 'sb-storage-scale-'))
    identity = await generateIdentity()
    recipients = await identityToRecipient(identity)
  })
  afterAll(async () => {
    for (const server of servers) server.stop()
    await rm(root, { recursive: true, force: true })
  })

  test('it is the same for a first backup, an unchanged one, verify and restore', { timeout: 300_000 }, async () => {
    const peaks: Record<string, number>[] = []
    for (const count of [few, many]) {
      const [source, target] = [await serve(count, true), await serve(count, false)]
      const folder = join(root, String(count))
      const first = await backup(source, folder)
      expect(source.downloads()).toBe(count)
      const unchanged = await backup(source, folder)
      expect(source.downloads()).toBe(count)
      const verify = await peakOf({ command: 'verify', verify: 'read', folder, identity })
      const restore = await peakOf({
        command: 'restore',
        include: 'storage',
        folder,
        identity,
        'target-supabase-url': target.url,
        'target-service-role-key': key,
        'target-project-ref': ref,
        'confirm-target': ref
      })
      expect(target.present()).toBe(count)
      peaks.push({ first, unchanged, verify, restore })
    }
    const [small = {}, large = {}] = peaks
    const grown = Object.entries(large).filter(([what, peak]) => peak > (small[what] ?? 0) + slackMiB)
    expect({ grown, small }).toEqual({ grown: [], small })
  })
})

function residentMiB(pid: number): number {
  try {
    return Number(/^VmHWM:\s+(\d+) kB/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1] ?? 0) / 1024
  } catch {
    // It has just ended.
    return 0
  }
}
