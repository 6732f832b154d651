import { connectArtifactService } from '../clients/github/artifact-service.ts'
import { connectGithub, type Github } from '../clients/github/index.ts'
import { repositoryVisibility } from '../clients/github/releases.ts'
import { assertMayWrite } from '../clients/github/write-access.ts'
import { networkEnvironment } from '../clients/network/proxy.ts'
import type { Context } from '../context.ts'
import { openArtifactDestination } from '../destinations/artifact/index.ts'
import type { Destination, DestinationName } from '../destinations/destination.ts'
import { folderDestination } from '../destinations/folder/index.ts'
import { openReleaseDestination } from '../destinations/release/index.ts'
import { backupTag } from '../destinations/release/tags.ts'
import { repositoryDestination } from '../destinations/repository/index.ts'
import { UserError } from '../errors.ts'
import type { CommonInputs } from '../inputs/index.ts'
import type { RunnerEnvironment } from '../runner-environment.ts'
import { folderPath } from './folder-path.ts'
import { openS3 } from './s3.ts'

/** Opens the destinations that the inputs name, in their order. Nothing is asked of them yet. */
export function openDestinations(
  inputs: CommonInputs & { readonly command: string },
  environment: RunnerEnvironment,
  context: Context
): Destination[] {
  let github: Github | undefined
  const api = (): Github => {
    github ??= connectGithub({
      apiUrl: environment.apiUrl,
      token: tokenOf(inputs),
      retries: inputs.retries,
      context,
      ...(inputs.timeoutMs === undefined
        ? {}
        : { deadline: new Date(context.clock.now().getTime() + inputs.timeoutMs) })
    })
    return github
  }
  const here = (): string => {
    if (environment.repository === undefined)
      throw new UserError('SB003', 'GITHUB_REPOSITORY is not set: the repository of this run is not known.')
    return environment.repository
  }
  const target = (): string =>
    inputs.repository === undefined ? here() : `${inputs.repository.owner}/${inputs.repository.name}`

  const open: Readonly<Record<DestinationName, () => Destination>> = {
    artifact: () =>
      openArtifactDestination({
        github: api(),
        repository: here(),
        service: () => connectArtifactService(process.env),
        serverUrl: environment.serverUrl,
        runId: environment.runId ?? '',
        ...(environment.workflowPath === undefined ? {} : { workflowPath: environment.workflowPath }),
        context,
        ...(inputs.retentionDays === undefined ? {} : { retentionDays: inputs.retentionDays })
      }),
    release: () => openReleaseDestination({ github: api(), repository: target(), context }),
    repository: () =>
      repositoryDestination(
        {
          serverUrl: environment.serverUrl,
          repository: target(),
          branch: inputs.branch,
          token: tokenOf(inputs),
          environment: networkEnvironment(),
          retries: inputs.retries,
          visibility: () => repositoryVisibility(api(), target()),
          // A branch needs no commit before it.
          assertWritable: async (backup) => void (await assertMayWrite(api(), target(), backupTag(backup))),
          serverTime: async () => {
            try {
              await repositoryVisibility(api(), target())
              return api().serverTime()
            } catch (thrown) {
              if (!(thrown instanceof UserError) || context.signal.aborted) throw thrown
              return undefined
            }
          }
        },
        context
      ),
    folder: () => {
      if (inputs.folder === undefined)
        throw new UserError('SB003', 'The destination `folder` needs the input `folder`.')
      const isOnlyPlace = inputs.destinations.length === 1
      const { path, warning } = folderPath(inputs.folder, environment, inputs.command === 'backup' && isOnlyPlace)
      if (warning !== undefined) context.log.warning(warning)
      return folderDestination({ path }, context)
    },
    s3: () => openS3(inputs, environment, context)
  }
  return inputs.destinations.map((name) => open[name]())
}

function tokenOf(inputs: CommonInputs): string {
  if (inputs.token === undefined)
    throw new UserError('SB003', 'The input `token` is empty: GitHub cannot be asked without one.')
  return inputs.token
}
