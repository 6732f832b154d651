import type { DatabaseFacts } from '../../../../archive/contents-database.ts'
import { majorOf } from '../../../../clients/postgres/server-version.ts'
import { UserError } from '../../../../errors.ts'
import { listed, quoteIdentifier } from '../../catalog/quote.ts'
import type { ArchiveToc } from '../../pg-archive/toc.ts'
import type { RestoreMode, RestorePlan } from '../plan/restore-plan.ts'
import type { TargetState } from './target-state.ts'

/** Throws when the target cannot take the backup at all: nothing was written. */
export function assertTarget(target: TargetState, facts: DatabaseFacts, toc: ArchiveToc, mode: RestoreMode): void {
  if (majorOf(target.versionNumber) < majorOf(facts.server.versionNumber)) {
    throw new UserError(
      'SB704',
      `The backup is of PostgreSQL ${facts.server.version}, the target is ${target.version}: what is new there cannot be brought into an older server.`
    )
  }
  if (target.closed !== null) throw new UserError('SB707', `Nothing can be written to the target: ${target.closed}.`)
  const encoding =
    /^SET client_encoding = '([A-Za-z0-9_]+)';\n$/.exec(
      toc.entries.find((entry) => entry.kind === 'ENCODING')?.definition ?? ''
    )?.[1] ?? 'UTF8'
  // The server turns UTF8 into the target's own encoding; into one without any (SQL_ASCII) bytes go as they are.
  const fits = target.encoding === 'UTF8' || target.encoding === facts.encoding
  if (encoding !== 'UTF8' || !fits) {
    throw new UserError(
      'SB711',
      `The text of the backup is in ${encoding}, that of the target in ${target.encoding}: only UTF8 is brought back here, into UTF8 or into the encoding of the source (${facts.encoding}).`
    )
  }
  if (mode === 'empty' && target.holds.length > 0)
    throw new UserError('SB703', `The target is not empty: it holds ${listed(target.holds, 8)}.`)
}

/** Throws when the plan cannot be carried out by this role or on this server. */
export function assertPlan(plan: RestorePlan, target: TargetState): void {
  const [first] = plan.obstacles
  if (first !== undefined)
    throw new UserError(
      first.code,
      plan.obstacles
        .slice(0, 10)
        .map((obstacle) => obstacle.text)
        .join(' '),
      first.remedy === undefined ? {} : { remedy: first.remedy }
    )
  const role = quoteIdentifier(target.user)
  if (!target.mayCreate && plan.entries.some((entry) => entry.kind === 'SCHEMA')) {
    throw new UserError('SB707', `The role ${role} may not make schemas in the target.`, {
      remedy: `Connect as \`postgres\`, or run: grant create on database ${quoteIdentifier(target.database)} to ${role};`
    })
  }
  if (!target.replicaRole && plan.rows.some((rows) => rows.way === 'exchange' || rows.way === 'missing')) {
    throw new UserError(
      'SB707',
      `The role ${role} may not hold triggers and foreign keys of the target still while rows come in.`,
      {
        remedy: `Connect as \`postgres\`, or run as a superuser (PostgreSQL 15 or later): grant set on parameter session_replication_role to ${role};`
      }
    )
  }
}
