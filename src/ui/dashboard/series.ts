import type { DashboardBackup } from './data.ts'

/** One line of a chart. */
export interface Line {
  readonly label: string
  /** One value for each time of the chart; null where this line has none. */
  readonly values: readonly (number | null)[]
}

export interface Series {
  /** Seconds since 1970, rising. */
  readonly times: readonly number[]
  readonly lines: readonly Line[]
  /** Projects that have values and no line, because there are more than a chart can show. */
  readonly left: number
}

/** Lines that eyes can tell apart. */
export const mostLines = 8

/**
 * A measure over time, a line for each project. Where there are too many projects, those with the largest newest values are shown.
 *
 * @param points of a backup: times (ISO 8601) and values.
 */
export function seriesOf(
  backups: readonly DashboardBackup[],
  points: (backup: DashboardBackup) => readonly { readonly at: string; readonly value: number }[]
): Series {
  const byProject = new Map<string, Map<number, number>>()
  for (const backup of backups) {
    for (const { at, value } of points(backup)) {
      const time = Math.round(Date.parse(at) / 1000)
      const line = byProject.get(backup.project) ?? new Map<number, number>()
      byProject.set(backup.project, line)
      line.set(time, value)
    }
  }
  const newestOf = (line: ReadonlyMap<number, number>) => line.get(Math.max(...line.keys())) ?? 0
  const all = [...byProject].sort(([a, one], [b, other]) => newestOf(other) - newestOf(one) || (a < b ? -1 : 1))
  const chosen = all.slice(0, mostLines)
  const times = [...new Set(chosen.flatMap(([, line]) => [...line.keys()]))].sort((a, b) => a - b)
  return {
    times,
    lines: chosen.map(([label, line]) => ({ label, values: times.map((time) => line.get(time) ?? null) })),
    left: all.length - chosen.length
  }
}

/** What is charted of a backup: only where the part was taken. */
export function measure(
  name: 'rows' | 'bytes' | 'objects' | 'databaseBytes'
): (backup: DashboardBackup) => readonly { readonly at: string; readonly value: number }[] {
  return (backup) => {
    const value = backup[name]
    return value === null || backup.kind === 'safety' || backup.future ? [] : [{ at: backup.createdAt, value }]
  }
}

/** How long it took to restore a backup into a throw-away server and compare it. */
export function recoveryTimes(backup: DashboardBackup): readonly { readonly at: string; readonly value: number }[] {
  return backup.proofs.flatMap((proof) =>
    proof.level === 'restore' && proof.outcome === 'passed' && proof.at !== null && proof.durationMs !== null
      ? [{ at: proof.at, value: proof.durationMs }]
      : []
  )
}
