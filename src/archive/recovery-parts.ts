import type { Manifest } from './manifest.ts'

/** `plain`: plain names of the files of the backup. */
export function databaseSection(type: Manifest['type'], narrowed: boolean, plain: ReadonlySet<string>): string {
  const roles = plain.has('roles.sql')
    ? `
\`roles.sql\` lists the roles, their memberships and settings, without passwords. Read it and create the roles that the target lacks
first; give them new passwords.`
    : ''
  return `## 4. The database

\`database.dump\` is an archive in PostgreSQL's custom format. Use a \`pg_restore\` at least as new as the \`clientVersion\` in
\`manifest.json\`. Restore straight into a server as below; do not turn the archive into SQL for \`psql\`.
${roles}
${narrowed || type !== 'full' ? partOfDatabase(type, narrowed) : `${ownServer()}\n\n${supabaseProject()}`}
${
  type === 'schema'
    ? ''
    : `
Compare the row counts with those in \`contents.json\` before you let anybody in:

\`\`\`sh
jq -r '.database.tables[] | [.schema, .name, .rows] | @tsv' contents.json
\`\`\`
`
}${plain.has('extension-rows.tar') ? memberSection() : ''}${plain.has('vault.json') ? vaultSection() : ''}`.trimEnd()
}

function ownServer(): string {
  return `
Into a PostgreSQL of your own, as a superuser, into an empty database:

\`\`\`sh
createdb restored
pg_restore --jobs=2 --dbname=restored database.dump 2> errors.txt || true
grep 'error:' errors.txt || echo 'no errors'
\`\`\`

\`role ... does not exist\` costs an owner or a grant: create the roles and begin anew. \`extension ... is not available\` costs what needs it: install
it there, or do without. Row-level policies and grants guard the data only where their roles are there, too.`
}

/**
 * Takes back what a new project grants on objects to be made, and on the schema public, to anybody but their owners. pg_dump writes grants relative to
 * PostgreSQL's own defaults, so that with these in force they come back exactly.
 */
const setAside = `select format('alter default privileges for role %s %s revoke all on %s from %s', d.defaclrole::regrole::text,
  coalesce('in schema ' || quote_ident(n.nspname), ''),
  case d.defaclobjtype when 'r' then 'tables' when 'S' then 'sequences' when 'f' then 'functions' when 'T' then 'types' else 'schemas' end,
  case g.grantee when 0 then 'public' else g.grantee::regrole::text end)
from pg_default_acl d left join pg_namespace n on n.oid = d.defaclnamespace
cross join lateral (select distinct grantee from aclexplode(d.defaclacl)) g
where d.defaclrole = current_user::regrole and g.grantee <> d.defaclrole and d.defaclobjtype in ('r', 'S', 'f', 'T', 'n')
\\gexec
alter default privileges grant execute on functions to public;
alter default privileges grant usage on types to public;
select format('revoke all on schema public from %s', g.grantee::regrole::text)
from pg_namespace n cross join lateral (select distinct grantee from aclexplode(n.nspacl)) g
where n.nspname = 'public' and g.grantee not in (0, n.nspowner)
\\gexec`

