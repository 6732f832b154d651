import { errorCodes } from '../../error-codes.ts'
import type { Result } from '../../result.ts'
import { inert, inertCode } from '../../text/escape.ts'
import { formatAge, formatCount, formatTime, plural } from '../../text/format.ts'
import { joined, link, list, prose, section } from './markup.ts'
import { guideUrl, type SummaryPlace } from './place.ts'
import { isGood, lastGood } from './projects.ts'
import { levelSentences, partNames } from './words.ts'

/** What went wrong, why, what to do, and what there still is: the first thing that a person needs of a red run. */
export function failure(result: Result, place: SummaryPlace): string {
  const { error } = result
  if (error === undefined) return ''
  const entry = Object.entries(errorCodes).find(([code]) => code === error.code)?.[1]
  return joined([
    happened(result, error.message),
    entry === undefined ? '' : `**Why:** ${prose(entry.cause, 800)}`,
    whatToDo(result, error.remedy),
    stillThere(result, place),
    `<sub>${[errorLink(error.code, place), ...worstDay(place)].join(' · ')}</sub>`
  ])
}

/**
 * The remedy of the error, and of a part that is missing its own: where nothing else is wrong, the error itself could only point there. A backup that lost much
 * has two ways on, by whether that was meant.
 */
function whatToDo(result: Result, remedy: string): string {
  const failed = (result.backup?.parts ?? []).filter(({ status }) => status === 'impossible')
  const byCode = Map.groupBy(failed, ({ reason }) => /^(SB\d{3}):/.exec(reason ?? '')?.[1])
  const missing = [...byCode].flatMap(([code, parts]) => {
    const entry = Object.entries(errorCodes).find(([known]) => known === code)?.[1]
    const names = parts.map(({ source }) => partNames[source]).join(', ')
    return entry === undefined ? [] : [`${names}: ${prose(entry.remedy, 400)}`]
  })
  const ways = waysOn(result)
  const own = ways.length > 0 ? ways : result.error?.code === 'SB215' && missing.length > 0 ? [] : [prose(remedy, 800)]
  const all = [...own, ...missing]
  return all.length === 1 && missing.length === 0
    ? `**What to do:** ${all[0]}`
    : `**What to do:**\n\n${list(all, all.length)}`
}

function waysOn(result: Result): string[] {
  const { error, backup } = result
  if (error?.code !== 'SB907' || backup === undefined) return []
  const good = lastGood(result)
  const back =
    good === undefined
      ? 'no earlier backup here is one to rely on'
      : `bring it back from the last good backup, ${inertCode(good.id)} of ${formatTime(new Date(good.createdAt))}${good.rows === null ? '' : ` with ${plural(good.rows, 'row')}`}`
  return [
    `**If nobody meant that:** ${back}. Nothing is pruned until somebody says that it was meant.`,
    `**If it was meant:** run once with ${inertCode(`acknowledge: ${backup.id}`)}.`
  ]
}

/** The way to what to do when something is lost: on every red run, since nobody looks for it on a green one. */
function worstDay(place: SummaryPlace): string[] {
  const page = guideUrl(place, 'docs/worst-day.md')
  return page === null ? [] : [`${link('Something is lost? The worst day, step by step', page, place)}`]
}

/** Alarms one by one; else the message. */
function happened(result: Result, message: string): string {
  const alarms = result.alarms ?? []
  if (alarms.length === 0) return `**What happened:** ${prose(message, 1_500)}`
  return `**What happened:**\n\n${list(
    alarms.map((alarm) => `${inert(alarm.kind, 40)}: ${prose(alarm.detail, 300)}`),
    50
  )}`
}

function errorLink(code: string, place: SummaryPlace): string {
  const text = `${inertCode(code)} in docs/errors.md`
  const page = guideUrl(place, `docs/errors.md#${code.toLowerCase()}`)
  return page === null || !/^SB\d{3}$/.test(code) ? text : link(text, page, place)
}

/** What is left to fall back on when a backup failed. */
function stillThere(result: Result, place: SummaryPlace): string {
  if (result.command !== 'backup' || result.status !== 'failed') return ''
  const nothingNew = 'Nothing of this run was published.'
  const good = result.backups.filter(isGood).toSorted((a, b) => b.createdAt.localeCompare(a.createdAt))[0]
  if (good === undefined) return result.backups.length === 0 ? '' : `${nothingNew} No earlier backup is verified.`
  const age = formatAge(place.now.getTime() - Date.parse(good.createdAt))
  return `**What you still have:** ${nothingNew} The newest verified backup is ${age} old: ${inertCode(good.id)}, ${levelSentences[good.verified]}.`
}

/** What fell noticeably, seen before anything else: a green run must not hide it. */
export function falls(result: Result): string {
  const found = result.falls ?? []
  if (found.length === 0) return ''
  return `⚠️ **Less than before:** ${found
    .slice(0, 10)
    .map((one) => prose(one, 300))
    .join(
      '; '
    )}${found.length > 10 ? `; and ${formatCount(found.length - 10)} more` : ''}. If nobody meant that, bring it back while a backup still holds it.`
}

export function warnings(result: Result): string {
  const found = result.warnings
  return section(
    `Warnings: ${found.length}`,
    list(
      found.map((warning) => prose(warning, 400)),
      20
    )
  )
}
