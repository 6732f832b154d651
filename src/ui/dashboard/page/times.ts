import { h } from './dom.ts'

const full = new Intl.DateTimeFormat(undefined, {
  year: 'numeric',
  month: 'short',
  day: 'numeric',
  hour: '2-digit',
  minute: '2-digit',
  timeZoneName: 'short'
})
const short = new Intl.DateTimeFormat(undefined, {
  year: 'numeric',
  month: 'short',
  day: 'numeric',
  hour: '2-digit',
  minute: '2-digit'
})
const hour = new Intl.DateTimeFormat(undefined, { hour: '2-digit', minute: '2-digit' })
const day = new Intl.DateTimeFormat(undefined, { weekday: 'short', year: 'numeric', month: 'short', day: 'numeric' })

/** The zone that all times of the page are shown in. */
export const zone = Intl.DateTimeFormat().resolvedOptions().timeZone

export function dayText(time: number): string {
  return day.format(time)
}

/** A time where the reader is; its title has it in UTC. */
export function time(iso: string, form: 'full' | 'short' | 'hour' = 'short'): HTMLTimeElement {
  const date = new Date(iso)
  if (Number.isNaN(date.getTime())) return h('time', {}, iso)
  const format = form === 'full' ? full : form === 'hour' ? hour : short
  return h('time', { datetime: iso, title: `${iso.slice(0, 16).replace('T', ' ')} UTC` }, format.format(date))
}

/** `in 5 hours`, `3 days ago`. */
export function fromNow(iso: string, now: Date): string {
  const ms = Date.parse(iso) - now.getTime()
  const minutes = Math.round(Math.abs(ms) / 60_000)
  const words =
    minutes < 1
      ? undefined
      : minutes < 120
        ? `${minutes} ${minutes === 1 ? 'minute' : 'minutes'}`
        : minutes < 48 * 60
          ? `${Math.round(minutes / 60)} hours`
          : `${Math.round(minutes / 60 / 24)} days`
  if (words === undefined) return 'just now'
  return ms > 0 ? `in ${words}` : `${words} ago`
}
