import { databaseFactsSchema } from '../archive/contents-database.ts'
import type { PackRecord } from '../archive/contents-storage.ts'
import type { Files } from '../archive/files.ts'
import type { Verification, VerificationLevel } from '../archive/manifest.ts'
import type { Context } from '../context.ts'
import { UserError } from '../errors.ts'
import { memberRowsFile } from '../sources/database/members/rows-archive.ts'
import { checksNotRun } from '../sources/database/verify/check-sql.ts'
import type { DatabaseProof, ProveDatabase } from '../sources/database/verify/prove-database.ts'
import { glanceAtArchive } from '../sources/database/verify/quick-check-archive.ts'
import type { FindingReason } from '../sources/source.ts'
import { checkPack } from '../sources/storage/read-pack.ts'
import type { Proof, Prove } from './ports.ts'

export interface ProveOptions {
  /** `none` and `checksum` only glance at the archive: what is stored is compared with its digest where it is published or fetched. */
  readonly mode: 'auto' | 'restore' | 'read' | 'checksum' | 'none'
  readonly database: ProveDatabase
  /** Whether there are statements of `check-sql`. */
  readonly checkSql: boolean
}

const dumpFile = 'database.dump'

/** Proves packed files: every one is read to its last byte, and the database's archive as far as its prover goes. */
export function createProve(options: ProveOptions, { clock, log }: Pick<Context, 'clock' | 'log'>): Prove {
  const { mode } = options
  return async (subject) => {
    const started = clock.monotonic()
    const told = (level: VerificationLevel, rest: Partial<Verification> = {}): Verification => ({
      level,
      at: level === 'none' && mode === 'none' ? null : clock.now().toISOString(),
      tables: { restore: 0, read: 0, differing: 0 },
      notProven: [],
      ...rest,
      durationMs: Math.round(clock.monotonic() - started)
    })
    if (mode === 'none' || mode === 'checksum') {
      const findings = subject.files.names.includes(dumpFile)
        ? await glanceAtArchive(() => subject.files.open(dumpFile), factsOf(subject.database))
        : []
      const unrun = checksNotRun(options.checkSql, `\`verify\` is \`${mode}\``)
      const verification = told(mode, { notProven: unrun.map(({ detail }) => detail) })
      return {
        verdict: findings.length > 0 ? 'lacking' : 'proven',
        verification: mode === 'none' ? { ...verification, durationMs: 0 } : verification,
        findings: [...findings, ...unrun]
      }
    }

    return log.group('Proving', async (): Promise<Proof> => {
      for (const name of subject.files.names) if (name !== dumpFile) await readWhole(subject.files, name)
      if (!subject.files.names.includes(dumpFile)) {
        const unrun = checksNotRun(options.checkSql, 'there is no database in the backup')
        const notProven = mode === 'read' ? [] : ['there is no database in the backup to restore']
        return {
          verdict: 'proven',
          verification: told('read', { notProven: [...notProven, ...unrun.map(({ detail }) => detail)] }),
          findings: unrun
        }
      }
      const { files } = subject
      const proof = await options.database(
        () => files.open(dumpFile),
        factsOf(subject.database),
        (into) => files.pour?.(dumpFile, into) ?? null,
        () => (files.names.includes(memberRowsFile) ? files.open(memberRowsFile) : null)
      )
      const verification = told(proof.level, { tables: proof.tables, notProven: notProvenWords(proof) })
      log.info(wordsOf(verification))
      return { verdict: proof.verdict, verification, findings: proof.findings }
    })
  }
}

/** Reads a packed file to its end: whatever is wrong with it destroys the stream. Returns what a pack of Storage files holds, null for others. */
export async function readWhole(files: Files, name: string): Promise<ReadonlyMap<string, PackRecord> | null> {
  // A pack says itself what each file in it has to be.
  if (/^objects-.*\.tar$/.test(name)) return checkPack(name, files.open(name))
  const stream = files.open(name)
  for await (const _ of stream);
  return null
}

function factsOf(facts: unknown) {
  const parsed = databaseFactsSchema.safeParse(facts)
  if (parsed.success) return parsed.data
  throw new UserError(
    'SB509',
    `The facts of the database cannot be read: ${parsed.error.issues[0]?.path.map(String).join('.') ?? 'they are missing'}.`
  )
}

/** Findings that the manifest tells by number only, since names from inside the project do not belong there. */
const groupWords: Readonly<Record<FindingReason, string>> = {
  'missing-extension': 'not on the copy, whose server lacks an extension that they need',
  'missing-provider': 'not on the copy, whose server lacks the provider of their security labels',
  'platform-owner': 'with an owner that only the platform allows',
  locale: 'compared under another locale than that of the source',
  'refused-by-server': 'settings or memberships of roles that the copy cannot have',
  'role-exists': 'roles that the server of `verify-database-url` had already, and that differ',
  'out-of-time': 'not built in the time of `verify-timeout`',
  'needs-another': 'not on the copy, since they hang on something else that is not there',
  'not-in-backup': 'not on the copy, since they need what is not part of the backup',
  'not-made': 'not on the copy, since they could not be made',
  'not-valid': 'made without validating old rows, which do not satisfy them now',
  'not-refreshed': 'materialized views that could not be computed on the copy',
  'not-hashed': 'counted, but their content not compared',
  'not-sampled': 'samples of what roles see that were skipped',
  reworded: 'worded differently by another major version',
  'check-not-run': 'check-sql was not run'
}

/** What was not proven and why, without names. */
function notProvenWords(proof: DatabaseProof): string[] {
  const counts = new Map<string, number>()
  for (const finding of proof.findings) {
    if (finding.kind !== 'notProven') continue
    if (finding.reason === 'check-not-run') {
      counts.set(finding.detail, 0)
      continue
    }
    const words = finding.reason === undefined ? 'not compared' : groupWords[finding.reason]
    counts.set(words, (counts.get(words) ?? 0) + 1)
  }
  return [
    ...(proof.notRestored === null ? [] : [proof.notRestored]),
    ...[...counts].map(([words, count]) =>
      count === 0 ? words : `${count} ${count === 1 ? 'object' : 'objects'}: ${words}`
    )
  ]
}

function wordsOf({ level, tables }: Verification): string {
  switch (level) {
    case 'restore':
      return `Proven: ${tables.restore} tables were restored and are equal to the source.`
    case 'read':
      return `Read to the last byte; ${tables.restore} tables were restored and compared, ${tables.read} were not.`
    default:
      return `The proof failed: ${tables.differing} tables differ.`
  }
}
