import type { DashboardData } from './data.ts'

/** Stands in the template, once, where the data goes. */
export const dataPlaceholder = '{"placeholder":"dashboard data"}'

/** How every page begins that this program wrote: what begins otherwise belongs to somebody else. */
export const dashboardMark = '<!doctype html>\n<!-- Supabase Backup: dashboard -->'

/**
 * The page: the template with the data in it. They stay apart: the data is a block that no browser runs, and `<` is written as `\u003c`, so
 * that nothing in it can end the block.
 */
export function renderDashboard(template: string, data: DashboardData): string {
  const [before, after, ...more] = template.split(dataPlaceholder)
  if (!template.startsWith(dashboardMark) || before === undefined || after === undefined || more.length > 0)
    throw new Error('the template of the dashboard is not whole: build it anew')
  return `${before}${inertJson(data)}${after}`
}

/** JSON that may stand inside a script element. */
function inertJson(value: unknown): string {
  return JSON.stringify(value).replace(
    /[<>&\u2028\u2029]/g,
    (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`
  )
}
