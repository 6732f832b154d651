import { runDownload } from '../commands/download.ts'
import type { Ports } from '../commands/ports.ts'
import type { DownloadInputs } from '../inputs/index.ts'
import type { Result } from '../result.ts'
import { compressionOf, keysFor, trustedKeys } from './packer-encryption.ts'
import type { RunPlace } from './run-context.ts'

/** Runs `command: download`. */
export async function download(inputs: DownloadInputs, ports: Ports, place: RunPlace): Promise<Result> {
  return runDownload(
    {
      project: inputs.project,
      choice: inputs.backup,
      into: place.kept,
      keys: await keysFor(inputs),
      compression: await compressionOf(place.context),
      trusted: trustedKeys(inputs.verifyKey)
    },
    ports
  )
}
