import { UserError } from '../../errors.ts'

/** The part of the runner's environment that the artifact service needs. */
export type RunnerEnvironment = Readonly<Record<string, string | undefined>>

/** The service that takes artifacts of the running job; only actions reach it. */
export interface ArtifactService {
  /**
   * Uploads one local file as it is, under its own base name. An error may leave it stored all the same: ask GitHub.
   * Throws UserError SB418 when the quota is used up.
   */
  upload(path: string, folder: string, retentionDays: number | undefined): Promise<UploadedArtifact>
}

export interface UploadedArtifact {
  readonly id: number
  readonly bytes: number
  /** SHA-256 of the file as it was sent, in lower-case hex. */
  readonly sha256: string | undefined
}

function isServed(serverUrl: string | undefined): boolean {
  const host = new URL(serverUrl || 'https://github.com').hostname.toLowerCase()
  return host === 'github.com' || host.endsWith('.ghe.com') || host.endsWith('.localhost')
}

/** Says why artifacts cannot be written here; undefined when they can. */
export function missingArtifactService(env: RunnerEnvironment): UserError | undefined {
  if (!isServed(env['GITHUB_SERVER_URL'])) {
    return new UserError('SB417', 'GitHub Enterprise Server has no service that takes files as artifacts of this kind.')
  }
  if (!env['ACTIONS_RESULTS_URL'] || !env['ACTIONS_RUNTIME_TOKEN']) {
    return new UserError(
      'SB417',
      'The runner gave no access to the artifact service (ACTIONS_RESULTS_URL, ACTIONS_RUNTIME_TOKEN).'
    )
  }
  return undefined
}

/**
 * The artifact service through GitHub's own client, which reads the runner's environment itself. Throws UserError SB417
 * where there is no such service.
 */
export function connectArtifactService(env: RunnerEnvironment): ArtifactService {
  const missing = missingArtifactService(env)
  if (missing !== undefined) throw missing
  return {
    async upload(path, folder, retentionDays) {
      // Loaded only here: the client brings 2 MB of code that no other command needs.
      const { DefaultArtifactClient } = await import('@actions/artifact')
      try {
        const options = { skipArchive: true, ...(retentionDays === undefined ? {} : { retentionDays }) }
        // The name is ignored for a file that is not zipped: its base name counts.
        const { id, size, digest } = await new DefaultArtifactClient().uploadArtifact('file', [path], folder, options)
        if (id === undefined) throw new Error('the artifact service gave no id')
        return { id, bytes: size ?? 0, sha256: digest }
      } catch (thrown) {
        if (thrown instanceof Error && /storage quota/i.test(thrown.message)) {
          throw new UserError('SB418', thrown.message, { cause: thrown })
        }
        throw thrown
      }
    }
  }
}
