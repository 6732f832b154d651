import type { DatabaseFacts } from '../../../archive/contents-database.ts'
import type { Finding } from '../../source.ts'
import { walkArchive } from '../pg-archive/archive-walk.ts'
import { compareToc } from '../pg-archive/compare-toc.ts'
import type { OpenArchive } from '../pg-archive/read-archive.ts'
import { notAnArchive } from '../pg-archive/toc.ts'

/** How much of an archive is followed where nothing was asked to be proven: it costs a fraction of a second. Bytes before compression. */
const glancedBytes = 32 * 1024 * 1024

/**
 * The least that is looked at before anything is published, whatever `verify` says: what pg_dump wrote is an archive, its table of
 * contents has the tables of the catalog, and its beginning (a small one: all of it) is whole. It proves no more than that a pg_dump
 * that says it succeeded did not write nothing, rubbish, or the half of a small database. Throws UserError SB603; returns differences.
 */
export async function glanceAtArchive(openArchive: OpenArchive, facts: DatabaseFacts): Promise<Finding[]> {
  const walk = walkArchive()
  const stream = openArchive()
  let seen = 0
  let ended = true
  for await (const chunk of stream) {
    const bytes = Buffer.isBuffer(chunk) ? chunk : Buffer.from(chunk)
    walk.push(bytes)
    seen += bytes.length
    if (seen >= glancedBytes && walk.toc !== null) {
      ended = false
      break
    }
  }
  const toc = ended ? walk.end() : walk.toc
  if (toc === null) throw notAnArchive('it has no table of contents')
  return compareToc(toc, facts)
}
