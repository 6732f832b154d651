import type { Anomaly, ProjectReport, ReportEvent, Times } from '../../history/report.ts'
import { isRestore } from '../../history/report.ts'
import { visible } from '../../text/escape.ts'
import { formatCount, formatDay, formatDuration, formatTime, plural } from '../../text/format.ts'
import type { Report } from './report.ts'

const mostShown = 60

/** The report as one page that prints well: no script, nothing from the network. */
export function renderReportPage(report: Report): string {
  const period = `${formatDay(new Date(report.since))} to ${formatDay(new Date(report.generatedAt))}`
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">
<title>Backups, ${html(period)}</title>
<style>${style}</style>
</head>
<body>
<main>
<h1>Backups, ${html(period)}</h1>
<p>${html(opening(report))}</p>
${overview(report)}
<p class="note">A night counts as made when a backup came of it, whatever its status. The largest gap is the longest time without a new complete backup (RPO); the target is <code>max-age</code>, ${html(formatDuration(report.maxAgeMs))}. Restores are those that were done, into whatever target (RTO); proofs are restores of each backup into a throw-away server.</p>
${report.projects.map(projectSection).join('\n')}
${basis(report)}
</main>
</body>
</html>
`
}

function opening({ projects }: Report): string {
  const sum = (of: (project: ProjectReport) => number) => projects.reduce((total, project) => total + of(project), 0)
  const within = projects.filter(({ largestGap }) => largestGap?.met === true).length
  return `${plural(projects.length, 'project')}. Of ${plural(
    sum(({ due }) => due),
    'due backup'
  )}, ${formatCount(sum(({ made }) => made))} were made, ${formatCount(sum(({ failed }) => failed))} failed and ${formatCount(
    sum(({ missed }) => missed)
  )} were missed. ${formatCount(within)} of ${plural(projects.length, 'project')} never went longer than the target without a complete backup.`
}

function overview({ projects }: Report): string {
  const rows = projects.map((project) => {
    const { due, made, failed, missed, largestGap, levels, proofs, restores, keyShownAt, anomalies } = project
    const open = anomalies.filter(({ acknowledged }) => acknowledged === null).length
    return row([
      html(project.project),
      formatCount(due),
      formatCount(made),
      bad(failed),
      bad(missed),
      largestGap === null
        ? '<b class="bad">no complete backup</b>'
        : `${mark(largestGap.met)} ${html(formatDuration(largestGap.ms))}`,
      `${formatCount(levels.restore)} of ${formatCount(levels.restore + levels.read + levels.checksum + levels.none)}`,
      times(proofs),
      times(restores),
      keyShownAt === null ? '<b class="bad">no</b>' : html(formatDay(new Date(keyShownAt))),
      anomalies.length === 0
        ? '0'
        : `${formatCount(anomalies.length)}, ${open === 0 ? 'all acknowledged' : `<b class="bad">${formatCount(open)} open</b>`}`
    ])
  })
  return table(
    [
      'Project',
      'Due',
      'Made',
      'Failed',
      'Missed',
      'Largest gap',
      'Proven by restoring',
      'Proofs',
      'Restores',
      'Key shown',
      'Anomalies'
    ],
    rows
  )
}

function projectSection(project: ProjectReport): string {
  const { events, nights, anomalies, retention, recipients, largestGap, knownSince } = project
  const failures = events.filter(({ event }) => event === 'failed')
  const missed = nights.filter(({ came }) => came === 'missed')
  const restores = events.filter(({ event }) => isRestore(event))
  const alarms = events.filter(({ event }) => event === 'alarmed')
  return `<section>
<h2>${html(project.project)}</h2>
<dl>
${term('Known since', knownSince === null ? 'nothing is known of this period' : formatTime(new Date(knownSince)))}
${term('Counted by', project.countedBy === 'schedule' ? 'the schedule of the workflow (UTC)' : 'days (UTC): no run told of a schedule')}
${largestGap === null ? '' : term('Largest gap', `${formatDuration(largestGap.ms)}, from ${formatTime(new Date(largestGap.from))} to ${formatTime(new Date(largestGap.until))}`)}
${term(
  'Proof levels',
  Object.entries(project.levels)
    .map(([level, count]) => `${level} ${formatCount(count)}`)
    .join(', ')
)}
${term('Retention in force', retention.length === 0 ? 'none was told: nothing is removed by the backup' : retention.join(', '))}
${term('Keys', recipients.length === 0 ? 'none was told' : recipients.join(', '))}
</dl>
${list('Failed runs', failures, (event) => `${at(event)} <code>${html(event.command)}</code> ${html(event.error ?? event.status)}${link(event)}`)}
${list('Missed', missed, (night) => html(formatTime(new Date(night.at))))}
${list('Restores', restores, (event) => `${at(event)} ${event.event === 'restored' ? 'into the project itself' : 'into another project'}, backup <code>${html(event.backup ?? '?')}</code>, ${html(formatDuration(event.durationMs))}, ${html(event.status)}${by(event)}${link(event)}`)}
${list('Anomalous backups', anomalies, anomaly)}
${list('Alarms of check', alarms, (event) => `${at(event)} ${html(event.alarms?.join(', ') ?? event.error ?? event.status)}${link(event)}`)}
</section>`
}

function anomaly({ backup, at: time, alarms, acknowledged }: Anomaly): string {
  const who =
    acknowledged === null
      ? '<b class="bad">not acknowledged</b>'
      : `acknowledged ${acknowledged.by === null ? '' : `by ${html(acknowledged.by)} `}${acknowledged.at === null ? '(no run is noted for it)' : html(formatTime(new Date(acknowledged.at)))}`
  return `${html(formatTime(new Date(time)))} <code>${html(backup)}</code> ${html(alarms.join(', '))}: ${who}`
}

function basis({ places, records, signedBy, tool, generatedAt }: Report): string {
  const where = places.map(
    ({ place, journal }) => `${place}${journal ? '' : ' (keeps no journal: only what lies there is known)'}`
  )
  const doubts = [
    [records.invalid, 'changed after they were signed'],
    [records.otherKey, 'signed by another key'],
    [records.unreadable, 'not readable'],
    [records.differing, 'different in two places']
  ].flatMap(([count, words]) => (Number(count) === 0 ? [] : [`${count} ${words}`]))
  return `<section>
<h2>What this rests on</h2>
<p>${html(where.join('; '))}. ${html(plural(records.read, 'record'))}, ${formatCount(records.signed)} with a valid signature${doubts.length === 0 ? '' : `; not believed: ${html(doubts.join(', '))}`}. ${
    signedBy === null
      ? 'This report is not signed.'
      : `This report is signed by <code>${html(signedBy)}</code>: <code>openssl pkeyutl -verify -pubin -inkey verify.pem -rawin -in report.html -sigfile report.html.sig</code>`
  }</p>
<p>A run that was cancelled, or that could not reach the place, leaves no record: its night counts as missed. Whoever administers the place can delete records; a night whose record is gone counts as missed, never as made.</p>
<p>${html(tool)}, ${html(formatTime(new Date(generatedAt)))}</p>
</section>`
}

function list<T>(title: string, all: readonly T[], render: (one: T) => string): string {
  if (all.length === 0) return ''
  const shown = all.slice(-mostShown)
  const more =
    all.length > shown.length ? `<li>and ${formatCount(all.length - shown.length)} before; report.csv has all</li>` : ''
  return `<h3>${html(title)} (${formatCount(all.length)})</h3><ul>${more}${shown.map((one) => `<li>${render(one)}</li>`).join('')}</ul>`
}

function at({ startedAt }: ReportEvent): string {
  return html(formatTime(new Date(startedAt)))
}

function by({ run }: ReportEvent): string {
  return run?.actor === undefined ? '' : `, by ${html(run.actor)}`
}

/** The address of the run as a link, where it is a web address. */
function link({ run }: ReportEvent): string {
  const url = URL.parse(run?.url ?? '')
  return url === null || !/^https?:$/.test(url.protocol) ? '' : ` <a href="${html(url.href)}">run</a>`
}

function times(of: Times | null): string {
  return of === null ? 'none' : `${formatCount(of.count)}, longest ${html(formatDuration(of.longestMs))}`
}

function bad(count: number): string {
  return count === 0 ? '0' : `<b class="bad">${formatCount(count)}</b>`
}

function mark(met: boolean): string {
  return met ? '<span class="good">✓</span>' : '<b class="bad">✗</b>'
}

function term(name: string, text: string): string {
  return `<dt>${html(name)}</dt><dd>${html(text)}</dd>`
}

function table(head: readonly string[], rows: readonly string[]): string {
  return `<div class="wide"><table><thead><tr>${head.map((text) => `<th scope="col">${html(text)}</th>`).join('')}</tr></thead><tbody>${rows.join('')}</tbody></table></div>`
}

function row([first = '', ...cells]: readonly string[]): string {
  return `<tr><th scope="row">${first}</th>${cells.map((cell) => `<td>${cell}</td>`).join('')}</tr>`
}

/** Text from outside as text of the page. */
function html(text: string): string {
  return visible(text)
    .replaceAll('&', '&amp;')
    .replaceAll('<', '&lt;')
    .replaceAll('>', '&gt;')
    .replaceAll('"', '&quot;')
    .replaceAll("'", '&#39;')
}

const style = `
:root { color-scheme: light dark; --line: #8886; --bad: #b42318; --good: #067647 }
@media (prefers-color-scheme: dark) { :root { --bad: #ff8a7a; --good: #5fd39b } }
body { font: 15px/1.5 system-ui, sans-serif; margin: 0 }
main { max-width: 68rem; margin: 0 auto; padding: 1.5rem }
h1 { font-size: 1.6rem } h2 { font-size: 1.2rem; margin-top: 2rem } h3 { font-size: 1rem; margin: 1rem 0 .25rem }
.wide { overflow-x: auto }
table { border-collapse: collapse; width: 100%; font-variant-numeric: tabular-nums }
th, td { text-align: left; padding: .3rem .6rem; border-bottom: 1px solid var(--line); vertical-align: top }
dl { display: grid; grid-template-columns: max-content 1fr; gap: .15rem 1rem; margin: 0 } dt { opacity: .75 } dd { margin: 0; overflow-wrap: anywhere }
ul { margin: 0; padding-left: 1.2rem } code { overflow-wrap: anywhere }
.bad { color: var(--bad) } .good { color: var(--good) } .note { opacity: .8; font-size: .9rem }
@media (max-width: 40rem) { main { padding: 1rem } dl { grid-template-columns: 1fr } dd { margin-bottom: .4rem } }
@media print { body { font-size: 10pt } main { max-width: none; padding: 0 } section { break-inside: avoid } .wide { overflow: visible } th, td { padding: .15rem .35rem } a { color: inherit } }
`
