import type { Connection } from '../../../clients/postgres/connection.ts'
import { sqlStateOf } from '../../../clients/postgres/server-error.ts'
import { errorCodes } from '../../../error-codes.ts'
import { UserError } from '../../../errors.ts'
import { listed } from '../catalog/quote.ts'
import { describeEntry } from '../pg-archive/entry-sql.ts'
import type { TocEntry } from '../pg-archive/toc.ts'

/** Codes whose own remedy is about an object of the backup, or about nothing that this failure has to do with. */
const general = new Set(['SB120', 'SB123', 'SB708'])
const undefinedObject = new Set(['42P01', '42704', '42883', '3F000'])

/** What to do about an entry that the target refused, where that is known better than for any: `lacking` is what the entry needs and the target does not have. */
export function remedyOfEntry(
  entry: Pick<TocEntry, 'kind' | 'definition'>,
  cause: unknown,
  lacking: readonly Pick<TocEntry, 'kind' | 'schema' | 'tag'>[]
): string | undefined {
  const state = sqlStateOf(cause) ?? ''
  if (state === '23503' && entry.kind === 'FK CONSTRAINT') {
    const table =
      /\bREFERENCES (?:ONLY )?((?:"(?:[^"]|"")+"|[^\s"(])+)\s*\(/.exec(entry.definition)?.[1] ?? 'that table'
    return `Its rows refer to rows of ${table} that the target does not hold: these must be there first, or be chosen as well (\`tables\`). With \`exclude-tables\` the table that refers to them can be left out.`
  }
  if (state === '42P07' && /^(?:INDEX|CONSTRAINT)$/.test(entry.kind))
    return 'An index of another table has this name; it kept it when its table was renamed, say. Rename that index (`alter index ... rename to ...`), or drop it or its table, and start again.'
  if (!undefinedObject.has(state)) return undefined
  const what = lacking.length === 0 ? 'What the message names' : listed(lacking.map(describeEntry), 5)
  return `${what} is not in the target and not among what was chosen: it must be there first, or be chosen as well (\`tables\`, \`schemas\`).`
}

/**
 * The failure of a restore with what to do about it where the server stopped its session, or somebody else's session was in the way. `connection` is the one
 * that the restore worked on: its transaction is taken back.
 */
export async function toldForPeople(failure: unknown, connection: Connection): Promise<unknown> {
  if (!(failure instanceof UserError) || !general.has(failure.code)) return failure
  if (failure.remedy !== errorCodes[failure.code].remedy) return failure
  const state = sqlStateOf(failure) ?? ''
  const told = (remedy: string, more = '') =>
    new UserError('SB708', `${failure.message}${more}`, { cause: failure, remedy, mayPass: true })
  if (state === '57014')
    return told(
      'Somebody cancelled a statement of the restore, or a time limit of the server did. Nothing is wrong with the object: start again.'
    )
  if (/^57|^08/.test(state))
    return told(
      'The server ended the session of the restore: an administrator did, or it was restarted. Nothing is wrong with the object: start again.'
    )
  if (state !== '55P03') return failure
  const holders = await readHolders(connection)
  return told(
    `Another session holds the table: end it${holders.length === 0 ? '' : ` (${holders.map(({ pid }) => `select pg_terminate_backend(${pid});`).join(' ')})`} or stop the application that it belongs to, or raise \`lock-timeout\`, and start again.`,
    holders.length === 0 ? '' : ` In the way may be: ${holders.map(({ words }) => words).join('; ')}.`
  )
}

interface Holder {
  readonly pid: number
  readonly words: string
}

/** Most sessions that are named, and most characters of what they call themselves. */
const named = { sessions: 3, characters: 60 }

/** Sessions that hold tables of the target, those first whose transaction is the oldest. Empty where it cannot be asked. */
async function readHolders(connection: Connection): Promise<Holder[]> {
  try {
    await connection.query('rollback')
    const rows = await connection.query<{ pid: number; application: string; role: string; tables: string[] }>(
      `select a.pid, coalesce(a.application_name, '') as application, coalesce(a.usename::text, '') as role,
  array(select distinct l.relation::regclass::text from pg_locks l join pg_class c on c.oid = l.relation join pg_namespace n on n.oid = c.relnamespace
    where l.pid = a.pid and l.granted and l.locktype = 'relation' and l.database = d.oid and c.relkind in ('r', 'p', 'm') and n.nspname !~ '^pg_|^information_schema$' order by 1 limit 3) as tables
from pg_stat_activity a join pg_database d on d.datname = current_database()
where a.datid = d.oid and a.pid <> pg_backend_pid() order by a.xact_start nulls last, a.pid`
    )
    return rows
      .filter(({ tables }) => tables.length > 0)
      .slice(0, named.sessions)
      .map(({ pid, application, role, tables }) => {
        const short =
          application.length > named.characters ? `${application.slice(0, named.characters)}...` : application
        return {
          pid,
          words: `process ${pid}${short === '' ? '' : ` of ${short}`}, role ${role}, with ${tables.join(', ')}`
        }
      })
  } catch (error) {
    // The failure itself is what counts; who was in the way is only a help.
    if (error instanceof UserError) return []
    throw error
  }
}
