import type { VerificationLevel } from '../archive/manifest.ts'
import { formatAge } from '../text/format.ts'

/** What a shields.io endpoint badge is made of: https://shields.io/badges/endpoint-badge */
export interface Badge {
  readonly schemaVersion: 1
  readonly label: string
  readonly message: string
  readonly color: 'brightgreen' | 'yellow' | 'red'
  readonly isError: boolean
}

export interface BadgeFacts {
  /** The newest verified backup, where there is one. */
  readonly newest: { readonly createdAt: Date; readonly verified: VerificationLevel } | undefined
  readonly alarms: number
  readonly warnings: number
}

const proofs: Readonly<Record<VerificationLevel, string>> = {
  restore: 'restored',
  read: 'read',
  checksum: 'checksums compared',
  none: 'not verified'
}

/** The badge of one project, or of several: then `newest` is that of the one whose backup is oldest. */
export function badgeOf(label: string, { newest, alarms, warnings }: BadgeFacts, now: Date): Badge {
  const message =
    newest === undefined
      ? 'none verified'
      : `${formatAge(now.getTime() - newest.createdAt.getTime())} old, ${proofs[newest.verified]}`
  const bad = newest === undefined || alarms > 0
  return {
    schemaVersion: 1,
    label,
    message,
    color: bad ? 'red' : warnings > 0 ? 'yellow' : 'brightgreen',
    isError: bad
  }
}
