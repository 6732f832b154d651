import type { HealthState } from './health.ts'

/** So many projects have a card each; of more, those that are healthy share a table. */
export const mostCards = 6

/** Which projects get a card: all where they are few, else those that somebody should look at. Both lists keep the order. */
export function divide<T extends { readonly health: { readonly state: HealthState } }>(
  projects: readonly T[]
): { readonly cards: readonly T[]; readonly rows: readonly T[] } {
  if (projects.length <= mostCards) return { cards: projects, rows: [] }
  const isHealthy = ({ health }: T) => health.state === 'good'
  return { cards: projects.filter((one) => !isHealthy(one)), rows: projects.filter(isHealthy) }
}

/** Whether a project is shown while somebody looks for one: every word stands in its label. */
export function isMeant(label: string, state: HealthState, find: string, onlyTrouble: boolean): boolean {
  if (onlyTrouble && state === 'good') return false
  return find
    .toLowerCase()
    .split(/\s+/)
    .every((word) => label.includes(word))
}
