import type { Ports } from '../commands/ports.ts'
import { runVerify } from '../commands/verify.ts'
import type { VerifyInputs } from '../inputs/index.ts'
import type { Result } from '../result.ts'
import { compressionOf, keysFor, trustedKeys } from './packer-encryption.ts'
import { proverOf } from './prove.ts'
import type { RunPlace } from './run-context.ts'

/** Runs `command: verify`. */
export async function verify(inputs: VerifyInputs, ports: Ports, place: RunPlace): Promise<Result> {
  return runVerify(
    {
      project: inputs.project,
      choice: inputs.backup,
      mode: inputs.verify,
      keys: await keysFor(inputs),
      canaryWords: inputs.canaryWords,
      compression: await compressionOf(place.context),
      trusted: trustedKeys(inputs.verifyKey),
      maxDownloadBytes: inputs.maxDownloadBytes,
      checkSql: inputs.checkSql !== undefined
    },
    { ...ports, prove: await proverOf(inputs, place.context) }
  )
}
