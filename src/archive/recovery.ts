import { isCanaryName } from './canary.ts'
import type { Manifest } from './manifest.ts'
import { configSection, databaseSection, functionsSection, storageSection } from './recovery-parts.ts'
import { splitStoredName } from './stored-names.ts'

/** What RESTORE.md may tell: it is stored in plain, so no field here can hold a secret or a name from inside the project. */
export interface RecoveryFacts {
  readonly id: string
  readonly project: string
  /** ISO 8601, UTC. */
  readonly createdAt: string
  readonly encryption: Manifest['encryption']
  /** Stored files so far, whole; RESTORE.md itself is not among them. */
  readonly files: readonly RecoveryFile[]
  /** What the database part holds; a whole one when left out. */
  readonly type?: Manifest['type']
  /** Whether inputs left schemas or tables out. */
  readonly narrowed?: boolean
}

export interface RecoveryFile {
  readonly name: string
  readonly bytes: number
  /** SHA-256 of the stored bytes; without it the file is left out of the list for `sha256sum`. */
  readonly sha256?: string
}

/** The text of RESTORE.md: how to get everything back with age, zstd, tar and PostgreSQL's own programs, without this project. */
export function recoveryText(facts: RecoveryFacts): string {
  // contents.json is packed after this text, because it holds the SHA-256 of this text.
  const names = [...facts.files.map((file) => file.name)]
  const like = names[0]
  if (like !== undefined && !names.some((name) => splitStoredName(name).plainName === 'contents.json')) {
    const { plainName } = splitStoredName(like)
    names.push(`contents.json${like.slice(plainName.length)}`)
  }
  const plain = new Set(names.map((name) => splitStoredName(name).plainName))
  const packs = names.filter(isPack)
  const sections = [
    head(facts),
    joinSection(facts, packs.length > 0),
    checkSection(facts),
    openSection(facts, names),
    ...(plain.has('database.dump') ? [databaseSection(facts.type ?? 'full', facts.narrowed ?? false, plain)] : []),
    ...(packs.length > 0 ? [storageSection(plain.has('database.dump'))] : []),
    ...(plain.has('functions.tar') ? [functionsSection()] : []),
    ...(plain.has('config.json') ? [configSection()] : [])
  ]
  return `${sections.join('\n\n')}\n`
}

/** Packs of Storage files may lie outside the backup, and which of them a place has differs. */
function isPack(name: string): boolean {
  return splitStoredName(name).plainName.startsWith('objects-')
}

function head({ id, project, createdAt, encryption }: RecoveryFacts): string {
  const programs = [
    '`sha256sum`',
    ...(encryption.scheme === 'none' ? [] : ['`age` (https://age-encryption.org)']),
    '`zstd`',
    '`tar`',
    '`pg_restore`'
  ]
  return `# Restoring the backup ${id}

Project \`${project}\`, captured at ${createdAt}. Everything below uses standard programs only: ${programs.join(', ')}.
Run the commands in the folder that holds the files of this backup. Work on a machine that you trust: from step 3 on the data lies there in plain.`
}

function joinSection({ id, project }: RecoveryFacts, hasPacks: boolean): string {
  const packs = hasPacks
    ? `
Storage files lie in packs \`objects-...\` that backups share. Where the place keeps backups, packs lie outside of them, and \`manifest.json\`
names those that this backup needs under \`shared\`. In a folder and on a branch they are in \`../objects\` (\`${project}/objects/\`), with releases
they are files of the releases \`backup-${project}-objects-1\`, \`-2\` and so on. Artifacts have all packs among their files. Fetch the packs from a
folder or a branch:

\`\`\`sh
grep -o '"objects-[0-9a-f]*[.]tar[^"]*"' manifest.json | tr -d '"' | sort -u | while IFS= read -r pack; do
  if [ -e "../objects/$pack" ] && [ ! -e "$pack" ]; then cp -- "../objects/$pack" .; fi
done
\`\`\`

From releases, with GitHub's \`gh\` (each number that there is; packs that this backup does not need do no harm):

    gh release download backup-${project}-objects-1 --repo OWNER/NAME --pattern 'objects-*' --skip-existing
`
    : ''
  return `## 1. Put the files together
${packs}
Files downloaded as artifacts carry a prefix, and \`~1\` at the end where an upload was repeated; take both away:

\`\`\`sh
for file in ${project}.${id}.*; do if [ -e "$file" ]; then name=\${file#${project}.${id}.}; mv -- "$file" "\${name%~[1-9]}"; fi; done
\`\`\`

Large files were cut into \`name.000\`, \`name.001\`, ...; join them:

\`\`\`sh
for first in *.000 *.0000; do
  [ -e "$first" ] || continue
  name="\${first%.*}"
  cat -- "$name".[0-9]* > "$name"
done
\`\`\``
}

