import { readFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { collectDashboard } from '../../src/ui/dashboard/collect.ts'
import type { DashboardData } from '../../src/ui/dashboard/data.ts'
import { bundlePath } from './action.ts'
import { samplePlaces, sampleWorkflows } from './sample-history.ts'

/** When the sample was made. */
export const sampleTime = new Date('2026-11-22T12:00:00Z')

/** The page without data, as it lies beside the bundle that is tested. */
export function dashboardTemplate(): Promise<string> {
  return readFile(join(dirname(bundlePath()), 'dashboard.html'), 'utf8')
}

export function sampleData(): DashboardData {
  return collectDashboard(
    {
      tool: 'supabase-backup 1.0.0',
      repository: { name: 'acme/backups', url: 'https://github.com/acme/backups' },
      places: samplePlaces(sampleTime),
      workflows: sampleWorkflows
    },
    sampleTime
  )
}

/** The sample again and again, further and further back, until there are so many backups. */
export function manyBackups(count: number): DashboardData {
  const data = sampleData()
  const step = 80 * 24 * 60 * 60 * 1000
  const backups = Array.from({ length: count }, (_, index) => {
    const backup = data.backups[index % data.backups.length]
    if (backup === undefined) throw new Error('the sample is empty')
    const round = Math.floor(index / data.backups.length)
    const shift = (iso: string) => new Date(Date.parse(iso) - round * step).toISOString()
    return {
      ...backup,
      id: `${backup.id.slice(0, -2)}${String(round).padStart(2, '0')}`,
      createdAt: shift(backup.createdAt),
      proofs: backup.proofs.map((proof) => ({ ...proof, at: proof.at === null ? null : shift(proof.at) }))
    }
  })
  return { ...data, backups }
}
