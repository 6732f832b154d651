import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { runCheck } from '../../../src/commands/check.ts'
import { runList } from '../../../src/commands/list.ts'
import type { Destination } from '../../../src/destinations/destination.ts'
import { UserError } from '../../../src/errors.ts'
import { renderSummary } from '../../../src/ui/summary/index.ts'
import { day, earlierBackup } from '../../kit/history.ts'
import { context, place, silent } from '../../kit/memory-place.ts'

const list = (...destinations: Destination[]) =>
  runList(
    {
      project: undefined,
      pin: undefined,
      unpin: undefined,
      filter: { types: [], since: undefined },
      projects: undefined
    },
    { context, tool: 'supabase-backup 0.0.0', destinations }
  )
const summary = (result: Awaited<ReturnType<typeof list>>) =>
  renderSummary(result, { now: new Date(), serverUrl: 'https://github.com', repository: undefined })

/** A night's backup of every of the last days, from `since` days ago. */
const nightly = (project: string, since: number) =>
  Array.from({ length: 5 }, (_, night) => earlierBackup((since + night) * day + 3_600_000, { project }))

test('T20: a project that is overdue heads the list, which is not headed green', async () => {
  const result = await list(place([...nightly('atlas', 0), ...nightly('blog', 3)]).destination)
  expect(result.health).toEqual([
    expect.objectContaining({ project: 'atlas', state: 'good' }),
    expect.objectContaining({ project: 'blog', state: 'bad' })
  ])
  const text = summary(result)
  expect(text).toMatch(/^## ❌ 10 backups of 2 projects: 1 of 2 projects is at risk/)
  expect(text.indexOf('<code>blog</code>')).toBeLessThan(text.indexOf('<code>atlas</code>'))
  expect(text).toContain('is overdue&#58; the newest is 3 days old')
  expect(summary(await list(place(nightly('atlas', 0)).destination))).toMatch(/^## ✅/)
})

test('what one place holds is listed while another does not answer, and the list says so', async () => {
  const here = place(nightly('shop', 0)).destination
  const result = await list(silent(new UserError('SB401', 'GitHub answered 500.')), here)
  expect(result).toMatchObject({ status: 'partial', error: { code: 'SB401' } })
  expect(result.backups).toHaveLength(5)
  expect(summary(result)).toMatch(/^## ⚠️ 5 backups of .*, but not every place could be read/)
  await expect(list(silent(new UserError('SB401', 'GitHub answered 500.')))).rejects.toThrow('500')
})

test('check judges by the places that answer; one that refuses is an alarm, one with an outage a warning', async () => {
  const kept = await mkdtemp(join(tmpdir(), 'check-'))
  try {
    const check = (error: UserError) =>
      runCheck(
        {
          project: undefined,
          maxAgeMs: 26 * 3_600_000,
          projects: undefined,
          recipients: [],
          kept,
          workflowFile: undefined
        },
        {
          context,
          tool: 'supabase-backup 0.0.0',
          destinations: [silent(error), place(nightly('shop', 0)).destination],
          workflows: undefined
        }
      )
    const outage = await check(new UserError('SB401', 'GitHub answered 500.'))
    expect({ status: outage.status, warnings: outage.warnings.join() }).toEqual({
      status: 'complete',
      warnings: expect.stringContaining('the silent release could not be read')
    })
    const refused = await check(new UserError('SB402', 'The token has expired.'))
    expect(refused).toMatchObject({ status: 'failed', alarms: [{ kind: 'unreachable' }] })
  } finally {
    await rm(kept, { recursive: true })
  }
})