function supabaseProject(): string {
  return `Into a new Supabase project (its platform has made the schemas \`auth\`, \`storage\` and others already, and \`postgres\` is no superuser).
\`URL\` is the connection string of the session pooler or the direct connection. Enable the extensions first that the project had, in the schemas
that they had:

\`\`\`sh
jq -r '.database.extensions[] | [.name, .schema, .version] | @tsv' contents.json
\`\`\`

Set aside first what the new project grants by itself: it would open to \`anon\` and \`authenticated\` what you had closed. What you had granted
comes back with your definitions, your own default privileges at the end:

\`\`\`sh
psql --no-psqlrc --quiet --dbname="$URL" <<'SQL'
${setAside}
SQL
\`\`\`

Users, their identities and second factors come before anything of yours fires on them:

\`\`\`sh
pg_restore --data-only --schema=auth --table=users --dbname="$URL" database.dump
pg_restore --data-only --schema=auth --table=identities --dbname="$URL" database.dump
pg_restore --data-only --schema=auth --table=mfa_factors --dbname="$URL" database.dump
\`\`\`

Then everything of your own, and nothing of the platform's (a schema of yours that has one of these names must be taken out of the pattern):

\`\`\`sh
pg_restore --list database.dump > all.list
platform='auth|storage|realtime|vault|graphql|graphql_public|extensions|pgbouncer|cron|supabase_migrations|supabase_functions'
grep -vE " ($platform) |SCHEMA - public|EXTENSION|EVENT TRIGGER|PUBLICATION - |DEFAULT ACL" all.list > mine.list
pg_restore --no-owner --use-list=mine.list --dbname="$URL" database.dump 2> errors.txt || true
grep 'error:' errors.txt || echo 'no errors'
\`\`\`

Then the default privileges of the source, for what you will make from now on. Those of roles that \`postgres\` may not change stay as the
platform has them:

\`\`\`sh
if grep ' DEFAULT ACL ' all.list > defaults.list; then
  pg_restore --use-list=defaults.list --dbname="$URL" database.dump 2> defaults.txt || true
fi
\`\`\`

What you had put on tables of the platform is taken out to be read, and run in the SQL editor as far as it is yours:

\`\`\`sh
if grep -E ' (TRIGGER|POLICY) (auth|storage|realtime) ' all.list > guards.list; then
  pg_restore --use-list=guards.list --file=guards.sql database.dump
fi
\`\`\`

Users can sign in with their old passwords; their sessions end, since a new project signs with other keys.`
}

/** A part of a database refers to what is not in it: a restore that stops at the first error would bring nothing back. */
function partOfDatabase(type: Manifest['type'], narrowed: boolean): string {
  const what =
    type === 'schema'
      ? 'the definitions without rows'
      : type === 'data'
        ? 'rows without definitions'
        : 'a part of the schemas or tables'
  const rest = narrowed && type !== 'full' ? ', of a part of the schemas or tables' : ''
  const schemas = `jq -r '.database.tables[].schema' contents.json | sort -u | while IFS= read -r schema; do
  echo 'create schema if not exists :"schema";' | psql --no-psqlrc --quiet --set=schema="$schema" --dbname=restored
done
`
  return `
This backup holds ${what}${rest}. ${
    type === 'data'
      ? 'The tables must be there, empty; as a superuser'
      : 'Into a PostgreSQL of your own, as a superuser, into an empty database'
  }:

\`\`\`sh
${type === 'data' ? '' : `createdb restored\n${schemas}`}pg_restore ${type === 'data' ? '--data-only --disable-triggers ' : ''}--dbname=restored database.dump 2> errors.txt || true
grep 'error:' errors.txt || echo 'no errors'
\`\`\`

Errors about what is not part of the backup are to be expected: \`schema ... already exists\`, a type, function, table or role that \`does not
exist\`. What depends on it is missing afterwards; the rows of a table come back wherever its columns' types are there.`
}

function memberSection(): string {
  return `
\`extension-rows.tar\` holds rows of tables that belong to extensions, queues of pgmq for example: no archive of \`pg_dump\` has them. \`URL\` is the target's
connection string. The extensions must be there, and where a table is not, it is made first with the statements that \`contents.json\` has for it. For each extension, here \`pgmq\`:

\`\`\`sh
jq -r '.database.members.objects[] | select(.extension == "pgmq") | .subject as $s | .parts[] | select(.step != "column") | [$s, .step, .sql] | @json' contents.json
\`\`\`

Read them, and run those of objects that the target lacks, in the order sequence, table, constraint, membership, index, row security, policy, grants. Then the rows:

\`\`\`sh
mkdir extension-rows
tar -xf extension-rows.tar -C extension-rows
for table in extension-rows/*/; do
  cat "$table"rows-* | psql --no-psqlrc --dbname="$URL" --command="$(cat "$table"copy.sql)" || echo "not taken: $(cat "$table"copy.sql)"
done
\`\`\`

A table that has some of the rows already takes none of them: empty it first, or insert them from a table of your own. At last set the sequences:

\`\`\`sh
jq -r '.database.members.sequences[] | [.schema, .name, .value, .called] | @tsv' contents.json
\`\`\`
`
}

