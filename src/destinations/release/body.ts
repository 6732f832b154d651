import { deflateRawSync, inflateRawSync } from 'node:zlib'
import { isDeadRun, readRunMark } from '../../clients/process/run-mark.ts'
import type { BackupRef } from '../destination.ts'

// The text of a release: a few words for people and, in a comment that GitHub does not show, a copy of the small files
// beside the backup, so that a listing needs no download for each. The copy counts only where its digest is that of the
// file itself; whoever edits the text gains nothing.

const opening = '<!-- supabase-backup:1 '
const block = /<!-- supabase-backup:1 ([A-Za-z0-9+/=]+) -->/
// GitHub refuses texts over 125,000 characters; some room is left for the words.
const mostCharacters = 120_000
const mostBytes = 32 * 1024 * 1024

/** The text of a backup's release with copies of `files`; without them when they do not fit. Holds no name from a database. */
export function renderReleaseBody(backup: BackupRef, files: ReadonlyMap<string, Uint8Array>): string {
  const words = [
    `Backup \`${backup.id}\` of the project \`${backup.project}\`, made by Supabase Backup.`,
    '',
    'The file `RESTORE.md` says how to bring it back. Deleting this release deletes the backup.',
    ''
  ].join('\n')
  return withCopies(words, files)
}

/** Words with copies of `files`; without them when they do not fit. */
export function withCopies(words: string, files: ReadonlyMap<string, Uint8Array>): string {
  const index = [...files].map(([name, content]) => ({ name, bytes: content.length }))
  const header = Buffer.from(`${JSON.stringify(index)}\n`)
  const packed = deflateRawSync(Buffer.concat([header, ...files.values()]), { level: 9 }).toString('base64')
  return packed.length > mostCharacters ? words : `${words}\n${opening}${packed} -->\n`
}

/** The copies in the text of a release; empty when there is no block or it is damaged. Their digests decide what they are worth. */
export function readReleaseBody(body: string): ReadonlyMap<string, Uint8Array> {
  const files = new Map<string, Uint8Array>()
  const packed = block.exec(body)?.[1]
  if (packed === undefined) return files
  try {
    const all = inflateRawSync(Buffer.from(packed, 'base64'), { maxOutputLength: mostBytes })
    const end = all.indexOf('\n')
    const index: unknown = JSON.parse(all.subarray(0, end).toString('utf8'))
    let offset = end + 1
    for (const entry of Array.isArray(index) ? index : []) {
      const { name, bytes } = Object(entry)
      if (typeof name !== 'string' || !Number.isSafeInteger(bytes) || bytes < 0 || offset + bytes > all.length) {
        return new Map()
      }
      files.set(name, Uint8Array.from(all.subarray(offset, offset + bytes)))
      offset += bytes
    }
    return files
  } catch {
    // A block that somebody has edited: the files themselves are asked instead.
    return new Map()
  }
}

const owner = /<!-- supabase-backup-run ([0-9a-f.]{1,60}) -->/

/** The text of a draft: that of the release, and in a comment which run makes it, so that another can tell when that one is dead. */
export function renderDraftBody(body: string): string {
  const mark = readRunMark()
  return mark === null ? body : `${body}\n<!-- supabase-backup-run ${mark} -->\n`
}

/** Whether it is certain that the run that made this draft has ended: only on the machine on which it ran. */
export function isOfDeadRun(body: string): boolean {
  const mark = owner.exec(body)?.[1]
  return mark !== undefined && isDeadRun(mark)
}
