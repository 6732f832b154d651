import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { compactTime } from '../archive/backup-id.ts'
import { parseRunRecord, type RunRecord } from '../archive/run-record.ts'
import { rawSignature, type SigningKey } from '../archive/signature.ts'
import { UserError } from '../errors.ts'
import { reportOf } from '../history/report.ts'
import { withoutBareTargets } from '../history/select.ts'
import type { Moment } from '../inputs/backup-selector.ts'
import type { Result } from '../result.ts'
import { renderReportCsv } from '../ui/report/csv.ts'
import { renderReportPage } from '../ui/report/page.ts'
import type { RecordCounts, Report } from '../ui/report/report.ts'
import { dateOf, readAll } from './list.ts'
import { plannedLabels } from './plan.ts'
import type { Ports } from './ports.ts'

export interface ReportOptions {
  readonly project: string | undefined
  readonly since: Moment | undefined
  readonly maxAgeMs: number
  /** Path of the file of `plan`: its projects are in the report also where nothing is known of them. */
  readonly projects: string | undefined
  readonly signingKey: SigningKey | undefined
  /** Folder of what stays after the run. */
  readonly kept: string
}

const usualMs = 90 * 24 * 60 * 60 * 1000

interface Found {
  readonly name: string
  readonly content: Uint8Array
  readonly record: RunRecord
}

/** Puts together what the journals and the backups of all places say of a period: a page, JSON, CSV, and the records themselves. */
export async function runReport(options: ReportOptions, ports: Ports): Promise<Result> {
  const { clock, log } = ports.context
  const startedAt = clock.now()
  const started = clock.monotonic()
  const since = dateOf(options.since, startedAt) ?? new Date(startedAt.getTime() - usualMs)
  const warnings: string[] = []
  const entries = await readAll(ports, options.project)
  const { found, counts } = await readJournals(ports, options.project)
  for (const { name, place, journal } of ports.destinations)
    if (journal === undefined)
      warnings.push(
        `${place} keeps no journal (\`${name}\`): what failed, and what was deleted or has expired, is not in the report.`
      )
  const planned = options.projects === undefined ? undefined : await plannedLabels(options.projects, options.project)
  const labels = [
    ...withoutBareTargets(entries).map(({ ref }) => ref.project),
    ...found.map(({ record }) => record.project),
    ...(planned?.enabled ?? [])
  ]
  const projects = [...new Set(labels)].sort().map((project) =>
    reportOf({
      project,
      records: found.map(({ record }) => record).filter((record) => record.project === project),
      entries: entries.filter(({ ref }) => ref.project === project),
      since,
      now: startedAt,
      maxAgeMs: options.maxAgeMs
    })
  )
  const report: Report = {
    format: 1,
    tool: ports.tool,
    generatedAt: startedAt.toISOString(),
    since: since.toISOString(),
    maxAgeMs: options.maxAgeMs,
    places: ports.destinations.map(({ name, place, journal }) => ({ name, place, journal: journal !== undefined })),
    signedBy: options.signingKey?.fingerprint ?? null,
    records: counts,
    projects
  }
  const isEmpty = projects.every(({ events }) => events.length === 0)
  const path = join(options.kept, `report-${compactTime(startedAt)}`)
  await writeReport(
    path,
    report,
    found.filter(({ record }) => Date.parse(record.startedAt) >= since.getTime()),
    options
  )
  log.info(`The report is in ${path}.`)
  const error = new UserError('SB921', 'Nothing is known of this period: there is no record and no backup.')
  return {
    command: 'report',
    status: isEmpty ? 'nothing' : 'complete',
    startedAt: startedAt.toISOString(),
    durationMs: Math.round(clock.monotonic() - started),
    tool: ports.tool,
    project: options.project ?? (projects.length === 1 ? (projects[0]?.project ?? null) : null),
    ...(isEmpty ? { error: { code: error.code, message: error.message, remedy: error.remedy } } : {}),
    verified: 'none',
    destinations: ports.destinations.map(({ name, place }) => ({ name, place, stored: false, url: null })),
    backups: [],
    url: null,
    path,
    warnings: [...warnings, ...countWarnings(counts)],
    report: {
      since: report.since,
      maxAgeMs: report.maxAgeMs,
      projects: projects.map(({ project, due, made, failed, missed, largestGap, restores, levels, keyShownAt }) => ({
        project,
        due,
        made,
        failed,
        missed,
        largestGapMs: largestGap?.ms ?? null,
        isWithin: largestGap?.met ?? false,
        proven: levels.restore,
        longestRestoreMs: restores?.longestMs ?? null,
        keyShown: keyShownAt !== null
      }))
    }
  }
}

/** The records of all places: each once, and those alone that are believed. */
async function readJournals(
  { destinations, trusted = [] }: Ports,
  project: string | undefined
): Promise<{ readonly found: readonly Found[]; readonly counts: RecordCounts }> {
  const byName = new Map<string, Found>()
  const counts = { read: 0, signed: 0, unsigned: 0, otherKey: 0, invalid: 0, unreadable: 0, differing: 0 }
  for (const { journal } of destinations) {
    if (journal === undefined) continue
    for await (const { project: label, name, content } of journal.list(project)) {
      const parsed = parseRunRecord(content, trusted)
      if (parsed.kind !== 'ok' || parsed.record.project !== label) {
        counts.unreadable += 1
        continue
      }
      const { signature, record } = parsed
      if (signature.kind === 'invalid') counts.invalid += 1
      if (trusted.length > 0 && signature.kind === 'otherKey') counts.otherKey += 1
      if (signature.kind === 'unsigned') counts.unsigned += 1
      // Where a key is trusted, what it did not sign is counted and not believed.
      if (trusted.length > 0 && signature.kind !== 'valid') continue
      const key = `${label}/${name}`
      const known = byName.get(key)
      if (known !== undefined && Buffer.compare(known.content, content) !== 0) counts.differing += 1
      if (known !== undefined) continue
      if (signature.kind === 'valid') counts.signed += 1
      counts.read += 1
      byName.set(key, { name, content, record })
    }
  }
  return { found: [...byName.values()].toSorted((a, b) => (a.name < b.name ? -1 : 1)), counts }
}

function countWarnings({ invalid, otherKey, unreadable, differing }: RecordCounts): string[] {
  return [
    ...(invalid > 0 ? [`${invalid} records were changed after they were signed: they are not believed.`] : []),
    ...(otherKey > 0 ? [`${otherKey} records are signed by another key: they are not believed.`] : []),
    ...(unreadable > 0 ? [`${unreadable} files in the journals are no records.`] : []),
    ...(differing > 0 ? [`${differing} records differ between two places: the first place is believed.`] : [])
  ]
}

async function writeReport(
  path: string,
  report: Report,
  records: readonly Found[],
  { signingKey }: ReportOptions
): Promise<void> {
  const files = new Map([
    ['report.html', renderReportPage(report)],
    ['report.json', `${JSON.stringify(report, null, 2)}\n`],
    ['report.csv', renderReportCsv(report)]
  ])
  await mkdir(path, { recursive: true, mode: 0o700 })
  for (const [name, text] of files) {
    const bytes = Buffer.from(text)
    await writeFile(join(path, name), bytes, { mode: 0o600 })
    if (signingKey !== undefined)
      await writeFile(join(path, `${name}.sig`), rawSignature(bytes, signingKey), { mode: 0o600 })
  }
  for (const { name, content, record } of records) {
    const folder = join(path, 'journal', record.project)
    await mkdir(folder, { recursive: true, mode: 0o700 })
    await writeFile(join(folder, name), content, { mode: 0o600 })
  }
}
