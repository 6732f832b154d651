import type { Manifest } from './manifest.ts'
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
  const sections = [
    head(facts),
    joinSection(facts),
    checkSection(facts),
    openSection(facts, names),
    ...(plain.has('database.dump') ? [databaseSection(plain.has('roles.sql'))] : []),
    ...([...plain].some((name) => name.startsWith('objects-')) ? [storageSection()] : []),
    ...(plain.has('functions.tar') ? [functionsSection()] : []),
    ...(plain.has('config.json') ? [configSection()] : [])
  ]
  return `${sections.join('\n\n')}\n`
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

function joinSection({ id, project }: RecoveryFacts): string {
  return `## 1. Put the files together

Files downloaded as artifacts carry a prefix; take it away:

\`\`\`sh
for file in ${project}.${id}.*; do [ -e "$file" ] && mv -- "$file" "\${file#${project}.${id}.}"; done
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
  const list =
    known.length === 0
      ? ''
      : `
\`\`\`sh
sha256sum -c <<'END'
${known.map((file) => `${file.sha256}  ${file.name}`).join('\n')}
END
\`\`\`
`
  return `## 2. Check that nothing is damaged
${list}
\`manifest.json\` holds the SHA-256 of every file, this one and \`contents.json\` included (with \`jq\`:
\`jq -r '.files[] | .sha256 + "  " + .name' manifest.json | sha256sum -c\`). Files named under \`shared\` there lie
outside this backup, in the folder or the releases named \`objects\`; copy them here, too.`
}

function openSection({ encryption }: RecoveryFacts, names: readonly string[]): string {
  const commands = names.flatMap((name) => openCommand(name))
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
${commands.map((command) => withKey(command, encryption.scheme)).join('\n')}
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

function openCommand(name: string): OpenCommand[] {
  const { plainName, compression, encrypted } = splitStoredName(name)
  const unpack = { zstd: 'zstd -d', gzip: 'gzip -d', none: null }[compression]
  return plainName === name ? [] : [{ name, plainName, unpack, encrypted }]
}

function withKey(
  { name, plainName, unpack, encrypted }: OpenCommand,
  scheme: Manifest['encryption']['scheme']
): string {
  const age = scheme === 'age-scrypt' ? `age -d ${name}` : `age -d -i key.txt ${name}`
  if (!encrypted) return `${unpack ?? 'cat'} < ${name} > ${plainName}`
  return unpack === null ? `${age} > ${plainName}` : `${age} | ${unpack} > ${plainName}`
}

function databaseSection(hasRoles: boolean): string {
  const roles = hasRoles
    ? `
\`roles.sql\` lists the roles, their memberships and settings, without passwords. Read it and create the roles that the target lacks
first; give them new passwords.`
    : ''
  return `## 4. The database

\`database.dump\` is an archive in PostgreSQL's custom format. Use a \`pg_restore\` at least as new as the \`clientVersion\` in
\`manifest.json\`. Restore straight into a server as below; do not turn the archive into SQL for \`psql\`.
${roles}

Into a PostgreSQL of your own, as a superuser, into an empty database:

\`\`\`sh
createdb restored
pg_restore --exit-on-error --jobs=2 --dbname=restored database.dump
\`\`\`

Roles that are missing there make it stop; \`--no-owner --no-privileges\` restores the data without them.

Into a new Supabase project (its platform has made the schemas \`auth\`, \`storage\` and others already, and \`postgres\` is no superuser).
\`URL\` is the connection string of the session pooler or the direct connection. Enable the extensions first that \`contents.json\` lists
under \`database.extensions\`. Users and their identities come first, before anything of yours fires on them:

\`\`\`sh
pg_restore --data-only --schema=auth --table=users --dbname="$URL" database.dump
pg_restore --data-only --schema=auth --table=identities --dbname="$URL" database.dump
\`\`\`

Then everything of your own, and nothing of the platform's (a schema of yours that has one of these names must be taken out of the pattern):

\`\`\`sh
pg_restore --list database.dump > all.list
platform='auth|storage|realtime|vault|graphql|graphql_public|extensions|pgbouncer|cron|supabase_migrations|supabase_functions'
grep -vE " ($platform) |SCHEMA - public|EXTENSION|EVENT TRIGGER|PUBLICATION - |DEFAULT ACL" all.list > mine.list
pg_restore --no-owner --use-list=mine.list --dbname="$URL" database.dump
\`\`\`

What you had put on tables of the platform is taken out to be read, and run in the SQL editor as far as it is yours:

\`\`\`sh
grep -E ' (TRIGGER|POLICY) (auth|storage|realtime) ' all.list > guards.list
pg_restore --use-list=guards.list --file=guards.sql database.dump
\`\`\`

Compare the row counts with those in \`contents.json\` (\`database.tables\`) before you let anybody in. Users can sign in with their old
passwords; their sessions end, since a new project signs with other keys.`
}

function storageSection(): string {
  return `## 5. Storage files

The archives hold the files under names made from their content; \`contents.json\` says under \`storage\` which bucket and path each
belongs to, with content type and cache settings, and how the buckets were set up.

\`\`\`sh
mkdir objects
for pack in objects-*.tar; do tar -xf "$pack" -C objects; done
\`\`\`

Create the buckets with the same settings (take care of \`public\`), then upload each file to its path with \`x-upsert: true\`, because its record is
in the database already.`
}

function functionsSection(): string {
  return `## 6. Edge Functions

\`\`\`sh
mkdir functions
tar -xf functions.tar -C functions
\`\`\`

Each function has a folder: its files lie in \`functions/<name>/source\`, or, where a name is no harmless path, in \`by-hash\`;
\`contents.json\` lists them under \`functions\` with their own paths, the file that is started (\`entrypoint\`) and whether callers need a JWT
(\`verifyJwt\`). Copy them to \`supabase/functions/<name>\` and deploy with \`supabase functions deploy <name>\`, with \`--no-verify-jwt\` where that
is false. \`bundle.eszip\` is the packed form, kept where the source files alone may not be enough; the Management API takes it
(\`POST /v1/projects/<ref>/functions\`, type \`application/vnd.denoland.eszip\`).

The values of their secrets are in no backup: \`contents.json\` names them; set them with \`supabase secrets set\`.`
}

function configSection(): string {
  return `## 7. Settings

\`config.json\` holds the settings of the project as the Management API gave them, to be entered in the dashboard or sent back with \`PATCH\`.
Values of secrets are left out unless that was asked for.`
}
