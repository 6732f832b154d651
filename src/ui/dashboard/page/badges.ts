import { levelWords, type Tone } from '../activity.ts'
import type { DashboardBackup } from '../data.ts'
import { type HealthState, healthWords } from '../health.ts'
import { h, sign } from './dom.ts'

export function healthBadge(state: HealthState): HTMLElement {
  return h('span', { class: `badge ${state}` }, sign(state), healthWords[state])
}

const statusTones: Readonly<Record<DashboardBackup['status'], HealthState>> = {
  complete: 'good',
  partial: 'attention',
  unproven: 'bad',
  anomalous: 'bad',
  damaged: 'bad',
  unreadable: 'bad'
}

export function statusBadge(backup: DashboardBackup): HTMLElement {
  const tone = backup.status === 'anomalous' && backup.acknowledged ? 'attention' : statusTones[backup.status]
  return h('span', { class: `badge ${tone}` }, sign(tone), backup.status)
}

/** How far a backup is proven, as a word and as a bar of three steps. */
export function proofBadge(level: DashboardBackup['verified']): HTMLElement {
  return h('span', { class: `proof ${level}` }, h('span', { class: 'steps', 'aria-hidden': 'true' }), levelWords[level])
}

export function mark(tone: Tone): HTMLElement {
  return h('span', { class: `mark ${tone}`, 'aria-hidden': 'true' })
}
