import type { Result } from '../../result.ts'
import { inertCode } from '../../text/escape.ts'
import { leftOut, section, table } from './markup.ts'

const mostShown = 256

/** The jobs of the matrix in their order, with what the file says of each. */
export function plan(result: Result): string {
  const jobs = result.matrix?.include ?? []
  return section(
    'Jobs, in this order',
    table(
      ['Project', 'What the file says of it'],
      jobs.slice(0, mostShown).map((job) => [
        inertCode(String(job['project'] ?? '')),
        Object.entries(job)
          .filter(([name]) => name !== 'project')
          .map(([name, value]) => inertCode(`${name}: ${wordOf(value)}`, 160))
          .join(' ')
      ])
    ),
    leftOut(jobs.length, mostShown)
  )
}

/** Secrets stand in the file by name alone; an object here is that map of names. */
function wordOf(value: unknown): string {
  return typeof value === 'object' && value !== null ? JSON.stringify(value) : String(value)
}
