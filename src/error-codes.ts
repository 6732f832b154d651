/** What the catalogue says of one error code: README's troubleshooting table is generated from it. */
export interface ErrorEntry {
  /** The situation in a few words. */
  readonly title: string
  /** Why it comes about. */
  readonly cause: string
  /** What to do. */
  readonly remedy: string
}

const catalogue = {
  // SB0xx: inputs
  SB001: {
    title: 'An input has a value that is not allowed',
    cause: 'The value of an input is outside what the action knows.',
    remedy: 'Set the input to one of the values named in the message.'
  },
  SB002: {
    title: 'Inputs contradict each other',
    cause: 'Two inputs cannot be used together, or one needs another that is missing.',
    remedy: 'Change the inputs as the message says.'
  },
  SB003: {
    title: 'An input is missing',
    cause: 'The command needs an input that was not given or is empty.',
    remedy: 'Give the input that the message names; if it comes from a secret, check that the secret exists and is spelt the same.'
  },
  // SB1xx: connecting to a database
  SB101: {
    title: 'The database does not answer',
    cause: 'Nothing listens at this host and port, or the name does not resolve.',
    remedy: 'Check host and port in the connection string.'
  },
  // SB2xx: dumping
  SB201: {
    title: 'The dump failed',
    cause: 'pg_dump ended with an error.',
    remedy: 'Read the message of pg_dump that is quoted.'
  },
  // SB3xx: this machine and its programs
  SB301: {
    title: 'The run was cancelled',
    cause: 'The workflow run was cancelled or ran out of time.',
    remedy: 'Start it again; nothing half-written is kept.'
  },
  SB302: {
    title: 'A program is missing on this machine',
    cause: 'A program that the action starts is not installed, not in PATH, or cannot be executed.',
    remedy: 'Install the program that the message names in a step before this one; runners hosted by GitHub have git, and pg_dump is found or installed by the action.'
  },
  // SB4xx: destinations
  SB401: {
    title: 'The destination refused or did not answer',
    cause: 'The place where backups are kept answered with an error.',
    remedy: 'Read the answer that is quoted and check token and permissions.'
  },
  // SB5xx: stored files: keys, damage, formats
  SB501: {
    title: 'A stored file is damaged',
    cause: 'The bytes differ from those that the backup was made of.',
    remedy: 'Use another backup; `command: list` shows them.'
  }
  // SB6xx: verification
  // SB7xx: restore
  // SB8xx: Storage, Edge Functions, settings
  // SB9xx: history, retention, notifications
} as const satisfies Record<string, ErrorEntry>

/** A stable error code. */
export type ErrorCode = keyof typeof catalogue

/** Every error code with its entry, in the order of the codes. */
export const errorCodes: Readonly<Record<ErrorCode, ErrorEntry>> = catalogue