function vaultSection(): string {
  return `
\`vault.json\` holds the secrets of Supabase Vault in clear: treat it as such, and remove it when you are done. Put each back in the SQL editor of
the new project, with its name and description:

    select vault.create_secret('<value>', '<name>', '<description>');
`
}

export function storageSection(hasDatabase: boolean): string {
  return `## 5. Storage files

A pack holds files under names that are hashes of bucket, path and version; its last file, \`index.jsonl\`, says size, SHA-256 and settings of each.
\`contents.json\` says under \`storage\` which bucket and path each belongs to (\`entry\` is the name in the pack), with content type, cache settings,
owner and times, and how the buckets were set up.

\`\`\`sh
mkdir objects
for pack in objects-*.tar; do tar -xf "$pack" -C objects --exclude=index.jsonl; done
\`\`\`

Never use a path of the list as a file name here: upload each file to its path, with \`curl\`. \`API\` is the address of the target project
(\`https://<ref>.supabase.co\`), \`KEY\` its service-role key. Buckets come first, without their limits; one that is there already is left as it is${
    hasDatabase ? ' (look at its `public`)' : ''
  }.
A project takes no file larger than its own upload limit (dashboard: Storage, Settings): where that is lower than the largest file, raise it first.

\`\`\`sh
( umask 077; printf 'apikey: %s\n' "$KEY" > key.header )
case $KEY in sb_*) ;; *) printf 'authorization: Bearer %s\n' "$KEY" >> key.header ;; esac
jq -c '.storage.buckets[] | select(.type == "STANDARD") | {id, name, public}' contents.json | while IFS= read -r bucket; do
  printf %s "$bucket" | curl -sS -H @key.header -H 'content-type: application/json' --data-binary @- "$API/storage/v1/bucket"
done
jq -r '.storage.objects[] | [.entry, (.bucket | @uri), (.key | @uri), (.contentType | select(. != "") // "application/octet-stream"),
  (.cacheControl | select(. != "") // "no-cache"), (.userMetadata // {} | tojson | @base64)] | @tsv' contents.json | while IFS="$(printf '\t')" read -r entry bucket key type cache metadata; do
  curl -sS --fail --path-as-is -H @key.header -H 'x-upsert: true' -H "content-type: $type" -H "cache-control: $cache" -H "x-metadata: $metadata" \\
    --data-binary "@objects/$entry" "$API/storage/v1/object/$bucket/$key" > answer.json || { echo "not uploaded: $bucket/$key"; cat answer.json; }
done
jq -c '.storage.buckets[] | select(.type == "STANDARD") | {id, name, public, file_size_limit: .fileSizeLimit, allowed_mime_types: .allowedMimeTypes}' \\
  contents.json | while IFS= read -r bucket; do
  id="$(printf %s "$bucket" | jq -r '.id | @uri')"
  printf %s "$bucket" | curl -sS -X PUT -H @key.header -H 'content-type: application/json' --data-binary @- "$API/storage/v1/bucket/$id"
done
rm key.header
\`\`\`

Owners and times are in the list; the SQL editor can set them (\`update storage.objects set owner_id = ..., created_at = ...\`).`
}

export function functionsSection(): string {
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

export function configSection(): string {
  return `## 7. Settings

\`config.json\` holds the settings of the project under \`sections\`, as the Management API gave them, to be entered in the dashboard or sent back
with \`PATCH\`. Values of secrets are left out unless that was asked for; \`omitted\` names them.`
}
