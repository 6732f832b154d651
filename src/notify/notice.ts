import { z } from 'zod'
import { destinationNames } from '../destinations/destination.ts'
import { type ErrorCode, errorCodes } from '../error-codes.ts'
import { type Result, resultSchema } from '../result.ts'
import { shorten, visible } from '../text/escape.ts'
import { formatBytes, formatDuration, plural } from '../text/format.ts'

const { command, status, verified } = resultSchema.shape

/**
 * What is told about a run: the body of `notify-webhook`, whose JSON Schema is docs/notification.schema.json. It leaves the
 * runner, so it holds no secret, no text of a server and no name from inside a project: labels, codes and numbers only.
 */
export const noticeSchema = z.object({
  version: z.literal(1),
  event: z.enum(['success', 'failure']).describe('`success` for the status `complete`, `failure` for every other'),
  text: z.string().describe('All of it in a few lines for people'),
  command,
  status,
  dryRun: z.boolean().describe('The run only showed what it would do'),
  project: z
    .string()
    .nullable()
    .describe('Label of the project; null when the run is about several, or it is not known'),
  verified,
  error: z
    .object({ code: z.string(), title: z.string(), remedy: z.string() })
    .nullable()
    .describe('The entry of the error catalogue, without what is particular to the run: that is in its log'),
  alarms: z.array(z.object({ kind: z.string(), project: z.string().nullable(), detail: z.string().nullable() })),
  warnings: z.number().describe('How many there were'),
  backup: z.object({ id: z.string(), createdAt: z.string(), sizeBytes: z.number() }).nullable(),
  destinations: z.array(z.object({ name: z.enum(destinationNames), stored: z.boolean() })),
  startedAt: z.string(),
  durationMs: z.number(),
  repository: z.string().nullable().describe('The repository that the run belongs to'),
  runUrl: z.string().nullable(),
  tool: z.string()
})
export type Notice = z.infer<typeof noticeSchema>

/** Most characters of what one alarm says. */
const longestAlarm = 500

/** Where the run is. */
export interface RunAddress {
  readonly serverUrl: string
  readonly repository: string | undefined
  readonly runId: string | undefined
}

/** @param project the label where the result does not say it: inputs that were refused still name it. */
export function noticeOf(result: Result, project: string | undefined, run: RunAddress, dryRun = false): Notice {
  const code = result.error?.code
  const entry = isErrorCode(code) ? errorCodes[code] : undefined
  const notice: Notice = {
    version: 1,
    event: result.status === 'complete' ? 'success' : 'failure',
    text: '',
    command: result.command,
    status: result.status,
    dryRun,
    project: result.project ?? project ?? null,
    verified: result.verified,
    error: code === undefined ? null : { code, title: entry?.title ?? '', remedy: entry?.remedy ?? '' },
    alarms: (result.alarms ?? []).map((alarm) => ({
      kind: alarm.kind,
      project: alarm.project ?? result.project,
      // The alarms of a check are about times and labels; those of a backup compare what is inside.
      detail: result.command === 'check' ? shorten(visible(alarm.detail), longestAlarm) : null
    })),
    warnings: result.warnings.length,
    backup:
      result.backup === undefined
        ? null
        : { id: result.backup.id, createdAt: result.backup.createdAt, sizeBytes: result.backup.sizeBytes },
    destinations: result.destinations.map(({ name, stored }) => ({ name, stored })),
    startedAt: result.startedAt,
    durationMs: result.durationMs,
    repository: run.repository ?? null,
    runUrl:
      run.repository === undefined || run.runId === undefined
        ? null
        : `${run.serverUrl}/${run.repository}/actions/runs/${run.runId}`,
    tool: result.tool
  }
  return { ...notice, text: [headline(notice), ...details(notice)].join('\n') }
}

function isErrorCode(code: string | undefined): code is ErrorCode {
  return code !== undefined && Object.hasOwn(errorCodes, code)
}

const nouns: Readonly<Record<Notice['command'], string>> = {
  backup: 'Backup',
  verify: 'Verification',
  restore: 'Restore',
  list: 'Listing',
  download: 'Download',
  prune: 'Pruning',
  delete: 'Deletion',
  check: 'Check',
  report: 'Report',
  plan: 'Plan'
}

/** `Backup of shop: failed`, `Restore of shop (dry run): complete`. */
export function headline(notice: Pick<Notice, 'command' | 'project' | 'status' | 'dryRun'>): string {
  return `${nouns[notice.command]}${notice.project === null ? '' : ` of ${notice.project}`}${notice.dryRun ? ' (dry run)' : ''}: ${notice.status}`
}

/**
 * What there is to say besides the headline, line by line.
 *
 * @param quote makes what an alarm says fit for where it is shown: it may name files and places.
 */
export function details(notice: Notice, quote: (text: string) => string = (text) => text): string[] {
  const { backup, error } = notice
  const facts = [
    ...(backup === null ? [] : [`backup ${backup.id}`, formatBytes(backup.sizeBytes)]),
    ...(notice.command === 'backup' || notice.command === 'verify' ? [`verified: ${notice.verified}`] : []),
    `took ${formatDuration(notice.durationMs)}`,
    ...(notice.warnings === 0 ? [] : [plural(notice.warnings, 'warning')])
  ]
  return [
    facts.join(', '),
    ...notice.alarms.map((alarm) => `Alarm: ${quote(alarm.detail ?? alarm.kind)}`),
    ...(error === null ? [] : [`${error.code}: ${error.title}.`, error.remedy]),
    ...(notice.runUrl === null ? [] : [notice.runUrl])
  ]
}
