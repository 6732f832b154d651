import { createHash } from 'node:crypto'
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Readable } from 'node:stream'
import { generateX25519Identity, identityToRecipient } from 'age-encryption'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { describeEncryption, encryptionFor, type Keys, keysOf } from '../../src/archive/encryption.ts'
import { type Manifest, parseManifest, renderManifest, withDigest } from '../../src/archive/manifest.ts'
import { createPacker, type StagedFile } from '../../src/archive/pack.ts'
import { openBackup } from '../../src/archive/unpack.ts'
import { createCompression } from '../../src/clients/process/zstd.ts'
import { readWhole } from '../../src/commands/verify-staged.ts'
import { joinVolumes, memoryVolume } from '../../src/destinations/volumes.ts'
import { asError, UserError } from '../../src/errors.ts'
import { exampleManifest } from '../unit/archive/manifests.ts'

/** Whether bytes pass for a manifest that nobody changed. */
function passes(bytes: Uint8Array): boolean {
  const parsed = parseManifest(bytes)
  return parsed.kind === 'ok' && !parsed.changed
}

/** A stored backup in memory: what a place holds under each name, and its manifest. */
interface Place {
  readonly manifest: Manifest
  readonly files: ReadonlyMap<string, Buffer>
}

const never = new AbortController().signal
let temp: string
let keys: Keys
let recipient: string
let place: Place
let other: Place
const compression = () => createCompression({ method: 'zstd', zstd: null, home: temp })

beforeAll(async () => {
  temp = await mkdtemp(join(tmpdir(), 'proof-damage-'))
  const identity = await generateX25519Identity()
  keys = await keysOf([identity])
  recipient = await identityToRecipient(identity)
  place = await makePlace('20261122T161908Z-k2m7q5xa', 1, 6000)
  other = await makePlace('20261121T161908Z-aaaaaaaa', 2, 6000)
})
afterAll(() => rm(temp, { recursive: true, force: true }))

/** A small backup as `backup` makes it; a dump of some thousand bytes is cut into two volumes. */
async function makePlace(id: string, seed: number, dumpBytes: number): Promise<Place> {
  const encryption = encryptionFor([recipient])
  const packer = createPacker({ dir: join(temp, id), encryption, compression: compression(), signal: never })
  const noise = (length: number) => {
    const parts: Buffer[] = []
    for (let at = 0; at * 32 < length; at += 1) parts.push(createHash('sha256').update(`${seed} ${at}`).digest())
    return Buffer.concat(parts).subarray(0, length)
  }
  const add = (name: string, content: Uint8Array) => packer.add(name, { bytes: Readable.from([content]) })
  await add('database.dump', noise(dumpBytes))
  await add('roles.sql', Buffer.from('CREATE ROLE "app_reader";\n'))
  await packer.addPlain('RESTORE.md', Buffer.from(`# How to restore ${id}\n`))
  const createdAt = `${id.slice(0, 4)}-${id.slice(4, 6)}-${id.slice(6, 8)}T16:19:08.000Z`
  const contents = {
    format: 1,
    id,
    project: 'shop',
    createdAt,
    files: Object.fromEntries(packer.staged.map((file) => [file.name, file.sha256]))
  }
  await add('contents.json', Buffer.from(JSON.stringify(contents)))
  const files = new Map<string, Buffer>()
  const stored = await Promise.all(packer.staged.map((file) => store(file, files)))
  const manifest = withDigest({
    ...exampleManifest(),
    id,
    createdAt,
    encryption: describeEncryption(encryption),
    files: stored
  })
  packer.close()
  return { manifest, files }
}

async function store(file: StagedFile, files: Map<string, Buffer>): Promise<Manifest['files'][number]> {
  const bytes = await readFile(file.path)
  const of = (name: string, part: Buffer) => {
    files.set(name, part)
    return { name, bytes: part.length, sha256: createHash('sha256').update(part).digest('hex') }
  }
  if (bytes.length < 4000 || bytes.length > 10_000) return of(file.name, bytes)
  const half = Math.ceil(bytes.length / 2)
  return {
    name: file.name,
    bytes: file.bytes,
    sha256: file.sha256,
    volumes: [of(`${file.name}.000`, bytes.subarray(0, half)), of(`${file.name}.001`, bytes.subarray(half))]
  }
}

let opened = 0
/** Verifications that run side by side: each waits for the disk most of its time. */
const atOnce = 40
function open({ manifest, files }: Place, dir: string) {
  const get = async (name: string) => {
    const bytes = files.get(name)
    if (bytes === undefined) throw new UserError('SB404', `There is no file ${name}.`)
    return memoryVolume(bytes)
  }
  return openBackup({
    manifest,
    fetch: (file) => joinVolumes(file, get),
    dir,
    keys,
    compression: compression(),
    signal: never
  })
}

/** Everything that a verification reads, or only the files named. Resolves with what was found; null when nothing was. */
async function verify(stored: Place, names?: readonly string[]): Promise<UserError | null> {
  opened += 1
  const dir = join(temp, `opened-${opened}`)
  const backup = open(stored, dir)
  try {
    if (names === undefined) await backup.contents()
    for (const name of names ?? backup.files.names) {
      await backup.fetch([name])
      await readWhole(backup.files, name)
    }
    return null
  } catch (error) {
    if (error instanceof UserError) return error
    throw asError(error)
  } finally {
    await rm(dir, { recursive: true, force: true })
  }
}

const changed = (stored: Place, name: string, bytes: Buffer | null): Place => {
  const files = new Map(stored.files)
  if (bytes === null) files.delete(name)
  else files.set(name, bytes)
  return { ...stored, files }
}
const plainName = (name: string) => name.replace(/\.zst.*$/, '')

