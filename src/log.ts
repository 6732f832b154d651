/**
 * Where messages for people go. Text may hold anything (names from a database, output of a child process): the
 * implementation escapes it and removes secrets; no other code writes to standard output or standard error.
 */
export interface Log {
  info(message: string): void
  warning(message: string): void
  /** Shown only in runs with debug logging. */
  debug(message: string): void
  /** One line of progress; the implementation drops lines that come sooner than 10 s after the last one. */
  progress(message: () => string): void
  /** Runs `work` with its messages folded under `title`. */
  group<T>(title: string, work: () => Promise<T>): Promise<T>
}
