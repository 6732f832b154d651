import { createHash } from 'node:crypto'
import { rm } from 'node:fs/promises'
import { join } from 'node:path'
import type { StoredObject } from '../archive/contents-storage.ts'
import { connect } from '../clients/postgres/connect.ts'
import type { ConnectionTarget } from '../clients/postgres/connection.ts'
import { openEntry } from '../commands/fetch-backup.ts'
import { readAll } from '../commands/list.ts'
import type { Ports } from '../commands/ports.ts'
import { UserError } from '../errors.ts'
import type { HistoryEntry } from '../history/entries.ts'
import { type BackupChoice, entriesMeant, passedOver, selectBackup } from '../history/select.ts'
import { parseChoice } from '../inputs/backup-selector.ts'
import type { DownloadInputs } from '../inputs/index.ts'
import { takeInventory } from '../sources/database/catalog/inventory.ts'
import { everything, type Selection } from '../sources/database/catalog/selection.ts'
import { measure } from '../sources/database/dump/collect-facts.ts'
import { beginReading } from '../sources/database/dump/snapshot.ts'
import { compressionOf, keysFor } from '../wiring/packer-encryption.ts'
import { type BucketTally, type Inside, insideOf, insideOfDatabase } from './contents-report.ts'

/** What is inside the backups that are meant, from their contents alone: nothing large is fetched. */
export async function lookInside(
  inputs: DownloadInputs,
  choices: readonly BackupChoice[],
  ports: Ports
): Promise<readonly (Inside & { readonly selection: Selection })[]> {
  const entries = await readAll(ports, inputs.project)
  const found: (Inside & { readonly selection: Selection })[] = []
  for (const choice of choices) {
    const now = ports.context.clock.now()
    const meant = entriesMeant(entries, choice)
    const copies = selectBackup(meant, choice, now)
    for (const warning of passedOver(meant, choice, copies, now)) ports.context.log.warning(warning)
    const [copy] = copies
    if (copy === undefined) throw new UserError('SB404', 'There is no such backup.')
    found.push(await read(copy, copies, inputs, ports))
  }
  return found
}

async function read(
  copy: HistoryEntry,
  copies: readonly HistoryEntry[],
  inputs: DownloadInputs,
  ports: Ports
): Promise<Inside & { readonly selection: Selection }> {
  const dir = join(ports.context.temp, `inside-${copy.ref.id}`)
  try {
    const { opened, manifest } = openEntry(
      copy,
      ports,
      {
        dir,
        keys: await keysFor(inputs),
        compression: await compressionOf(ports.context),
        trusted: ports.trusted ?? []
      },
      copies
    )
    const contents = await opened.contents()
    const buckets = contents.storage === undefined ? [] : await tally(opened.objects())
    const named = new Set(buckets.map(({ name }) => name))
    const empty = (contents.storage?.buckets ?? []).filter(({ id }) => !named.has(id))
    const all = [...buckets, ...empty.map(({ id }) => ({ name: id, files: 0, bytes: 0, digest: '' }))]
    return { ...insideOf(contents, manifest, all), selection: contents.database?.selection ?? everything }
  } finally {
    await rm(dir, { recursive: true, force: true })
  }
}

/** Files, bytes and a digest by bucket; the digest does not depend on the order, and memory does not grow with the number of files. */
async function tally(objects: AsyncIterable<StoredObject>): Promise<BucketTally[]> {
  const buckets = new Map<string, { files: number; bytes: number; digest: Buffer }>()
  for await (const { bucket, key, version, size } of objects) {
    const one = buckets.get(bucket) ?? { files: 0, bytes: 0, digest: Buffer.alloc(32) }
    const digest = createHash('sha256')
      .update(JSON.stringify([key, version, size]))
      .digest()
    for (let at = 0; at < digest.length; at += 1) one.digest[at] = (one.digest[at] ?? 0) ^ (digest[at] ?? 0)
    buckets.set(bucket, { files: one.files + 1, bytes: one.bytes + (size ?? 0), digest: one.digest })
  }
  return [...buckets]
    .sort()
    .map(([name, { files, bytes, digest }]) => ({ name, files, bytes, digest: digest.toString('hex') }))
}

/** The other side of a comparison: `live`, or a backup as it is typed. */
export function otherSide(text: string | undefined): 'live' | BackupChoice {
  if (text === undefined)
    throw new UserError('SB003', 'It is not said what to compare with.', {
      remedy: 'Give a second id, or `--against live` with the connection string of a database.'
    })
  if (text === 'live') return 'live'
  const parsed = parseChoice(text)
  if (!parsed.ok) throw new UserError(parsed.code, `\`--against\`: ${parsed.reason}.`)
  return parsed.value
}

const hashLimitBytes = 20 * 1024 ** 3

/** What a database holds now, counted and hashed as a backup would, in one snapshot that only reads. */
export async function readLive(
  target: ConnectionTarget,
  selection: Selection,
  inputs: DownloadInputs,
  ports: Ports
): Promise<Inside> {
  const { context } = ports
  const connection = await connect(target, {
    clock: context.clock,
    signal: context.signal,
    retries: inputs.retries,
    randomBytes: context.randomBytes,
    onRetry: (error) => context.log.info(error.message)
  })
  try {
    await beginReading(connection, inputs.lockTimeoutMs)
    const inventory = await takeInventory(connection, selection)
    const measured = await measure({
      connection,
      inventory,
      selection,
      clock: context.clock,
      hashLimitBytes,
      vault: false,
      visibleRows: null,
      onTables: (done, of) => context.log.progress(() => `${done} of ${of} tables read`)
    })
    const { tables, guards, extensions, roles } = measured
    return {
      id: 'the live database',
      project: inputs.project ?? '',
      createdAt: context.clock.now().toISOString(),
      type: selection.type,
      status: 'live',
      ...insideOfDatabase({ tables, guards, extensions, roles }),
      buckets: [],
      functions: [],
      missing: []
    }
  } finally {
    await connection.close()
  }
}