/** A generator whose choices are the same in every run. */
function dice(seed: number) {
  let state = seed
  return (below: number) => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0
    return Math.floor((state / 2 ** 32) * below)
  }
}

describe('a stored backup', () => {
  test('passes as it is', async () => {
    expect(await verify(place)).toBeNull()
    expect(await verify(other)).toBeNull()
  })

  test('F62: 10,000 random flips over all stored files are found, each naming its file', async () => {
    const roll = dice(20_261_122)
    const names = [...place.files.keys()]
    const missed: string[] = []
    const one = async () => {
      const name = names[roll(names.length)] ?? ''
      const bytes = Buffer.from(place.files.get(name) ?? [])
      const at = roll(bytes.length)
      bytes[at] = (bytes[at] ?? 0) ^ (1 << roll(8))
      const error = await verify(changed(place, name, bytes), [plainName(name)])
      if (error?.code !== 'SB501' || !error.message.includes(name)) missed.push(`${name} ${at}: ${error?.message}`)
    }
    for (let round = 0; round < 10_000; round += atOnce) await Promise.all(Array.from({ length: atOnce }, one))
    expect(missed).toEqual([])
  })

  test('F62: every bit of every byte of the manifest is found', () => {
    const bytes = Buffer.from(renderManifest(place.manifest))
    const missed: string[] = []
    for (let at = 0; at < bytes.length; at += 1) {
      for (let bit = 0; bit < 8; bit += 1) {
        const flipped = Buffer.from(bytes)
        flipped[at] = (flipped[at] ?? 0) ^ (1 << bit)
        if (passes(flipped)) missed.push(`${at}.${bit} ${bytes.subarray(at - 20, at + 20).toString()}`)
      }
    }
    expect(missed).toEqual([])
  })

  test('F62: a manifest cut anywhere, or with bytes behind it, is none', () => {
    const bytes = Buffer.from(renderManifest(place.manifest))
    const read: number[] = []
    // Without the line break at its end nothing is missing.
    for (let length = 0; length < bytes.length - 1; length += 1)
      if (passes(bytes.subarray(0, length))) read.push(length)
    expect(read).toEqual([])
    expect(parseManifest(Buffer.concat([bytes, Buffer.from('{}')])).kind).toBe('broken')
  })

  test('a manifest that lost its digest does not pass', () => {
    const { digest: _digest, ...lost } = place.manifest
    expect(passes(renderManifest(lost))).toBe(false)
  })

  test('F63: every cut of the last 4,096 lengths, at chunk borders, of nothing, and junk behind are found', async () => {
    const name = 'database.dump.zst.age'
    const large = await makePlace('20261120T161908Z-bbbbbbbb', 3, 67_000)
    const bytes = large.files.get(name) ?? Buffer.alloc(0)
    expect(bytes.length).toBeGreaterThan(65_537)
    const lengths = new Set<number>([0, 1])
    for (let cut = 1; cut <= 4096; cut += 1) lengths.add(bytes.length - cut)
    for (let border = 65_536; border < bytes.length; border += 65_536)
      for (const by of [-1, 0, 1]) lengths.add(border + by)
    const missed: number[] = []
    const one = async (length: number) => {
      const error = await verify(changed(large, name, bytes.subarray(0, length)), ['database.dump'])
      if (error?.code !== 'SB501' || !error.message.includes(name)) missed.push(length)
    }
    const all = [...lengths]
    for (let from = 0; from < all.length; from += atOnce) await Promise.all(all.slice(from, from + atOnce).map(one))
    expect(missed).toEqual([])
    expect((await verify(changed(large, name, Buffer.concat([bytes, Buffer.from('x')]))))?.code).toBe('SB501')
  })

  test('F64: missing, swapped, foreign and replayed files are told, each in its own words', async () => {
    const [first = '', second = ''] = ['database.dump.zst.age.000', 'database.dump.zst.age.001']
    const of = (stored: Place, name: string) => stored.files.get(name) ?? Buffer.alloc(0)
    const missing = await verify(changed(place, first, null))
    expect({ code: missing?.code, named: missing?.message.includes(first) }).toEqual({ code: 'SB506', named: true })
    const swapped = await verify(changed(changed(place, first, of(place, second)), second, of(place, first)))
    expect(swapped?.code).toBe('SB501')
    // A whole file of another backup: by its name and size alone it would pass.
    const foreign = await verify(changed(place, 'roles.sql.zst.age', of(other, 'roles.sql.zst.age')))
    expect(foreign?.code).toBe('SB501')
    // The other backup's dump with its entries in the manifest: only contents.json tells.
    const dump = (stored: Place) => stored.manifest.files.find((file) => file.name.startsWith('database'))
    const replayed: Place = {
      manifest: withDigest({
        ...place.manifest,
        files: place.manifest.files.map((file) => (file.name.startsWith('database') ? (dump(other) ?? file) : file))
      }),
      files: new Map([...place.files, [first, of(other, first)], [second, of(other, second)]])
    }
    expect((await verify(replayed))?.code).toBe('SB507')
    // An old manifest in the place of the new one, and all files of one backup under the other's id.
    expect((await verify({ ...place, manifest: other.manifest }))?.code).toBe('SB501')
    const renamed = {
      ...other,
      manifest: withDigest({ ...other.manifest, id: place.manifest.id, createdAt: place.manifest.createdAt })
    }
    expect((await verify(renamed))?.code).toBe('SB507')
  })
})
