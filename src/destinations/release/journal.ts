import { inParallel } from '../../base/in-parallel.ts'
import type { Asset, Release, Releases } from '../../clients/github/releases.ts'
import { UserError } from '../../errors.ts'
import { type Journal, type JournalFile, largestJournalFile } from '../destination.ts'
import { assertJournalName, assertLabel, isJournalName, journalTaken } from '../names.ts'
import { memoryVolume } from '../volumes.ts'
import { type AssetStore, sha256Hex } from './assets.ts'
import { readReleaseBody, renderDraftBody, withCopies } from './body.ts'
import { publishNumbered } from './publish-numbered.ts'
import { journalTag, parseJournalTag } from './tags.ts'

interface Parts {
  readonly releases: Releases
  readonly assets: AssetStore
  readonly repository: string
}

/** Copies of so many records fit into the text of a release, signed ones too: reading them takes no download. */
const mostFiles = 400
const readsAtOnce = 8

/**
 * The journal in releases `backup-<label>-journal-<n>`, one file a record, with copies in their texts. Where releases are frozen on publishing the
 * text is the only thing that may still grow: there it is the journal itself.
 */
export function releaseJournal({ releases, assets, repository }: Parts): Journal {
  async function* shelvesOf(project: string | undefined): AsyncGenerator<Release> {
    for await (const release of releases.list()) {
      const label = parseJournalTag(release.tag)?.project
      if (!release.draft && label !== undefined && (project === undefined || label === project)) yield release
    }
  }

  /** How each record of a release is had. */
  async function recordsOf(release: Release): Promise<Map<string, () => Promise<Uint8Array>>> {
    const copies = readReleaseBody(release.body)
    const found = new Map<string, () => Promise<Uint8Array>>()
    if (release.immutable)
      for (const [name, content] of copies) if (isJournalName(name)) found.set(name, async () => content)
    for (const asset of await assets.all(release))
      if (asset.whole && isJournalName(asset.name)) found.set(asset.name, () => contentOf(asset, copies))
    return found
  }

  async function contentOf(asset: Asset, copies: ReadonlyMap<string, Uint8Array>): Promise<Uint8Array> {
    if (asset.bytes > largestJournalFile) return new Uint8Array()
    const copy = copies.get(asset.name)
    return copy !== undefined && sha256Hex(copy) === asset.sha256 ? copy : await assets.read(asset)
  }

  async function addTo(release: Release, project: string, name: string, content: Uint8Array): Promise<boolean> {
    const copies = new Map(readReleaseBody(release.body)).set(name, content)
    const text = withCopies(words(project), copies)
    if (!release.immutable) await assets.store(release, name, memoryVolume(content))
    else if (!readReleaseBody(text).has(name)) return false
    await releases.update(release.id, { body: text })
    if (!release.immutable) return true
    const shown = readReleaseBody((await releases.get(release.id))?.body ?? '').get(name)
    if (shown === undefined || Buffer.compare(shown, content) !== 0)
      throw new UserError('SB421', `${name} did not stay in the text of the immutable release ${release.tag}.`)
    return true
  }

  return {
    async add(project, name, content) {
      assertLabel(project)
      assertJournalName(name)
      let last = 0
      let open: Release | undefined
      for await (const shelf of shelvesOf(project)) {
        last = Math.max(last, parseJournalTag(shelf.tag)?.number ?? 0)
        const records = await recordsOf(shelf)
        const there = await records.get(name)?.()
        if (there !== undefined) {
          if (Buffer.compare(there, content) === 0) return
          throw journalTaken(name, project, repository)
        }
        if (records.size < mostFiles) open = shelf
      }
      if (open !== undefined && (await addTo(open, project, name, content))) return
      const text = withCopies(words(project), new Map([[name, content]]))
      const draft = await releases.createDraft({
        tag: journalTag(project, last + 1),
        name: `Journal of ${project} (${last + 1})`,
        body: renderDraftBody(text)
      })
      await assets.store(draft, name, memoryVolume(content))
      await publishNumbered(releases, draft, text, (free) => journalTag(project, free), last + 1)
    },

    async *list(project) {
      if (project !== undefined) assertLabel(project)
      for await (const shelf of shelvesOf(project)) {
        const label = parseJournalTag(shelf.tag)?.project ?? ''
        const records = [...(await recordsOf(shelf))].map(([name, read]) => ({ name, read }))
        const had = async ({ name, read }: (typeof records)[number]): Promise<JournalFile> => ({
          project: label,
          name,
          content: await read()
        })
        yield* inParallel(records, readsAtOnce, had)
      }
    }
  }
}

function words(project: string): string {
  return `What runs for \`${project}\` did, for reports. It outlives the backups; deleting this release deletes no backup.\n`
}
