import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { generateIdentity, identityToRecipient } from 'age-encryption'
import type { Finding } from '../../src/sources/source.ts'
import { type ActionRun, runAction } from '../kit/action.ts'
import { loadSupabase } from '../kit/fixture/load.ts'
import { binDirOf, type Major } from '../kit/postgres/programs.ts'
import { type PostgresServer, startPostgres } from '../kit/postgres/server.ts'

/** Another build than dist/, to try one that is not committed. */
const bundle = process.env['SUPABASE_BACKUP_BUNDLE']

/** A project with one backup in a folder. */
export interface BackedUp {
  readonly source: PostgresServer
  readonly folder: string
  readonly backupId: string
  /** Runs the action on the folder with the identity and pg-bin that fit. */
  run(
    inputs: Readonly<Record<string, string>>,
    options?: { onStart?: (child: { kill(signal: NodeJS.Signals): void }) => void }
  ): Promise<ActionRun>
  backup(inputs?: Readonly<Record<string, string>>): Promise<ActionRun>
  stop(): Promise<void>
}

export async function backUpProject(
  major: Major,
  options: { readonly programs?: Major; readonly inputs?: Readonly<Record<string, string>> } = {}
): Promise<BackedUp> {
  const source = await startPostgres({ major, auth: 'scram', password: 'correct horse battery staple' })
  await loadSupabase(source)
  const folder = await mkdtemp(join(tmpdir(), 'sb-e2e-'))
  const identity = await generateIdentity()
  const recipient = await identityToRecipient(identity)
  const run: BackedUp['run'] = async (inputs, more = {}) => {
    const done = await runAction({
      inputs: { destinations: 'folder', folder, identity, 'pg-bin': binDirOf(options.programs ?? major), ...inputs },
      ...(bundle === undefined ? {} : { bundle }),
      ...more
    })
    runs.push(done)
    return done
  }
  const runs: ActionRun[] = []
  const backup: BackedUp['backup'] = (inputs = {}) =>
    runAction({
      inputs: {
        destinations: 'folder',
        folder,
        recipients: recipient,
        'pg-bin': binDirOf(major),
        'database-url': source.url('postgres', 'postgres'),
        project: 'shop',
        verify: 'read',
        ...inputs
      },
      ...(bundle === undefined ? {} : { bundle })
    })
  const first = await backup(options.inputs)
  if (first.code !== 0) throw new Error(first.log)
  await first.cleanUp()
  return {
    source,
    folder,
    backupId: first.outputs['backup-id'] ?? '',
    run,
    backup,
    async stop() {
      for (const one of runs) await one.cleanUp()
      await source.stop()
      await rm(folder, { recursive: true, force: true })
    }
  }
}

/** Rows and content of the tables of some schemas, by a statement of its own: nothing of the action's hashing is in it. */
export async function contentOf(
  server: PostgresServer,
  database = 'postgres',
  where = 'true'
): Promise<Map<string, string>> {
  const { rows } = await server.query(
    `select format('%I.%I', n.nspname, c.relname) as name,
       (xpath('/row/x/text()', query_to_xml(format('select count(*) || '' '' || coalesce(md5(string_agg(md5(t::text), '''' order by md5(t::text))), ''-'') as x from only %I.%I t', n.nspname, c.relname), false, true, '')))[1]::text as content
     from pg_class c join pg_namespace n on n.oid = c.relnamespace
     where c.relkind in ('r', 'm') and c.relispopulated and n.nspname not in ('pg_catalog', 'information_schema') and n.nspname not like 'pg\\_%' and ${where} order by 1`,
    [],
    undefined,
    database
  )
  return new Map(rows.map((row: { name: string; content: string }) => [row.name, row.content]))
}

/** Everything that guards the user's data: access lists, policies, triggers, functions, views, constraints, indexes, publications. */
export async function guardsOf(server: PostgresServer, database = 'postgres'): Promise<string[]> {
  const { rows } = await server.query(
    `with own as (select oid, nspname from pg_namespace where nspname in ('public', 'app', 'topology') or nspname like 'Mixed%')
     select x from (
       select 'relation ' || n.nspname || '.' || c.relname || ' ' || c.relkind::text || ' ' || pg_get_userbyid(c.relowner) || ' ' || c.relrowsecurity || c.relforcerowsecurity || ' '
         || coalesce((select string_agg(a::text, ',' order by a::text) from unnest(c.relacl) a where a::text !~ '^(postgres|supabase_admin)='), '') as x
         from pg_class c join own n on n.oid = c.relnamespace where c.relname <> 'made_by_the_platform' and c.relkind in ('r', 'p', 'v', 'm', 'S')
       union all select 'column ' || a.attrelid::regclass || '.' || a.attname || ' ' || a.attacl::text from pg_attribute a join pg_class c on c.oid = a.attrelid join own n on n.oid = c.relnamespace where a.attacl is not null
       union all select 'policy ' || p.polname || ' ' || p.polrelid::regclass || ' ' || coalesce(pg_get_expr(p.polqual, p.polrelid), '') || coalesce(pg_get_expr(p.polwithcheck, p.polrelid), '')
         from pg_policy p join pg_class c on c.oid = p.polrelid join own n on n.oid = c.relnamespace
       union all select 'trigger ' || pg_get_triggerdef(t.oid) || t.tgenabled::text from pg_trigger t join pg_class c on c.oid = t.tgrelid where not t.tgisinternal
         and (c.relnamespace in (select oid from own) or t.tgname = 'on_auth_user_created')
       union all select 'function ' || pg_get_functiondef(p.oid) || coalesce((select string_agg(a::text, ',' order by a::text) from unnest(p.proacl) a), '') from pg_proc p join own n on n.oid = p.pronamespace where p.prokind in ('f', 'p')
       union all select 'view ' || c.oid::regclass || pg_get_viewdef(c.oid) from pg_class c join own n on n.oid = c.relnamespace where c.relkind in ('v', 'm')
       union all select 'constraint ' || conname || ' ' || conrelid::regclass || pg_get_constraintdef(k.oid) || convalidated from pg_constraint k join own n on n.oid = k.connamespace where contype <> 'n' and conrelid <> 0
       union all select 'index ' || pg_get_indexdef(i.indexrelid) from pg_index i join pg_class c on c.oid = i.indexrelid join own n on n.oid = c.relnamespace
       union all select 'publication ' || pubname || ' ' || schemaname || '.' || tablename from pg_publication_tables
       union all select 'default ' || pg_get_userbyid(defaclrole) || ' ' || coalesce(nspname, '-') || ' ' || defaclobjtype::text || defaclacl::text from pg_default_acl d left join pg_namespace n on n.oid = d.defaclnamespace
     ) all_guards where x is not null order by x collate "C"`,
    [],
    undefined,
    database
  )
  return rows.map((row: { x: string }) => row.x)
}

export function todoOf(run: ActionRun): Finding[] {
  return (run.result?.findings ?? []).flatMap(({ kind, subject, detail, remedy }) =>
    kind === 'todo' ? [{ kind, subject, detail, ...(remedy === undefined ? {} : { remedy }) }] : []
  )
}
