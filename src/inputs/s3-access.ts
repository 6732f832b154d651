import type { S3Access } from './commands.ts'
import type { Remarks } from './database-access.ts'
import type { Fields } from './fields.ts'
import type { Problems } from './problems.ts'

const names = [
  's3-bucket',
  's3-endpoint',
  's3-region',
  's3-prefix',
  's3-access-key-id',
  's3-secret-access-key',
  's3-session-token',
  's3-lock',
  's3-lock-days'
] as const

/** The bucket that the inputs name; undefined where no backups are kept in one. */
export function s3Access(fields: Fields, problems: Problems, remarks: Remarks): S3Access | undefined {
  if (!fields.destinations.includes('s3')) {
    const given = names.filter((name) => fields[name] !== undefined)
    if (given.length > 0 && fields.command !== 'plan')
      remarks.warnings.push(
        `${given.map((name) => `\`${name}\``).join(', ')} ${given.length === 1 ? 'has' : 'have'} no effect: \`destinations\` does not name s3.`
      )
    return undefined
  }
  const bucket = fields['s3-bucket']
  if (bucket === undefined) {
    if (fields.command !== 'plan')
      problems.add('SB003', 'Input `s3-bucket` is missing: the destination s3 needs the name of its bucket.')
    return undefined
  }
  return {
    bucket,
    endpoint: fields['s3-endpoint'],
    region: fields['s3-region'],
    prefix: fields['s3-prefix'],
    credentials: credentialsOf(fields, problems),
    lock: lockOf(fields, problems)
  }
}

function credentialsOf(fields: Fields, problems: Problems): S3Access['credentials'] {
  const accessKeyId = fields['s3-access-key-id']
  const secretAccessKey = fields['s3-secret-access-key']
  const sessionToken = fields['s3-session-token']
  if (accessKeyId === undefined && secretAccessKey === undefined && sessionToken === undefined) return undefined
  if (accessKeyId === undefined)
    problems.add('SB003', 'Input `s3-access-key-id` is missing: a key of a bucket is an id and a secret.')
  if (secretAccessKey === undefined)
    problems.add('SB003', 'Input `s3-secret-access-key` is missing: a key of a bucket is an id and a secret.')
  if (accessKeyId === undefined || secretAccessKey === undefined) return undefined
  return { accessKeyId, secretAccessKey, sessionToken }
}

function lockOf(fields: Fields, problems: Problems): S3Access['lock'] {
  const mode = fields['s3-lock']
  const days = fields['s3-lock-days']
  if (mode === undefined && days === undefined) return undefined
  if (mode === undefined)
    problems.add('SB003', 'Input `s3-lock` is missing: `s3-lock-days` needs `governance` or `compliance`.')
  if (days === undefined) problems.add('SB003', 'Input `s3-lock-days` is missing: `s3-lock` needs a number of days.')
  return mode === undefined || days === undefined ? undefined : { mode, days }
}
