/** PostgreSQL's client programs of one installation, by absolute path. */
export interface ClientPrograms {
  readonly binDir: string
  /** `pg_dump --version`'s number: `17.11`. */
  readonly version: string
  readonly major: number
  readonly minor: number
  readonly pgDump: string
  readonly pgRestore: string
  /** Where they came from: `input pg-bin`, `/usr/lib/postgresql`, `PATH`, `installed by apt`, ... */
  readonly origin: string
  /** What a person should know of them: a known hole, older than the server. */
  readonly warnings?: readonly string[]
}

/** PostgreSQL's server programs of one installation, for a throw-away server. */
export interface ServerPrograms {
  readonly binDir: string
  readonly major: number
  readonly version: string
  readonly initdb: string
  readonly pgCtl: string
  readonly postgres: string
  readonly origin: string
}
