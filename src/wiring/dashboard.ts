import { mkdir, readFile, rename, rm, stat, writeFile } from 'node:fs/promises'
import { dirname, join, resolve } from 'node:path'
import { compactTime } from '../archive/backup-id.ts'
import { connectArtifactService } from '../clients/github/artifact-service.ts'
import { githubArtifacts } from '../clients/github/artifacts.ts'
import { connectGithub } from '../clients/github/index.ts'
import { openWorkflows } from '../clients/github/workflows.ts'
import { type DashboardTarget, writeDashboard } from '../commands/dashboard.ts'
import type { Ports } from '../commands/ports.ts'
import { artifactUpload } from '../destinations/artifact/upload.ts'
import type { DestinationName } from '../destinations/destination.ts'
import { writeRepositoryPage } from '../destinations/repository/page.ts'
import { memoryVolume } from '../destinations/volumes.ts'
import { UserError } from '../errors.ts'
import type { BackupInputs, ListInputs } from '../inputs/index.ts'
import { declaredInputs } from '../inputs/input-definitions.ts'
import type { Result } from '../result.ts'
import { dashboardMark } from '../ui/dashboard/render.ts'
import type { RunPlace } from './run-context.ts'

const fileName = 'dashboard.html'

/** The result with what became of the dashboard, where the inputs ask for one. */
export async function withDashboard(
  result: Result,
  inputs: BackupInputs | ListInputs,
  ports: Ports,
  place: RunPlace
): Promise<Result> {
  if (inputs.dashboard === undefined) return result
  const { apiUrl, serverUrl, repository, workflowFile } = place.environment
  const { context } = ports
  // The next runs are the smaller half of the page: it waits for GitHub no longer than it must.
  const github = { apiUrl, retries: Math.min(inputs.retries, 1), timeoutMs: 20_000, context }
  const written = await writeDashboard(
    result,
    {
      repository: repository === undefined ? null : { name: repository, url: `${serverUrl}/${repository}` },
      inputsOf: (name) => inputsOf(name, inputs),
      workflowFile
    },
    {
      ...ports,
      target: targetOf(inputs, place),
      // The build puts it beside the bundle, which is what the runner has started.
      template: () => readFile(join(dirname(process.argv[1] ?? ''), fileName), 'utf8'),
      workflows:
        inputs.token === undefined || repository === undefined
          ? undefined
          : openWorkflows(connectGithub({ ...github, token: inputs.token }), repository)
    }
  )
  return { ...result, ...written }
}

/** What a restore must be told to find what lies here, beside the name of the destination. Values that are the default are left out. */
function inputsOf(name: DestinationName, inputs: BackupInputs | ListInputs): Record<string, string> {
  const { repository, branch, folder, s3 } = inputs
  return {
    ...(repository !== undefined && (name === 'release' || name === 'repository')
      ? { repository: `${repository.owner}/${repository.name}` }
      : {}),
    ...(name === 'repository' && branch !== declaredInputs.branch.default ? { branch } : {}),
    ...(name === 'folder' && folder !== undefined ? { folder } : {}),
    ...(name === 's3' && s3 !== undefined
      ? {
          's3-bucket': s3.bucket,
          ...(s3.endpoint === undefined ? {} : { 's3-endpoint': s3.endpoint }),
          ...(s3.region === undefined ? {} : { 's3-region': s3.region }),
          ...(s3.prefix === undefined ? {} : { 's3-prefix': s3.prefix })
        }
      : {})
  }
}

function targetOf(inputs: BackupInputs | ListInputs, place: RunPlace): DashboardTarget {
  switch (inputs.dashboard?.kind) {
    case 'repository':
      return repositoryTarget(inputs, place)
    case 'artifact':
      return artifactTarget(inputs, place)
    case 'file':
      return fileTarget(inputs.dashboard.path)
    case undefined:
      throw new Error('no dashboard is asked for')
  }
}

/** A file of this machine, replaced in one step. A folder gets `index.html`, as servers of web pages want it. */
function fileTarget(given: string): DashboardTarget {
  return {
    place: `the file ${given}`,
    async write(render) {
      const asked = resolve(given)
      const isFolder =
        /[\\/]$/.test(given) ||
        (await stat(asked).then(
          (found) => found.isDirectory(),
          () => false
        ))
      const path = isFolder ? join(asked, 'index.html') : asked
      const part = `${path}.part`
      const page = await render()
      try {
        await mkdir(dirname(path), { recursive: true })
        await writeFile(part, page)
        await rename(part, path)
      } catch (thrown) {
        await rm(part, { force: true }).catch(() => undefined)
        throw new UserError('SB931', thrown instanceof Error ? thrown.message : String(thrown), { cause: thrown })
      }
      return null
    }
  }
}

function repositoryTarget(inputs: BackupInputs | ListInputs, { context, environment }: RunPlace): DashboardTarget {
  const repository =
    inputs.repository === undefined ? environment.repository : `${inputs.repository.owner}/${inputs.repository.name}`
  return {
    place: `the branch ${inputs.branch} of ${repository ?? 'this repository'}`,
    async write(render) {
      if (repository === undefined) throw noRepository()
      return writeRepositoryPage(
        {
          serverUrl: environment.serverUrl,
          repository,
          token: tokenOf(inputs),
          branch: inputs.branch,
          retries: inputs.retries,
          name: fileName,
          mark: dashboardMark,
          message: 'Dashboard'
        },
        render,
        context
      )
    }
  }
}

function artifactTarget(inputs: BackupInputs | ListInputs, { context, environment }: RunPlace): DashboardTarget {
  return {
    place: 'the artifacts of this run',
    async write(render) {
      const { apiUrl, serverUrl, repository, runId } = environment
      if (repository === undefined) throw noRepository()
      const github = connectGithub({ apiUrl, token: tokenOf(inputs), retries: inputs.retries, context })
      const upload = artifactUpload({
        github,
        service: connectArtifactService(process.env),
        artifacts: githubArtifacts(github, repository),
        retentionDays: inputs.retentionDays,
        context
      })
      // Jobs of one run share the names of its artifacts, and none can be replaced.
      const name = `dashboard-${inputs.project ?? 'all'}-${compactTime(context.clock.now())}.html`
      const artifact = await upload.store(name, memoryVolume(await render()))
      return runId === undefined ? null : `${serverUrl}/${repository}/actions/runs/${runId}/artifacts/${artifact.id}`
    }
  }
}

function tokenOf(inputs: BackupInputs | ListInputs): string {
  if (inputs.token === undefined)
    throw new UserError('SB003', 'The input `token` is empty: GitHub cannot be asked without one.')
  return inputs.token
}

function noRepository(): UserError {
  return new UserError('SB003', 'GITHUB_REPOSITORY is not set: the repository of this run is not known.')
}
