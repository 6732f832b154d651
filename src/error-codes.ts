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
  SB402: {
    title: 'The token is not accepted',
    cause: 'The token is wrong, has expired or was revoked.',
    remedy: 'Make a new token and store it in the secret that the input `token` reads.'
  },
  SB403: {
    title: 'The token may not do this',
    cause: 'The token lacks a permission, is not authorised for single sign-on, or its owner has lost access.',
    remedy: 'Give the job `permissions: contents: write`, or the token "Contents: read and write" on the repository that is written to.'
  },
  SB404: {
    title: 'A backup or one of its files is not there',
    cause: 'It was deleted, has expired, or was never committed.',
    remedy: 'Run `command: list` and choose one of the backups shown.'
  },
  SB405: {
    title: 'The repository was not found',
    cause: 'There is no repository of this name, or the token may not see it: GitHub answers both with 404.',
    remedy: 'Check the input `repository`. The token of the job reaches its own repository only: for another one give a fine-grained token with access to it.'
  },
  SB406: {
    title: 'The repository has moved',
    cause: 'It was renamed or transferred; writing through the old name is refused.',
    remedy: 'Set the input `repository` to the new name.'
  },
  SB407: {
    title: 'Rules of the repository refuse the push',
    cause: 'A branch protection, a ruleset or a hook of the server forbids it.',
    remedy: 'Choose a `branch` that no rule covers, or let the owner of the token bypass the rule.'
  },
  SB408: {
    title: 'Push protection found secrets in the backup',
    cause: 'GitHub scans what is pushed, and a backup that is not encrypted holds what looks like keys or tokens.',
    remedy: 'Encrypt the backup: set `recipients` or `passphrase`.'
  },
  SB409: {
    title: 'The destination refuses the size',
    cause: 'A file, or all files of one push, are larger than the server takes.',
    remedy: 'Use another destination for this project, or ask the owner of the server to raise the limit.'
  },
  SB410: {
    title: 'The folder has no room left',
    cause: 'The file system that holds `folder` is full, or a quota is used up.',
    remedy: 'Free space there or let old backups go with the `keep-*` inputs.'
  },
  SB411: {
    title: 'The folder cannot be written',
    cause: 'The user who runs the job may not write there, or the file system is read-only.',
    remedy: 'Make `folder` writable for the user who runs the job.'
  },
  SB412: {
    title: 'A link stands where a folder or file of a backup belongs',
    cause: 'A symbolic link inside the folder of backups could lead the write to another place, so it is not followed.',
    remedy: 'Remove the link that the message names.'
  },
  SB413: {
    title: 'Others write to the same branch without pause',
    cause: 'Every try found that somebody else had pushed in between.',
    remedy: 'Run fewer backups at once, or give each project a branch of its own.'
  },
  SB414: {
    title: 'What was stored differs from what was sent',
    cause: 'Reading back gave other bytes: a failing disk, or something between here and there changes data.',
    remedy: 'Run the backup again; if it repeats, check disk and proxy. Nothing was committed.'
  },
  SB415: {
    title: 'A backup of this id exists already',
    cause: 'Two backups can never have the same id, and a committed backup is never changed.',
    remedy: 'Start the run again: it gets an id of its own.'
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
  SB901: {
    title: 'The backup was not found',
    cause: 'No destination lists a backup of this id, or none at or before this time.',
    remedy: 'Run `command: list` and take an id from it; check `destinations`, `repository` and `project`.'
  },
  SB902: {
    title: 'The backup cannot be read by this version',
    cause: 'Its manifest was written by a newer version, or it is damaged.',
    remedy: 'Install the version named in the message, or choose another backup.'
  },
  SB903: {
    title: 'It is not clear which project is meant',
    cause: 'The destinations hold backups of several projects and the command works on one backup.',
    remedy: 'Set the input `project` to one of the labels named.'
  }
} as const satisfies Record<string, ErrorEntry>

/** A stable error code. */
export type ErrorCode = keyof typeof catalogue

/** Every error code with its entry, in the order of the codes. */
export const errorCodes: Readonly<Record<ErrorCode, ErrorEntry>> = catalogue
