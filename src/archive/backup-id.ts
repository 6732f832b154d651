import type { Clock, RandomBytes } from '../context.ts'

const alphabet = 'abcdefghijklmnopqrstuvwxyz234567'
const pattern = /^(\d{4})(\d{2})(\d{2})T(\d{2})(\d{2})(\d{2})Z-[a-z2-7]{8}$/

/** A new id: UTC time in seconds and 40 random bits, so that two runs in one second differ. */
export function makeBackupId(clock: Clock, randomBytes: RandomBytes): string {
  const random = [...randomBytes(8)].map((byte) => alphabet[byte & 31]).join('')
  return `${compactTime(clock.now())}-${random}`
}

/** `20261122T161908Z`: a time that may stand in file names everywhere. */
export function compactTime(time: Date): string {
  return time
    .toISOString()
    .replace(/\.\d+Z$/, 'Z')
    .replace(/[-:]/g, '')
}

export function isBackupId(text: string): boolean {
  return pattern.test(text)
}

/** The time inside an id; null when the text is no id. */
export function timeOfBackupId(id: string): Date | null {
  const m = pattern.exec(id)
  if (m === null) return null
  const time = new Date(`${m[1]}-${m[2]}-${m[3]}T${m[4]}:${m[5]}:${m[6]}Z`)
  return Number.isNaN(time.getTime()) ? null : time
}