function checkSection({ files }: RecoveryFacts): string {
  const known = files.filter((file) => file.sha256 !== undefined)
  const list = (some: readonly RecoveryFile[], options: string): string =>
    some.length === 0
      ? ''
      : `
\`\`\`sh
sha256sum -c ${options}<<'END'
${some.map((file) => `${file.sha256}  ${file.name}`).join('\n')}
END
\`\`\`
`
  const packs = known.filter((file) => isPack(file.name))
  const others = known.filter((file) => !isPack(file.name))
  const ofPacks =
    packs.length === 0
      ? ''
      : `
The packs of Storage files; a place may need fewer of them than are named here:
${list(packs, '--ignore-missing ')}`
  return `## 2. Check that nothing is damaged
${list(others, '')}${ofPacks}
\`manifest.json\` holds the SHA-256 of every file, this one, \`contents.json\` and the packs included (with \`jq\`:
\`jq -r '(.files + .shared)[] | .sha256 + "  " + .name' manifest.json | sha256sum -c\`).

Where \`manifest.json\` has a \`signature\`, it tells who wrote all of this, these instructions included. With the public key in \`verify.pem\`, which must come
from somewhere else than this place:

\`\`\`sh
if [ -e verify.pem ]; then
  { printf 'supabase-backup/manifest/v1\\n'; jq -cSj 'del(.signature, .digest)' manifest.json; } > signed.bin
  jq -r '.signature.value' manifest.json | base64 -d > signature.bin
  openssl pkeyutl -verify -pubin -inkey verify.pem -rawin -in signed.bin -sigfile signature.bin
fi
\`\`\``
}

function openSection({ encryption }: RecoveryFacts, names: readonly string[]): string {
  const commands = canaryFirst(names.filter((name) => !isPack(name))).flatMap((name) => openCommand(name))
  const packs = [...new Set(names.filter(isPack).map((name) => name.slice(splitStoredName(name).plainName.length)))]
  const key =
    encryption.scheme === 'none'
      ? 'The files are not encrypted.'
      : encryption.scheme === 'age-scrypt'
        ? 'The files are sealed with a passphrase: `age -d` asks for it once a file.'
        : `\`key.txt\` is the file with your identity (\`AGE-SECRET-KEY-...\`). The backup was made for the recipients with these
fingerprints: ${encryption.recipients.map((each) => `\`${each}\``).join(', ')}. Which fingerprint a key has:
\`printf %s "$(age-keygen -y key.txt)" | sha256sum | cut -c1-16\`.${
            encryption.scheme === 'age-pq'
              ? '\nThese recipients are of the post-quantum kind: `age` 1.3 or later is needed.'
              : ''
          }`
  return `## 3. Open the files

${key}

\`\`\`sh
set -e
${[
  ...commands.map((command) => withKey(command, encryption.scheme)),
  ...packs.flatMap((ending) => openPacks(ending, encryption.scheme))
].join('\n')}
\`\`\`

\`contents.json\` lists what is inside by name: tables with their exact row counts, roles, extensions with versions, objects,
functions, and what could not be captured (\`notCaptured\`).`
}

interface OpenCommand {
  readonly name: string
  readonly plainName: string
  readonly unpack: string | null
  readonly encrypted: boolean
}

/** The canary comes first and is only shown: a key that does not fit is noticed before anything large is read. */
function canaryFirst(names: readonly string[]): readonly string[] {
  const isCanary = (name: string) => isCanaryName(splitStoredName(name).plainName)
  return [...names.filter(isCanary), ...names.filter((name) => !isCanary(name))]
}

function openCommand(name: string): OpenCommand[] {
  const { plainName, compression, encrypted } = splitStoredName(name)
  const unpack = { zstd: 'zstd -d', gzip: 'gzip -d', none: null }[compression]
  return plainName === name ? [] : [{ name, plainName, unpack, encrypted }]
}

/** One loop for all packs: which of them are there differs between places. */
function openPacks(ending: string, scheme: Manifest['encryption']['scheme']): string[] {
  return openCommand(`objects-x.tar${ending}`).map((command) => {
    const line = withKey({ ...command, name: '"$pack"', plainName: `"\${pack%${ending}}"` }, scheme)
    return `for pack in objects-*.tar${ending}; do ${line}; done`
  })
}

function withKey(
  { name, plainName, unpack, encrypted }: OpenCommand,
  scheme: Manifest['encryption']['scheme']
): string {
  const age = scheme === 'age-scrypt' ? `age -d ${name}` : `age -d -i key.txt ${name}`
  if (isCanaryName(plainName)) return age
  // A file that is neither packed nor encrypted has no command.
  if (unpack === null) return `${age} > ${plainName}`
  return encrypted ? `${age} | ${unpack} > ${plainName}` : `${unpack} < ${name} > ${plainName}`
}
