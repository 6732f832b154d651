/** What the catalogue says of one error code: docs/errors.md is generated from it. */
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
    remedy:
      'Give the input that the message names; if it comes from a secret, check that the secret exists and is spelt the same.'
  },
  SB004: {
    title: 'A connection string cannot be read',
    cause: 'It is neither of the two forms that PostgreSQL knows, or a special character in it is not percent-encoded.',
    remedy:
      'Write postgresql://user:password@host:5432/database. In user and password write @ as %40, / as %2F, ? as %3F, # as %23, : as %3A and % as %25.'
  },
  SB005: {
    title: 'A connection string has a parameter that is not taken',
    cause: 'Parameters that lead the connection elsewhere or read files, and those of other clients, are refused.',
    remedy: 'Remove the parameter from the connection string.'
  },
  SB006: {
    title: 'A key cannot be used',
    cause: 'A recipient, identity, signing key, certificate or API key is malformed or of the wrong kind.',
    remedy: 'Give the key whole, as the program that made it printed it.'
  },
  SB007: {
    title: 'The passphrase is too weak',
    cause: 'Whoever holds the backup can try passphrases without limit.',
    remedy: 'Make a passphrase with `openssl rand -base64 24` and store it in a secret, or better use `recipients`.'
  },
  SB008: {
    title: 'Nothing would be kept',
    cause: 'A keep rule is 0, or `prune` has no keep rule.',
    remedy: 'Give at least one keep rule above zero, for example `keep-daily: 7`.'
  },
  SB009: {
    title: 'The event that started the run is not trusted',
    cause: 'Runs for pull requests of forks, and `pull_request_target`, mix secrets with what strangers wrote.',
    remedy: 'Run the action on `schedule`, `workflow_dispatch` or `push`.'
  },
  SB010: {
    title: 'The runner did not say what is needed',
    cause: 'An environment variable that GitHub sets for actions is missing.',
    remedy: 'Run this as an action (`uses:`) in a GitHub workflow.'
  },
  SB011: {
    title: 'TLS cannot be switched off for Supabase',
    cause: 'The connection string says sslmode=disable for a host of Supabase.',
    remedy: 'Leave `sslmode` out of the connection string.'
  },
  SB013: {
    title: 'The folder would be emptied',
    cause:
      'The only place of the backup is a folder in the workspace or in RUNNER_TEMP of a machine of your own: the next job empties it, and the backups with it.',
    remedy:
      'Give an absolute path outside of both, such as /srv/backups or ~/backups, or a second place in `destinations`.'
  },
  // SB1xx: connecting to a database
  SB012: {
    title: 'An input is not known',
    cause:
      'The workflow gives an input that this action does not have. GitHub only warns of that, and what was meant by it would silently not happen.',
    remedy: 'Write it as the message says, or take it out. docs/inputs.md lists all inputs.'
  },
  SB101: {
    title: 'The database does not answer',
    cause: 'Nothing listens at this host and port, or the name does not resolve.',
    remedy: 'Check host and port in the connection string.'
  },
  SB102: {
    title: 'The host of the database does not resolve',
    cause: 'The name server knows no address for this name, or does not answer.',
    remedy: 'Check the spelling of the host in the connection string; a deleted Supabase project loses its name.'
  },
  SB103: {
    title: 'The database has only an IPv6 address',
    cause:
      'This machine has no IPv6, and the direct host of a Supabase project has no IPv4 address. Runners hosted by GitHub have no IPv6.',
    remedy: 'Use the Session pooler string (port 5432) from the dashboard (Connect), or book the IPv4 add-on.'
  },
  SB104: {
    title: 'The password is wrong',
    cause:
      'The server refused user name and password. It is not tried again: after 10 wrong passwords Supabase blocks the address.',
    remedy:
      'Check the database password in the secret that `database-url` reads (special characters must be percent-encoded). After a reset the pooler may need some minutes.'
  },
  SB105: {
    title: 'The pooler does not know the project',
    cause: 'The project is paused or deleted, or ref or region in the connection string are wrong.',
    remedy:
      'Resume the project if it is paused; otherwise copy the Session pooler string again from the dashboard (Connect).'
  },
  SB106: {
    title: 'The address of this machine is not allowed',
    cause: 'Network restrictions of the project, or a ban, refuse the address that the connection comes from.',
    remedy:
      'Allow the address in the project settings (Database, Network Restrictions), lift the ban there, or use a runner with a fixed address.'
  },
  SB107: {
    title: 'The server takes connections with TLS only',
    cause: 'SSL is enforced, and the connection string forbids it.',
    remedy: 'Leave `sslmode` out of the connection string, or set it to verify-full.'
  },
  SB108: {
    title: 'The server does not offer TLS',
    cause: 'TLS is demanded, and the server answered that it has none. Nothing was sent to it.',
    remedy:
      'Switch TLS on at the server. Only where the network is trusted: write sslmode=disable into the connection string.'
  },
  SB109: {
    title: 'The certificate of the server is not trusted',
    cause:
      'None of the known authorities has signed it: it is self-signed or of an authority of its own. No password was sent.',
    remedy:
      'Give the CA certificate of the server in the input `ssl-root-cert`. Where that is done already, something else may be answering in its place.'
  },
  SB110: {
    title: 'The connection goes through a pooler in transaction mode',
    cause: 'A dump needs a session of its own that keeps one snapshot; the transaction pooler (port 6543) gives none.',
    remedy: 'Use the Session pooler string (port 5432) from the dashboard (Connect).'
  },
  SB111: {
    title: 'The pooler cannot tell which project is meant',
    cause: 'The pooler finds the project in the user name, `postgres.<project ref>`.',
    remedy: 'Copy the Session pooler string from the dashboard (Connect).'
  },
  SB112: {
    title: 'The certificate of the server belongs to another host',
    cause: 'It is valid, but not for the host in the connection string. No password was sent.',
    remedy:
      'Use the host name that the certificate is made for. Give its authority in `ssl-root-cert` and sslmode=verify-ca only where the name cannot match.'
  },
  SB113: {
    title: 'The certificate of the server is not valid now',
    cause: 'It has expired or is not valid yet. No password was sent.',
    remedy:
      'Renew the certificate at the server (and give its authority in `ssl-root-cert` if that changed); check the clock of this machine.'
  },
  SB114: {
    title: 'Too many wrong passwords came from this address',
    cause: 'After 10 wrong passwords the pooler refuses every connection from this address for two minutes.',
    remedy: 'Correct the password, wait some minutes, run again.'
  },
  SB115: {
    title: 'The server has no connection left',
    cause: 'All connections of the server, or of the pool of this project, are in use.',
    remedy:
      'Run the backup at a quieter time, lower `jobs`, or raise the pool size in the project settings (Database, Connection pooling).'
  },
  SB116: {
    title: 'The server is starting up or shutting down',
    cause: 'It was restarted just now and takes no connections yet.',
    remedy: 'Run again in some minutes.'
  },
  SB117: {
    title: 'The database does not exist',
    cause: 'The server has no database of this name.',
    remedy: 'Check the name after the last / of the connection string; on Supabase it is `postgres`.'
  },
  SB118: {
    title: 'The role does not exist',
    cause: 'The server has no role of this name.',
    remedy:
      'Check the user in the connection string; on Supabase it is `postgres`, through the pooler `postgres.<project ref>`.'
  },
  SB119: {
    title: 'The server does not let this user in',
    cause: 'Its rules (pg_hba.conf) or the rights of the role allow no such connection.',
    remedy: 'Allow the user to connect to this database from this address, with LOGIN and CONNECT.'
  },
  SB120: {
    title: 'The connection to the database broke',
    cause: 'The server ended it, was restarted, or the network failed.',
    remedy: 'Run again; if it repeats, look into the log of the database.'
  },
  SB121: {
    title: 'What answers is no sound PostgreSQL server',
    cause: 'It breaks the rules of the protocol, or sends messages beyond every measure.',
    remedy: 'Check host and port in the connection string.'
  },
  SB122: {
    title: 'The role lacks a right in the database',
    cause: 'The server refused a statement for want of a privilege.',
    remedy: 'Connect as the role `postgres`, or grant the role the membership pg_read_all_data and BYPASSRLS.'
  },
  SB123: {
    title: 'The database refused a statement',
    cause: 'The server answered with an error.',
    remedy: 'Read the answer that is quoted.'
  },
  SB124: {
    title: 'The connection string has no password',
    cause: 'The server asks for one.',
    remedy: 'Put the password into the connection string, or into the secret that it comes from.'
  },
  SB125: {
    title: 'The pooler shuts the project out',
    cause:
      'Supabase has banned the project from its pooler, for example because a quota was passed or it was reported.',
    remedy: 'Look at the project and its notices in the dashboard, and ask the support of Supabase.'
  },
  SB126: {
    title: 'The pooler failed',
    cause:
      'The pooler in front of the database answered with an error of its own: it lost its connection, or did not reach the database. Such errors pass; this one did not pass in time.',
    remedy:
      'Run again in some minutes, with a larger `retries` where it comes often. status.supabase.com tells of outages; the direct connection, where this machine has IPv6, goes past the pooler.'
  },
  // SB2xx: dumping
  SB201: {
    title: 'The dump failed',
    cause: 'pg_dump ended with an error.',
    remedy: 'Read the message of pg_dump that is quoted.'
  },
  SB202: {
    title: 'A table stayed locked',
    cause: 'Another session holds a lock that lets nobody read the table, and kept it longer than `lock-timeout`.',
    remedy:
      'Run the backup at a quieter time, raise `lock-timeout`, or end the session that holds the lock: `select pid, usename, state, query from pg_stat_activity where pid = any (pg_blocking_pids(<pid that waits>))`.'
  },
  SB203: {
    title: 'The role may not read all that is to be backed up',
    cause:
      'A table, sequence, schema or large object is inside the dump, but the role of the connection string has no right to read it.',
    remedy:
      'Connect as `postgres`, grant the role `pg_read_all_data`, or leave the objects out with `exclude-tables` or `exclude-schemas`.'
  },
  SB204: {
    title: 'Row level security would hide rows',
    cause:
      'The role of the connection string neither owns the table nor has BYPASSRLS: it would read only the rows that a policy shows it.',
    remedy: 'Connect as `postgres`, or give the role BYPASSRLS. A backup of some of the rows is never made.'
  },
  SB205: {
    title: 'A pattern matches nothing',
    cause: 'A pattern of `schemas`, `tables` or an exclude input names nothing that exists in the database.',
    remedy:
      'Check the spelling: patterns are `schema`, `schema.table`, with `*` for any characters; upper and lower case matter.'
  },
  SB206: {
    title: 'The database was changed while it was read',
    cause:
      'A table or another object was dropped or altered between reading the catalog and reading the object, twice in a row.',
    remedy: 'Run the backup when no migration is running.'
  },
  SB207: {
    title: 'The connection broke during the dump',
    cause: 'The server, a pooler or the network ended a connection while data was read, twice in a row.',
    remedy:
      'Start the run again; if it repeats, look into the server log at that time and prefer a direct connection over a pooler.'
  },
  SB208: {
    title: 'pg_dump was killed',
    cause: 'The operating system ended pg_dump by a signal: mostly for want of memory.',
    remedy: 'Use a runner with more memory: pg_dump needs four to five times the widest row.'
  },
  SB209: {
    title: 'pg_dump is older than the server',
    cause: 'pg_dump refuses a server of a newer major version.',
    remedy: 'Install the client programs of the version named in the message, or point `pg-bin` to them.'
  },
  SB210: {
    title: 'Memory ran out',
    cause: 'The server or pg_dump could not get the memory for a very wide row or for its locks.',
    remedy:
      'Use a larger runner or compute size; for "out of shared memory" raise `max_locks_per_transaction`, or narrow the dump with `schemas`.'
  },
  SB211: {
    title: 'The dump stood still',
    cause: 'No byte came for minutes, though the server was not busy with the query: the network or a pooler stalls.',
    remedy: 'Start the run again; if it repeats, prefer a direct connection over a pooler.'
  },
  SB212: {
    title: 'The connection that holds the snapshot broke',
    cause: 'Without it counts and hashes can no longer be taken from the same moment as the dump.',
    remedy:
      'Start the run again; if it repeats, look for a time limit on sessions at the server, a pooler or a firewall.'
  },
  SB213: {
    title: 'No snapshot can be shared',
    cause: 'The server gives no exported snapshot: it is a pooler in transaction mode, or a replica that cannot.',
    remedy: 'Use the session pooler (port 5432) or the direct connection.'
  },
  SB214: {
    title: 'Nothing was captured',
    cause: 'None of the parts of the project that were asked for could be read.',
    remedy: 'Read the reasons in the message and give what each part needs.'
  },
  SB215: {
    title: 'The backup does not hold everything',
    cause:
      'A part of the project could not be read whole. What could be read is kept; the run fails so that somebody looks.',
    remedy:
      'Read the reasons in the message and in the warnings: most often a credential is missing, was revoked, or lacks a scope.'
  },
  SB216: {
    title: 'A row is larger than PostgreSQL can send',
    cause:
      'A row travels as one text of at most 1 GB, in which a byte of `bytea` is two characters and a line break, a tab or a backslash are two as well. No program can dump such a row, pg_dump included. Where no value is near that size, the row is damaged on the disk.',
    remedy:
      'Divide the value, or keep it as a file; until then name the table in `exclude-table-data`, which keeps its definition and everything else. For a damaged row ask the support of your host.'
  },
  SB217: {
    title: 'Another session waited behind the backup',
    cause:
      'A migration needs a table that the dump reads. The backup gave way, so that nobody is held up, and tried again.',
    remedy: 'Run the backup when no migration is running.'
  },
  SB218: {
    title: 'A table was rewritten as the dump began',
    cause:
      'TRUNCATE and ALTER TABLE make rows invisible to whoever started to read before. The backup was taken again from a new snapshot.',
    remedy: 'Run the backup at another hour than the job that empties and fills this table.'
  },
  // SB3xx: this machine and its programs
  SB301: {
    title: 'The run was cancelled',
    cause: 'The workflow run was cancelled or ran out of time.',
    remedy:
      'Start it again: of a backup nothing half-written is kept, and what a restore left, if anything, is told beside this and taken back by the next start.'
  },
  SB302: {
    title: 'A program is missing on this machine',
    cause: 'A program that the action starts is not installed, not in PATH, or cannot be executed.',
    remedy:
      'Install the program that the message names in a step before this one; runners hosted by GitHub have git, and pg_dump is found or installed by the action.'
  },
  SB310: {
    title: 'The disk of this machine is full',
    cause: 'The folder for temporary files (RUNNER_TEMP) has no room left for the packed backup.',
    remedy:
      'Free space before this step, use a runner with a larger disk, or narrow the backup with `exclude-table-data`.'
  },
  SB311: {
    title: 'A temporary file cannot be written',
    cause:
      'The folder for temporary files is missing, read-only or does not belong to the user that the action runs as.',
    remedy: 'Check that RUNNER_TEMP is a folder that this user may write to.'
  },
  SB312: {
    title: 'Compressing failed',
    cause: 'The compressor ended with an error or was killed, most often because memory ran out.',
    remedy: 'Use a lower `compression-level` or a runner with more memory.'
  },
  SB313: {
    title: 'A temporary file cannot be read back',
    cause: 'A file that was just written to the folder for temporary files is gone or the disk fails.',
    remedy: 'Start the run again; if it repeats, use another runner.'
  },
  SB303: {
    title: 'No pg_dump on this machine serves the server',
    cause: 'pg_dump refuses servers newer than itself, and none as new as the server was found or could be installed.',
    remedy:
      'Install postgresql-client of the major version of the server in a step before this one, or name its folder in `pg-bin`.'
  },
  SB304: {
    title: "PostgreSQL's programs could not be installed",
    cause: 'The package manager failed, the machine has none that is known, or this user may not use it.',
    remedy:
      'Install postgresql-client (for the proof by restore: postgresql) of the major version of the server in a step before this one, or name the folder of its programs in `pg-bin`.'
  },
  SB305: {
    title: 'The programs in pg-bin do not serve',
    cause: 'They are missing, do not run, are older than the server, or have a hole that is too dangerous.',
    remedy:
      'Set `pg-bin` to a folder with pg_dump and pg_restore of the major version of the server or newer, or leave it out.'
  },
  SB306: {
    title: 'The throw-away PostgreSQL server did not start',
    cause: 'initdb or the server failed on this machine.',
    remedy: 'Read the message that is quoted; an empty server of your own can be given in `verify-database-url`.'
  },
  SB307: {
    title: 'The run stopped in the middle',
    cause:
      'Everything that the run waited for had ended, and no result was there. This is a fault of the action: without this error such a run would look as if it had gone well.',
    remedy: 'Count nothing of this run as done. Start it again, and report it if it comes again.'
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
    remedy:
      'Give the job `permissions: contents: write`, or the token "Contents: read and write" on the repository that is written to.'
  },
  SB404: {
    title: 'A backup or one of its files is not there',
    cause: 'It was deleted, has expired, or was never committed.',
    remedy: 'Run `command: list` and choose one of the backups shown.'
  },
  SB405: {
    title: 'The repository was not found',
    cause: 'There is no repository of this name, or the token may not see it: GitHub answers both with 404.',
    remedy:
      'Check the input `repository`. The token of the job reaches its own repository only: for another one give a fine-grained token with access to it.'
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
    remedy: 'Run the backup again; if it repeats, check disk and proxy.'
  },
  SB415: {
    title: 'A backup of this id exists already',
    cause: 'Two backups can never have the same id, and a committed backup is never changed.',
    remedy: 'Start the run again: it gets an id of its own.'
  },
  SB416: {
    title: 'The request limit of GitHub is used up',
    cause: 'GitHub takes only so many requests an hour from one token, and so many changes a minute.',
    remedy: 'Run the job again after the time in the message, or less often.'
  },
  SB417: {
    title: 'There is no artifact service',
    cause: 'Artifacts can be written only by an action that runs in a job on GitHub.com or GitHub Enterprise Cloud.',
    remedy: 'On GitHub Enterprise Server and outside of a job choose another of the `destinations`.'
  },
  SB418: {
    title: 'The storage for artifacts is full',
    cause:
      'The quota of the account for artifacts is used up. GitHub counts anew only every 6 to 12 hours, also after deletions.',
    remedy:
      'Delete artifacts that are not needed, keep them for fewer days (`retention-days`), or use the destination `release`.'
  },
  SB419: {
    title: 'It is not clear who can read the repository',
    cause: 'GitHub did not say whether the repository is public or private.',
    remedy: 'Check that the token may read the repository, and run the job again.'
  },
  SB420: {
    title: 'The artifact cannot be stored under its name',
    cause:
      'An upload of the same name in this run broke off and GitHub does not let it be repeated, or it holds other bytes.',
    remedy: 'Start the run again: the new backup gets names of its own.'
  },
  SB421: {
    title: 'A release cannot be changed any more',
    cause: 'The repository has immutable releases: what is published stays as it is.',
    remedy: 'Delete the whole backup instead, or turn immutable releases off in the settings of the repository.'
  },
  SB422: {
    title: 'The backup would lie open to others',
    cause: 'It would not be encrypted, and the place is not known to be private.',
    remedy:
      'Set `recipients` (or `passphrase`) to encrypt it, or choose a private place and type `plaintext: private`. `plaintext: public` allows it all the same.'
  },
  SB423: {
    title: 'No destination took the backup',
    cause: 'Each of them failed; the message quotes their answers.',
    remedy: 'Look at the code of each answer and fix what it names; then start the backup again.'
  },
  SB424: {
    title: 'Not every destination took the backup',
    cause: 'It is stored in at least one of them and failed in others; the message quotes their answers.',
    remedy: 'Look at the code of each answer and fix what it names; the next run stores a backup in all of them again.'
  },
  SB425: {
    title: 'The backup has more files than the destination takes',
    cause: 'Large files are cut, and the place limits how many files one backup may have.',
    remedy: 'Choose another destination, or back up less at a time (`include`, `schemas`, `buckets`).'
  },
  SB426: {
    title: 'The backup is locked',
    cause: 'The store keeps it from being deleted until the time in the message, whoever asks (`s3-lock`).',
    remedy: 'Wait until then: `prune` removes it when its lock has ended and the rules no longer keep it.'
  },
  SB427: {
    title: 'It is not certain that the backup is locked',
    cause:
      'Everything is locked as it is written and the lock is read back. The store does not show one that is long enough.',
    remedy:
      'Use a bucket with Object Lock, and let the key do `s3:PutObjectRetention` and `s3:GetObjectRetention`. Nothing was committed.'
  },
  SB428: {
    title: 'The bucket was not found',
    cause: 'The store knows no bucket of this name, or it lies in another region.',
    remedy: 'Check `s3-bucket`, `s3-endpoint` and `s3-region`. The bucket is never made by a backup.'
  },
  // SB5xx: stored files: keys, damage, formats
  SB501: {
    title: 'A stored file is damaged',
    cause: 'The bytes differ from those that the backup was made of.',
    remedy: 'Use another backup; `command: list` shows them.'
  },
  SB502: {
    title: 'The key does not fit this backup',
    cause: 'The identity or passphrase given is not one that this backup was sealed for.',
    remedy:
      'Give the identity whose recipient has one of the fingerprints in the message, or the passphrase of that time.'
  },
  SB503: {
    title: 'A key is needed to open this backup',
    cause: 'The backup is encrypted and neither `identity` nor `passphrase` was given.',
    remedy: 'Give `identity` (the age secret key) or `passphrase`.'
  },
  SB504: {
    title: 'The backup was made by a newer version',
    cause: 'Its format needs a reader that this version is not.',
    remedy: 'Use the version of this action that the message names.'
  },
  SB506: {
    title: 'A stored file is missing',
    cause: 'The manifest names a file that the place no longer has.',
    remedy: 'Use another backup, or the same one from another destination.'
  },
  SB507: {
    title: 'Files of different backups were mixed',
    cause:
      'The contents of the backup tell of another manifest or of other files than those that lie here: something was replaced.',
    remedy:
      'Do not use this backup; find out who can write to the place. The same backup from another destination may be whole.'
  },
  SB508: {
    title: 'A stored file does not belong to the backup',
    cause: 'A file lies with the backup that its manifest does not name.',
    remedy: 'Find out who put it there; the files that the manifest names are not affected.'
  },
  SB509: {
    title: 'The contents of a backup cannot be read',
    cause: 'contents.json is larger than allowed, not strict JSON, or lacks what its format demands.',
    remedy:
      'Use another backup; this one was not written by this action or was changed by someone who holds its recipients.'
  },
  SB510: {
    title: 'The signature of a backup is missing or wrong',
    cause: 'The manifest is not signed, was signed by another key, or was changed after it was signed.',
    remedy: 'Check `verify-key`; if it is right, do not use this backup and find out who can write to the place.'
  },
  // SB6xx: verification
  SB601: {
    title: 'What was restored differs from the source',
    cause:
      'The backup was restored into a throw-away server and at least one object there is not what it is in the source. It is stored and marked as unproven: no rule of retention counts it.',
    remedy:
      'Look at the objects named: a restore would bring what the copy got. Start the backup again. If the difference stays, please report it: until then earlier backups are kept.'
  },
  SB602: {
    title: 'Not everything of the backup could be restored',
    cause:
      'At least one object of the backup could not be made on a restored copy, not even with the search_path of the source. It is stored with all rows and marked as unproven: no rule of retention counts it.',
    remedy:
      '`command: restore` gets past it with `restore-errors: list`: it leaves the objects named and what hangs on them out, names them with their SQL, and brings everything else. Mend them in the source to have proven backups again.'
  },
  SB603: {
    title: 'The archive is not whole',
    cause:
      'What pg_dump wrote is empty, cut, garbled or in another format, or the stored archive is not one of pg_dump.',
    remedy:
      'Start the backup again; if it repeats, look at the pg_dump that is used (`pg-bin`). Verifying a stored backup: use another one.'
  },
  SB604: {
    title: 'The proof by restoring is not possible',
    cause: 'This backup, or this machine, does not allow a restored copy.',
    remedy: 'Set `verify` to auto or read, or give an empty server in `verify-database-url`.'
  },
  SB605: {
    title: 'The server of verify-database-url cannot be used',
    cause:
      'The database named there is not empty, its role is no superuser, its server is older than the source, or what was made there could not be removed.',
    remedy:
      'Give a superuser and an empty database on a server that holds nothing of value, for example a service container of the job.'
  },
  SB606: {
    title: 'A backup did not pass its verification',
    cause:
      'At least one of the backups that were verified is damaged, cannot be opened, or differs from what it should hold.',
    remedy: 'Read what the message names; make a new backup now, and do not rely on the one that failed.'
  },
  SB607: {
    title: 'The statements of check-sql cannot be read',
    cause: 'The file named in `check-sql` is missing, unreadable, or holds no statement.',
    remedy:
      'Check the path, which is relative to the workspace; the step that checks the repository out must come before this one.'
  },
  SB608: {
    title: 'The word is of no canary here',
    cause:
      'The word given as `canary` stands in the canary of none of the backups that were to be verified, or that backup is gone.',
    remedy:
      'Copy the whole line as `age -d` prints it and check `destinations` and `project`; if the backup is gone, open the canary of the newest one.'
  },
  // SB7xx: restore
  SB701: {
    title: 'The target was not confirmed',
    cause: 'The input `confirm-target` does not name the target that the other inputs lead to.',
    remedy:
      'Look at both: if the target is the right one, write the name that the message gives into `confirm-target`: its project ref, `host/database`, or the host of its API. The host of a shared pooler is no name: it belongs to every project of the region.'
  },
  SB702: {
    title: 'The target is the source of the backup',
    cause:
      'It is the same Supabase project. Where one of the two has no project ref: host, port and database, or the address of the API, are those that the backup was made of.',
    remedy:
      'Restore into another project first. If this one is really meant, write `same:` before its name in `confirm-target`.'
  },
  SB703: {
    title: 'The target is not empty',
    cause:
      'With `restore-mode: empty` the target must hold nothing of a project: no table, view, function or type in user schemas, no Auth users, no Storage objects.',
    remedy:
      'Restore into a fresh project, or choose `restore-mode`: `missing-rows`, `side-schema` or `replace`. With `dry-run: true` these three compare row by row and change nothing; `missing-rows` with `tables` looks at single tables of a live project.'
  },
  SB704: {
    title: 'The target is older than the backup',
    cause: 'A database can be brought into a server of the same or a newer major version only.',
    remedy: 'Upgrade the target, or restore into a newer project.'
  },
  SB705: {
    title: 'The target lacks an extension that tables need',
    cause: 'An extension of the source cannot be installed in the target, and tables with rows use it.',
    remedy:
      'Enable the extension in the target (Supabase: Database, Extensions), or leave the tables out with `exclude-tables`.'
  },
  SB706: {
    title: 'Auth or Storage of the target are older than those of the backup',
    cause: "A table or column of the platform's own schemas that the backup has rows for is missing in the target.",
    remedy: 'Upgrade the target project (Settings, Infrastructure), or leave the tables out with `exclude-tables`.'
  },
  SB707: {
    title: 'The target cannot be written to as the restore needs it',
    cause: 'The server is read-only, or the role lacks a right.',
    remedy:
      'Connect as `postgres`, the owner of the database; a project that ran out of disk is read-only until it has more.'
  },
  SB708: {
    title: 'The restore failed; the target is as it was',
    cause:
      'The target refused something that the backup cannot be brought back without. Everything that had come in was taken back.',
    remedy:
      'Look at the object named. Leave it out with `exclude-tables` or `exclude-schemas`, or prepare the target for it, and start again.'
  },
  SB709: {
    title: 'The check after the restore failed; the target is as it was',
    cause:
      'Counts, content hashes or definitions in the target were not those of the backup, or rows would have referred to nothing. Everything that had come in was taken back.',
    remedy:
      'Look at the objects named. Restore tables together with those that they refer to; if the difference stays, please report it.'
  },
  SB710: {
    title: 'The backup does not hold what was chosen, or the target has no place for it',
    cause:
      'A pattern matches nothing in the backup, the backup has no database part, or it holds rows only and the target lacks their table.',
    remedy: 'Check `backup`, `schemas`, `tables` and `buckets`; `command: list` shows which backups hold what.'
  },
  SB711: {
    title: 'The backup is in another encoding',
    cause: 'Source or target do not store text as UTF8.',
    remedy: 'Restore this backup with pg_restore, as its RESTORE.md tells.'
  },
  SB712: {
    title: 'Whether the restore was completed is not known',
    cause:
      'The connection was lost in the moment in which the target ended the restore, and the server could not be asked afterwards.',
    remedy:
      'Either everything is there or nothing: look for a table of the backup in the target. `dry-run: true` compares both.'
  },
  SB713: {
    title: 'Other tables use what would be replaced',
    cause:
      'Columns of tables that were not chosen have a type or are computed by a function, or tables have a parent, that would have to be dropped.',
    remedy: 'Choose those tables, too, or use `restore-mode: missing-rows` or `side-schema`.'
  },
  SB714: {
    title: 'The restore is too large for one transaction of the target',
    cause:
      'A transaction needs a lock for each table and index that it makes, and the server keeps room for a limited number.',
    remedy:
      'Restore into an empty project with `restore-mode: empty`, which can do it in several transactions; or raise `max_locks_per_transaction` in the target (Supabase: `supabase postgres-config update`); or restore one schema after the other: `schemas` with `restore-mode: replace`.'
  },
  SB715: {
    title: 'The target could not be backed up before the restore',
    cause: 'With `safety-backup: true` nothing is written before the target itself is kept, and that failed.',
    remedy:
      'See the error underneath. `safety-backup: false` restores without it: only where the target holds nothing that anybody wants.'
  },
  SB716: {
    title: 'A part of the backup could not be brought back',
    cause:
      'Storage files, Edge Functions or settings were not brought back, or not all of them. The database is not put back for that: where it was meant, it stays restored.',
    remedy:
      'Look at the findings; start the restore of that part again with `include`. The summary has the inputs for that, and those that bring the database back as it was.'
  },
  SB717: {
    title: 'Rows of some tables did not come back',
    cause:
      'Everything else was restored. Those tables have no key that tells which rows are missing, are not in the target, or belong to the platform, which refused their rows.',
    remedy:
      'The findings name each table with the reason and the way: mostly `restore-mode: side-schema` (or `replace`) with `tables`.'
  },
  SB718: {
    title: 'Another restore into this target is at work',
    cause:
      'Two restores must not meet in one database. One whose job was killed may still be at work in the server for a while.',
    remedy:
      "Wait until it has ended and start again. If its job is gone for long, end its session in the target: `select pg_terminate_backend(pid) from pg_stat_activity where application_name like 'supabase-backup%'`."
  },
  SB719: {
    title: 'The target holds a part of a backup',
    cause:
      'A restore of a large backup, or of more objects than one transaction of that server can hold, comes in several, and it was cut before the last one. The schema `supabase_backup_unfinished` tells so.',
    remedy:
      'Start a restore with `restore-mode: empty`: it takes back what came in, and begins anew. To keep what is there instead, drop the schema `supabase_backup_unfinished`.'
  },
  SB720: {
    title: 'Rows would be lost',
    cause:
      '`restore-mode: replace` takes tables away before they come back, and with `type: schema` (or from a backup of that type) they come back empty.',
    remedy:
      'Leave `type` out, so that rows come back, too; or use a full backup. Where the tables are meant to be empty, empty them first.'
  },
  SB721: {
    title: 'The restore would be refused',
    cause:
      'The dry run found what stays in the target and cannot stay as it is: a view, function or policy uses a column that the backup does not have, a key refers to rows that would not be there, or an index has a name that comes back. Nothing was changed.',
    remedy:
      'Choose the tables that are named, too; or drop or change in the target what is in the way, and keep its SQL to make it anew afterwards. `restore-mode: side-schema` leaves all of it as it is.'
  },
  SB722: {
    title: 'Some objects could not be made as in the backup',
    cause:
      'With `restore-errors: list` what the target refuses is left out, with what hangs on it, and constraints that rows of the backup break hold for new rows alone. Everything else came back and was compared with the backup.',
    remedy:
      'Each object is named under "Left to do by hand", with its SQL: fix what it says and run the SQL. With `restore-errors: stop` nothing would have come back.'
  },
  SB723: {
    title: 'An extension lies in another schema of the target',
    cause:
      'Definitions of the backup name the schema that the extension had in the source. A new project has its extensions in the schema `extensions`, older ones have some in `public`.',
    remedy:
      'Move the extension in the target to the schema that it has in the backup: `alter extension "name" set schema "schema";`, and start again.'
  },
  // SB8xx: Storage, Edge Functions, settings
  SB801: {
    title: 'The Storage API refuses the key',
    cause:
      'The service-role key is wrong, belongs to another project, or stopped working when the JWT secret or the API keys were rotated.',
    remedy:
      'Copy the current secret key (`sb_secret_...`) or service_role key from the project settings, API keys, into the secret that the input reads.'
  },
  SB802: {
    title: 'The Storage API does not answer',
    cause: 'It could not be reached, limits the requests, or failed again and again.',
    remedy:
      'Look at the status of the project; start the run again, with fewer `jobs` where it says that there are too many requests.'
  },
  SB803: {
    title: 'The Storage API answered otherwise than expected',
    cause:
      'The address is not that of a Supabase project, something in between answers in its place, or its API changed.',
    remedy: 'Check `supabase-url`: it is the address of the project, such as https://<ref>.supabase.co.'
  },
  SB804: {
    title: 'A Storage object could not be read whole',
    cause:
      'Its download ended short or held other bytes than the project states, however often it was repeated: it is damaged in the project, or something in between keeps an earlier version of it or changes it (a proxy that rewrites pages, a cache).',
    remedy:
      'Download it by hand to see whether it is damaged. Where it is well there, give the direct address https://<ref>.supabase.co as `supabase-url`, or switch off what rewrites or caches it on the way.'
  },
  SB805: {
    title: 'Storage files could not be restored',
    cause: 'The target refused a bucket or a file.',
    remedy:
      'Read the answer that is quoted; the limits of the plan for file sizes may be lower in the target. A second run continues where this one ended.'
  },
  SB806: {
    title: 'A pack of Storage files does not hold what the contents say',
    cause: 'A shared pack was replaced, or its list of files was changed by somebody who can write to the place.',
    remedy:
      'Use another backup or another place; make a new backup after removing the shared packs, and look at who can write there.'
  },
  SB807: {
    title: 'There are too many Storage files for one backup',
    cause: 'The list of everything inside would be longer than what a restore reads (16 GiB, some 40 million files).',
    remedy:
      'Divide the buckets between several backups: one job for each, with its own `buckets` and its own `project`.'
  },
  SB808: {
    title: 'A file is larger than the project takes',
    cause: 'The target has a lower limit for the size of a file than the project that the backup is of.',
    remedy:
      'Raise the limit in the dashboard of the target (Storage, Settings; the plan bounds it), or give `target-access-token`, with which the restore raises it while files go up. Then start the restore again: what is there is left alone.'
  },
  SB809: {
    title: "The quota of the project's plan is used up",
    cause:
      'Supabase answers 402: the plan has no egress or storage left for this period. Every further file would be refused alike.',
    remedy:
      'Wait for the next period, raise the spend cap or the plan, or limit what is fetched with `max-download` and `buckets`.'
  },
  SB821: {
    title: 'The access token is refused',
    cause:
      'The Management API does not know the token of `access-token`: it was revoked, has expired, or was copied in part.',
    remedy:
      'Make a new access token (supabase.com/dashboard/account/tokens), store it whole in the secret that `access-token` reads, and run again.'
  },
  SB822: {
    title: 'The access token lacks a scope',
    cause: 'The Management API knows the token, but it may not do this for this project.',
    remedy:
      'Give the token the scope that the message names, or use a token of a member of the organisation who has that right.'
  },
  SB823: {
    title: 'The Management API does not find it',
    cause:
      'The project ref is wrong, the token belongs to an account that does not see the project, or the part is not switched on.',
    remedy:
      'Compare `project-ref` with the address of the dashboard, and check that the account of the token is a member of the organisation.'
  },
  SB824: {
    title: 'The Management API is asked too often',
    cause: 'It takes 120 requests a minute for each user and project; other programs use the same account.',
    remedy: 'Run at a quieter time, or use a token of an account of its own; a higher `retries` waits longer.'
  },
  SB825: {
    title: 'The Management API does not answer',
    cause: 'It cannot be reached, broke off, or answered with an error of its own.',
    remedy: 'Look at status.supabase.com and run again later; check `management-url` where it was given.'
  },
  SB826: {
    title: 'The Management API answers in another shape',
    cause: 'What came is not what the interface promises: it was changed, or something else answers in its place.',
    remedy: 'Use a newer version of this action; check `management-url` where it was given.'
  },
  SB827: {
    title: 'The project is paused',
    cause: 'A paused project has no running database and no services: nothing of it can be read.',
    remedy:
      'Resume the project in the dashboard (it stays possible for some time only), wait until it is healthy, and run again.'
  },
  SB828: {
    title: 'The project is not running',
    cause: 'The Management API says that the project is being made, changed, restored or removed.',
    remedy: 'Wait until the dashboard shows the project as healthy, and run again.'
  },
  SB829: {
    title: 'The Management API refuses a change',
    cause: 'A value is not allowed for this project or its plan.',
    remedy: 'Read the answer that is quoted; set the value by hand in the dashboard, or leave it out.'
  },
  // SB9xx: history, retention, notifications
  SB901: {
    title: 'The backup was not found',
    cause: 'No destination lists a backup of this id, or none at or before this time.',
    remedy: 'Run `command: list` and take an id from it; check `destinations`, `repository` and `project`.'
  },
  SB902: {
    title: 'The backup cannot be read by this version',
    cause: 'Its manifest was written by a newer version, or it is damaged.',
    remedy: 'Where the message names a version, install that one; else choose another backup.'
  },
  SB903: {
    title: 'It is not clear which project is meant',
    cause: 'The destinations hold backups of several projects and the command works on one backup.',
    remedy: 'Set the input `project` to one of the labels named.'
  },
  SB904: {
    title: 'Pruning is frozen',
    cause:
      'A backup is anomalous: it holds far less, or far more, than the ones before it. Until somebody has looked, no earlier one is removed.',
    remedy: 'Look at what changed. If it was intended, run once with `acknowledge: <id>`.'
  },
  SB905: {
    title: 'The clock of this machine is wrong',
    cause:
      'It differs by more than an hour from the time that the destination tells; or the destination tells none, and the pause since the last backup is so long that the clock may be ahead. So the age of backups is not known.',
    remedy: 'Set the clock of the runner (a time service does it); nothing was removed.'
  },
  SB906: {
    title: 'Backups could not be removed',
    cause:
      'The destination refused to remove a backup that no rule keeps any more. Those after it were left as they are.',
    remedy: 'Read the reason in the message; the next run goes on where this one stopped.'
  },
  SB907: {
    title: 'The backup differs too much from the ones before it',
    cause:
      'Tables, rows, users, files or bytes are gone, or size or duration have leapt. The backup is kept and marked; pruning is frozen.',
    remedy: 'Look at the source. If the change was intended, run once with `acknowledge: <id of the backup>`.'
  },
  SB908: {
    title: 'The backup would be for fewer keys than the one before',
    cause:
      'A recipient of the newest earlier backup is not among the new ones, or encryption was switched off or turned to a passphrase. Whoever holds that key could not open backups any more.',
    remedy:
      'Put the recipient back into `recipients`. If it was taken out on purpose, name it (or its fingerprint) once in `accept-recipients`.'
  },
  SB909: {
    title: 'The newest backup is not one to rely on',
    cause:
      'It is incomplete, was not proven, holds far less than the ones before, lacks files, or it is not certain that the backup workflow wrote it. Taking it, or an older one, without asking could bring back the very damage that is to be undone.',
    remedy: 'Write the id of the backup that is meant as `backup`; the message names both.'
  },
  SB910: {
    title: 'More leaves the project than its budget allows',
    cause:
      'What backups take out of the project this month is above `egress-budget`, or will be before the month ends. The backup itself is whole and kept.',
    remedy:
      'Back up less often, leave rows out that nobody needs back (`exclude-table-data`), or raise `egress-budget` to what the plan allows.'
  },
  SB920: {
    title: 'The check found something wrong',
    cause:
      'The newest verified backup is too old, a scheduled run left no backup, or something else that the message names.',
    remedy:
      'Look at the newest runs of the backup workflow, fix what stopped them, run it once by hand, then run the check again.'
  },
  SB921: {
    title: 'There is no backup at all',
    cause: 'The destinations were read without an error and hold no backup of the project.',
    remedy: 'Check `destinations`, `repository` and `project`, and run the backup workflow once by hand.'
  },
  SB922: {
    title: 'The projects file cannot be used',
    cause: 'It is missing, no valid YAML, or holds something that is not allowed there.',
    remedy: 'Change the lines named; docs/projects.schema.json says what may stand in the file.'
  },
  SB923: {
    title: 'The projects file gives no matrix',
    cause: 'GitHub takes 1 to 256 jobs in a matrix.',
    remedy: 'Enable at least one project, or spread them over several files and workflows.'
  },
  SB930: {
    title: 'A notification could not be sent',
    cause:
      'The webhook, mail server or ping address did not take it, or its address is not allowed. The run is not affected.',
    remedy: 'Check the address and what it is reachable for; private addresses need `notify-webhook-private: true`.'
  },
  SB931: {
    title: 'The dashboard could not be written',
    cause:
      'The file, branch or artifact that `dashboard` names did not take it. The run and its backup are not affected.',
    remedy: 'Look at the reason in the message; the next run writes the dashboard anew.'
  },
  SB999: {
    title: 'Internal error in this action (a bug)',
    cause: 'Something happened that the action does not expect.',
    remedy: 'Run again with debug logging (`ACTIONS_STEP_DEBUG`) and report the log; nothing half-written is kept.'
  }
} as const satisfies Record<string, ErrorEntry>

/** A stable error code. */
export type ErrorCode = keyof typeof catalogue

/** Every error code with its entry, in the order of the codes. */
export const errorCodes: Readonly<Record<ErrorCode, ErrorEntry>> = catalogue

/** The title of a code, for people; undefined for a code that there is not. */
export function errorTitle(code: string | undefined): string | undefined {
  return Object.entries(errorCodes).find(([known]) => known === code)?.[1].title
}
