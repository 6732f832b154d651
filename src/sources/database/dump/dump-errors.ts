import { poolerRule } from '../../../clients/postgres/pooler-errors.ts'
import type { ChildExit } from '../../../clients/process/child-process.ts'
import type { ErrorCode } from '../../../error-codes.ts'
import { UserError } from '../../../errors.ts'

interface Rule {
  readonly pattern: RegExp
  readonly code: ErrorCode
  readonly says: string
  readonly mayPass?: boolean
}

/** What a server says that cannot put a row into one text (StringInfo ends at 1 GB, stringinfo.c; palloc too, memutils.h). */
export const rowTooLarge = /cannot enlarge string buffer containing|invalid memory alloc request size/i

/** What pg_dump and the server behind it write, the first that fits. All of it in English: the child runs with LC_ALL=C. */
const rules: readonly Rule[] = [
  { pattern: /server version mismatch/, code: 'SB209', says: 'pg_dump is older than the server' },
  { pattern: /row-level security/, code: 'SB204', says: 'Row level security would hide rows from the role' },
  {
    pattern: /permission denied|must be (?:owner|superuser)/,
    code: 'SB203',
    says: 'The role may not read something that is to be backed up'
  },
  {
    pattern: /no matching (?:schemas|tables|extensions) were found|is not valid for .* filter/,
    code: 'SB205',
    says: 'A pattern matches nothing'
  },
  {
    pattern: /canceling statement due to (?:lock|statement) timeout|could not obtain lock/,
    code: 'SB202',
    says: 'A table stayed locked'
  },
  {
    pattern: rowTooLarge,
    code: 'SB216',
    says: 'A row is larger than the 1 GB that PostgreSQL can send of it'
  },
  {
    pattern: /out of (?:shared )?memory|cannot allocate memory|memory exhausted/i,
    code: 'SB210',
    says: 'Memory ran out'
  },
  {
    pattern:
      /invalid snapshot identifier|could not import the requested snapshot|source (?:process|transaction) .*is not running/,
    code: 'SB212',
    says: 'The snapshot is gone',
    mayPass: true
  },
  {
    pattern: /too many (?:clients|connections)|remaining connection slots|max clients reached|EMAXCONN/i,
    code: 'SB115',
    says: 'The server has no connection left',
    mayPass: true
  },
  {
    pattern:
      /server closed the connection|terminating connection|connection (?:to server .*)?(?:was )?(?:lost|reset|refused|closed|not open)|connection reset|could not (?:receive|send) data|SSL (?:SYSCALL|error|connection)|lost synchronization|no connection to the server|unexpected EOF|is (?:starting up|shutting down)|in recovery mode|conflict with recovery|timeout expired|Connection timed out/i,
    code: 'SB207',
    says: 'The connection broke during the dump',
    mayPass: true
  },
  {
    pattern:
      /does not exist|cache lookup failed|could not open relation with OID|concurrently (?:dropped|updated|deleted)|could not find (?:parent|function|operator|type)|schema with OID/,
    code: 'SB206',
    says: 'The database was changed while it was read',
    mayPass: true
  }
]

/** Most characters of pg_dump's words that an error quotes. */
const quoted = 600

/** The error for a pg_dump that did not end well. `stderr` is hostile text. */
export function dumpError(exit: Pick<ChildExit, 'code' | 'signal'>, stderr: string): UserError {
  // A shell's way to tell of a signal: 128 + its number.
  const signal = exit.signal ?? (exit.code === 137 ? 'SIGKILL' : exit.code === 139 ? 'SIGSEGV' : null)
  if (signal === 'SIGPIPE')
    return new UserError('SB208', 'pg_dump was ended (SIGPIPE): what compresses its output had ended before it.', {
      remedy: 'Look at the zstd that this machine has: `zstd --version`, and where it comes from.'
    })
  if (signal !== null) {
    return new UserError('SB208', `pg_dump was killed (${signal})${signal === 'SIGKILL' ? ': likely memory' : ''}.`)
  }
  const words = relevant(stderr)
  const pooler = poolerRule(words)
  if (pooler !== undefined)
    return new UserError(pooler.code, `The server ${pooler.says}: ${words}`, {
      mayPass: pooler.mayPass === true,
      ...(pooler.remedy === undefined ? {} : { remedy: pooler.remedy })
    })
  const rule = rules.find(({ pattern }) => pattern.test(words))
  if (rule === undefined)
    return new UserError('SB201', `pg_dump ended with exit code ${exit.code}: ${words || 'it said nothing'}`)
  return new UserError(rule.code, `${rule.says}: ${words}`, { mayPass: rule.mayPass === true })
}

/** pg_dump's errors without the text of its queries. */
function relevant(stderr: string): string {
  const kept = stderr
    .split('\n')
    .filter(
      (line) => line !== '' && !/^pg_dump: (?:warning|hint)|^pg_dump: detail: Query was|^(?:LINE \d+:|\s*\^)/.test(line)
    )
    .map((line) => line.replace(/^pg_dump: (?:error: )?/, ''))
    .join(' ')
  return kept.length > quoted ? `${kept.slice(0, quoted)}...` : kept
}

/** Warnings of a pg_dump that ended well (F18), at most 100. */
export function dumpWarnings(stderr: string): string[] {
  const warnings: string[] = []
  for (const line of stderr.split('\n')) {
    const warning = /^pg_dump: warning: (.*)$/.exec(line)?.[1]
    const detail = /^pg_dump: (?:detail|hint): (.*)$/.exec(line)?.[1] ?? /^(?:WARNING|NOTICE): +(.*)$/.exec(line)?.[1]
    if (warning !== undefined) warnings.push(warning)
    else if (detail !== undefined && warnings.length > 0) warnings.push(`${warnings.pop() ?? ''} ${detail}`)
    else if (detail !== undefined) warnings.push(detail)
  }
  return warnings.slice(0, 100)
}
