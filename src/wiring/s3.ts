import { openBucket, openConnection, traitsOf } from '../clients/s3/index.ts'
import type { Context } from '../context.ts'
import type { Destination } from '../destinations/destination.ts'
import { openS3Destination } from '../destinations/s3/index.ts'
import { UserError } from '../errors.ts'
import type { CommonInputs } from '../inputs/index.ts'
import type { RunnerEnvironment } from '../runner-environment.ts'

/** Opens the bucket that the inputs name, with their key or the one that a login left in the environment. */
export function openS3(inputs: CommonInputs, environment: RunnerEnvironment, context: Context): Destination {
  const { s3 } = inputs
  if (s3 === undefined) throw new UserError('SB003', 'The destination `s3` needs the input `s3-bucket`.')
  const { traits, region } = traitsOf(s3.endpoint)
  if (s3.lock !== undefined && !traits.objectLock)
    throw new UserError('SB002', `${traits.name} does not lock single objects, so \`s3-lock\` cannot be kept.`, {
      remedy: 'Set a lock rule on the bucket itself, and leave `s3-lock` and `s3-lock-days` out.'
    })
  const bucket = openBucket(
    openConnection({
      endpoint: s3.endpoint,
      region: s3.region ?? (s3.endpoint === undefined ? environment.aws.region : undefined) ?? region,
      bucket: s3.bucket,
      credentials: credentialsOf(s3.credentials, environment.aws),
      traits,
      retries: inputs.retries,
      context,
      ...(inputs.rootCertificates === undefined ? {} : { rootCertificates: inputs.rootCertificates })
    })
  )
  return openS3Destination({ bucket, prefix: s3.prefix, lock: s3.lock, context })
}

function credentialsOf(
  given: NonNullable<CommonInputs['s3']>['credentials'],
  aws: RunnerEnvironment['aws']
): { readonly accessKeyId: string; readonly secretAccessKey: string; readonly sessionToken?: string } {
  const { accessKeyId, secretAccessKey, sessionToken } = given ?? aws
  if (accessKeyId === undefined || secretAccessKey === undefined)
    throw new UserError('SB003', 'There is no key for the bucket.', {
      remedy:
        'Give `s3-access-key-id` and `s3-secret-access-key`, or log in before (aws-actions/configure-aws-credentials leaves what is needed).'
    })
  return { accessKeyId, secretAccessKey, ...(sessionToken === undefined ? {} : { sessionToken }) }
}
