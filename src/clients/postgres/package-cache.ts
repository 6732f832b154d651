/**
 * Keeps files between runs, where the platform can. Best effort: neither method throws, and what comes back is not trusted: packages are compared with
 * the hashes of the signed package lists before they are used.
 */
export interface PackageCache {
  /** Puts the files kept under `key` back where they were; false when there are none. `paths` must be those of `save`. */
  restore(paths: readonly string[], key: string): Promise<boolean>
  save(paths: readonly string[], key: string): Promise<void>
}
