import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { ActionRun } from '../kit/action.ts'
import { computed } from './odd-databases/computed.ts'
import { extensions } from './odd-databases/extensions.ts'
import type { OddDatabase } from './odd-databases/odd-database.ts'
import { rules } from './odd-databases/rules.ts'
import { servers } from './odd-databases/servers.ts'
import { openWorkbench, type Workbench } from './odd-databases/try.ts'
import { whatRolesSee } from './odd-databases/what-roles-see.ts'

/** One of a kind with every change, on one version; all of them in the night, on both. */
const nightly = process.env['SUPABASE_BACKUP_NIGHTLY'] !== undefined
const all: readonly OddDatabase[] = [...whatRolesSee, ...extensions, ...computed, ...rules, ...servers]

function isTold(run: ActionRun, words: RegExp | undefined): boolean {
  return words === undefined || (run.result?.findings ?? []).some((finding) => words.test(JSON.stringify(finding)))
}

describe.each(nightly ? ([15, 17] as const) : ([15] as const))('odd databases on PostgreSQL %i', (major) => {
  let bench: Workbench
  beforeAll(async () => {
    bench = await openWorkbench(major)
  })
  afterAll(() => bench.stop())

  const chosen = all.filter(({ usual, majors }) => (nightly || usual) && (majors?.includes(major) ?? true))
  test.each(chosen.map((odd) => ({ name: `${odd.kind}: ${odd.variant}`, odd })))('$name', async ({ odd }) => {
    const { backup, restore, lost, asked } = await bench.try(odd)
    const { status, verified } = backup.outputs
    expect({ outcomes: odd.backup ?? ['complete'], error: backup.result?.error?.message }).toEqual({
      outcomes: expect.arrayContaining([status]),
      ...(status === 'complete' ? {} : { error: expect.anything() })
    })
    if (status === 'complete') expect(verified).toBe(odd.level ?? 'restore')
    expect(isTold(backup, odd.told)).toBe(true)
    expect({ outcomes: odd.restore ?? ['complete'], error: restore.result?.error?.message }).toMatchObject({
      outcomes: expect.arrayContaining([restore.outputs['status']])
    })
    expect(isTold(restore, odd.restoreTold)).toBe(true)
    expect(lost).toEqual([])
    expect(asked[1]).toEqual(asked[0])
  })
})
