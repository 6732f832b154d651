import { sqlStateOf } from '../../../clients/postgres/server-error.ts'
import { UserError } from '../../../errors.ts'

/** What the machine or the copy's server lacked: it says nothing about the backup. */
export type MachineFault = 'room' | 'memory' | 'server'

/** Where a message of the server stands in a line of pg_restore. */
const before =
  '^(?:could not execute query: |COPY failed for table ".*": |error returned by PQputCopy(?:Data|End): )?(?:(?:ERROR|FATAL|PANIC): +)?'

const faults: readonly (readonly [MachineFault, RegExp])[] = [
  [
    'room',
    new RegExp(
      `${before}could not (?:extend|write|create|open|resize|copy|fsync|flush|rename|link)\\b.*(?:: No space left on device|: wrote only \\d+ of \\d+ bytes.*|: Disk quota exceeded)$`
    )
  ],
  ['memory', new RegExp(`${before}(?:out of (?:shared )?memory|could not fork\\b.*: Cannot allocate memory)$`)],
  [
    'server',
    new RegExp(
      `${before}(?:server closed the connection unexpectedly|terminating connection (?:due|because)\\b.*|the database system is (?:shutting down|starting up|in recovery mode|not accepting connections)|no connection to the server|could not (?:receive data from|send data to) server: .*|connection to server .* failed: .*)$`
    )
  ]
]

/** What a message of pg_restore says of the machine; null when it is about the backup, or may be. */
export function machineFault(message: string): MachineFault | null {
  return faults.find(([, pattern]) => pattern.test(message))?.[0] ?? null
}

const words: Record<MachineFault, string> = {
  room: 'The disk of the server for the restored copy is full.',
  memory: 'The server for the restored copy ran out of memory.',
  server: 'The server for the restored copy ended, or closed the connection.'
}

/** The error for it: the proof by restoring is not possible here. It names nothing of the project. */
export function machineError(fault: MachineFault, cause?: unknown): UserError {
  return new UserError('SB604', words[fault], cause === undefined ? {} : { cause })
}

/** What an error of a connection to the copy's server says of the machine; null when it says nothing of it. */
export function faultOfConnection(error: UserError): MachineFault | null {
  const state = sqlStateOf(error) ?? ''
  if (state === '53100' || state === '58030') return 'room'
  if (state === '53200') return 'memory'
  if (/^(?:57P|08)/.test(state) || /^SB1(?:01|16|20)$/.test(error.code)) return 'server'
  return null
}
