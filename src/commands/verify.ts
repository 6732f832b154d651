import type { Manifest, VerificationLevel } from '../archive/manifest.ts'
import { UserError } from '../errors.ts'
import { type HistoryEntry, rank } from '../history/entries.ts'
import { backupRows } from '../history/history-rows.ts'
import type { DestinationResult, Result } from '../result.ts'
import { backupOfManifest } from './backup-of-manifest.ts'
import { readAll } from './list.ts'
import type { Ports } from './ports.ts'
import { choose, isHeardIn, unreadableThatCount, wordsOfUnreadable } from './verify-choice.ts'
import { type Checked, type VerifyOptions, type VerifyPorts, verifyCopy, writeRecord } from './verify-stored-copy.ts'

/** Most backups that `backup: all` verifies in one run, newest first. */
export const mostAtOnce = 50

/**
 * Verifies backups where they lie: fetched as a stranger would, compared with their manifest, opened, read and restored as far as asked for and
 * as the keys go. A record of each outcome is written beside the backup in the place it was read from.
 */
export async function runVerify(options: VerifyOptions, ports: VerifyPorts): Promise<Result> {
  const { context } = ports
  const { clock, log } = context
  const startedAt = clock.now()
  const started = clock.monotonic()
  const warnings: string[] = []
  let entries = await readAll(ports, options.project)
  const checked: Checked[] = []
  const finish = (status: Result['status'], error?: UserError): Result => {
    const single = new Set(checked.map(({ copy }) => copy.ref.id)).size === 1 ? best(checked) : undefined
    const manifest = single?.copy.manifest
    return {
      command: 'verify',
      status,
      startedAt: startedAt.toISOString(),
      durationMs: Math.round(clock.monotonic() - started),
      tool: ports.tool,
      project: checked[0]?.copy.ref.project ?? options.project ?? null,
      verified: weakest(checked),
      ...(single === undefined ? {} : { verification: single.verification }),
      findings: checked.flatMap(({ findings }) => [...findings]),
      ...(manifest === undefined || manifest === null ? {} : { backup: backupOfManifest(manifest) }),
      ...(checked.some(({ canary, error: wrong }) => canary === true && wrong === undefined) ? { keyNoted: true } : {}),
      destinations: ports.destinations.map((destination) => placeResult(destination, checked)),
      backups: backupRows(entries, clock.now()),
      url: single?.copy.url ?? null,
      path: null,
      warnings,
      ...(error === undefined ? {} : { error: { code: error.code, message: error.message, remedy: error.remedy } })
    }
  }

  if (entries.length === 0) return finish('nothing', new UserError('SB901', 'There is no backup to verify.'))
  const unreadable = unreadableThatCount(entries, options.choice, clock.now())
  const chosen = choose(entries, options, clock.now())
  if (chosen.length === 0)
    return finish(
      'failed',
      new UserError(
        'SB902',
        // Those dated in the future, too: there is nothing else to name.
        `No backup here can be read: ${entries
          .filter((entry) => entry.manifest === null)
          .slice(0, 5)
          .map(wordsOfUnreadable)
          .join('; ')}.`
      )
    )
  if (options.canaryWords.length > 0 && !chosen.flat().some((copy) => isHeardIn(copy, options.canaryWords)))
    return finish(
      'failed',
      new UserError('SB608', 'The word given as `canary` stands in the canary of no backup that is verified here.')
    )
  if (options.choice.kind === 'all' && chosen.length > mostAtOnce) {
    warnings.push(`Only the newest ${mostAtOnce} of ${chosen.length} backups were verified.`)
  }
  let fetched = 0
  let outOfBudget = 0
  for (const copies of chosen.slice(0, mostAtOnce)) {
    let proven: Checked | undefined
    for (const copy of copies) {
      context.signal.throwIfAborted()
      const bytes = sizeOf(copy)
      if (options.maxDownloadBytes !== undefined && fetched + bytes > options.maxDownloadBytes) {
        outOfBudget += 1
        continue
      }
      fetched += bytes
      log.info(`Verifying ${copy.ref.project} ${copy.ref.id} in ${copy.destination}`)
      const one = await verifyCopy(copy, proven, options, ports)
      checked.push(one)
      if (one.error === undefined) proven ??= one
      else log.warning(`${copy.ref.id} in ${copy.destination}: ${one.error.code}: ${one.error.message}`)
      await writeRecord(one, ports, warnings)
    }
  }
  entries = await readAll(ports, options.project)
  if (outOfBudget > 0) warnings.push(`${outOfBudget} copies were not verified: \`max-download\` is used up.`)
  const failed = checked.filter(({ error }) => error !== undefined)
  const [first] = failed
  if (first?.error !== undefined) {
    if (checked.length === 1) return finish('failed', first.error)
    const words = failed.map(
      ({ copy, error }) => `${copy.ref.id} in ${copy.destination}: ${error?.code}: ${error?.message}`
    )
    return finish(
      'failed',
      new UserError(
        'SB606',
        `${failed.length} of ${checked.length} copies did not pass: ${words.slice(0, 5).join(' ')}`,
        { cause: first.error }
      )
    )
  }
  if (unreadable.length > 0) {
    return finish(
      'failed',
      new UserError('SB902', `A backup cannot be read: ${unreadable.map(wordsOfUnreadable).join('; ')}. Others passed.`)
    )
  }
  if (checked.length === 0)
    return finish('failed', new UserError('SB606', 'Nothing was verified: `max-download` is smaller than the backup.'))
  const statuses = checked.map(({ copy }) => copy.manifest?.status ?? 'partial')
  // A backup that does not hold everything stays what it is, however well it is stored.
  const status = worstStatus(statuses)
  if (status !== 'complete')
    return finish(
      status,
      new UserError(
        'SB215',
        `What was verified is whole as it was stored, but ${statuses.length === 1 ? 'the backup' : 'a backup'} is ${status}: it does not hold everything that it should.`,
        { remedy: 'Make a new backup; `command: list` shows whether there is a complete one.' }
      )
    )
  return finish('complete')
}

/** The status of several backups together: that of the one that holds the least. */
export function worstStatus(statuses: readonly Manifest['status'][]): Manifest['status'] {
  if (statuses.length === 0 || statuses.includes('partial')) return 'partial'
  if (statuses.includes('unproven')) return 'unproven'
  return statuses.includes('anomalous') ? 'anomalous' : 'complete'
}

function placeResult(destination: Ports['destinations'][number], checked: readonly Checked[]): DestinationResult {
  const { name, place } = destination
  const failed = checked.find(({ copy, error }) => copy.destination === name && error !== undefined)
  const url = checked.find(({ copy }) => copy.destination === name)?.copy.url ?? null
  return {
    name,
    place,
    stored: false,
    url,
    ...(failed?.error === undefined ? {} : { error: `${failed.error.code}: ${failed.error.message}` })
  }
}

function best(checked: readonly Checked[]): Checked | undefined {
  return checked.toSorted((a, b) => rank(b.verification.level) - rank(a.verification.level))[0]
}

function weakest(checked: readonly Checked[]): VerificationLevel {
  if (checked.length === 0 || checked.some(({ error }) => error !== undefined)) return 'none'
  return checked
    .map(({ verification }) => verification.level)
    .reduce((low, level) => (rank(level) < rank(low) ? level : low), 'restore')
}

function sizeOf(copy: HistoryEntry): number {
  const { manifest } = copy
  return manifest === null ? 0 : [...manifest.files, ...manifest.shared].reduce((sum, file) => sum + file.bytes, 0)
}
