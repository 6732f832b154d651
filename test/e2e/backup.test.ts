import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { generateIdentity, identityToRecipient } from 'age-encryption'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { runAction, shown } from '../kit/action.ts'
import { loadSupabase } from '../kit/fixture/load.ts'
import { binDirOf, type Major, runOk } from '../kit/postgres/programs.ts'
import { type PostgresServer, startPostgres } from '../kit/postgres/server.ts'

/** Counts and content of every user table, in an order that does not depend on the heap. */
const fingerprint = `
  select format('%I.%I', n.nspname, c.relname) as name,
         (xpath('/row/x/text()', query_to_xml(format('select coalesce(md5(string_agg(md5(t::text), '''' order by md5(t::text))), ''empty'') as x from only %I.%I t', n.nspname, c.relname), false, true, '')))[1]::text as hash
  from pg_class c join pg_namespace n on n.oid = c.relnamespace
  where c.relkind = 'r' and n.nspname not in ('pg_catalog', 'information_schema') and n.nspname not like 'pg_toast%'
  order by 1`

for (const major of [15, 17, 18] as const satisfies readonly Major[]) {
  describe(`a Supabase-like database on PostgreSQL ${major}`, () => {
    let server: PostgresServer
    let folder: string
    let identity: string
    let recipient: string

    beforeAll(async () => {
      server = await startPostgres({ major, auth: 'scram', password: 'correct horse battery staple' })
      await loadSupabase(server)
      folder = await mkdtemp(join(tmpdir(), 'sb-e2e-'))
      identity = await generateIdentity()
      recipient = await identityToRecipient(identity)
    })
    afterAll(async () => {
      await server.stop()
      await rm(folder, { recursive: true, force: true })
    })

    const inputs = () => ({
      'database-url': server.url('postgres', 'postgres'),
      project: 'shop',
      destinations: 'folder',
      folder,
      'pg-bin': binDirOf(major),
      verify: 'read'
    })

    test('is kept encrypted, opens with age, zstd and pg_restore, and comes back equal', async () => {
      const run = await runAction({ inputs: { ...inputs(), recipients: recipient } })
      expect(shown(run.log)).not.toContain('battery')
      expect({ code: run.code, error: run.result?.error }).toEqual({ code: 0 })
      expect(run.outputs['status']).toBe('complete')
      const id = run.outputs['backup-id'] ?? ''
      const dir = join(folder, 'shop', id)
      expect((await readdir(dir)).sort()).toEqual([
        'RESTORE.md',
        run.result?.canary,
        'contents.json.zst.age',
        'database.dump.zst.age',
        'manifest.json',
        'roles.sql.zst.age',
        'vault.json.zst.age'
      ])
      const work = await mkdtemp(join(tmpdir(), 'sb-hand-'))
      await writeFile(join(work, 'key.txt'), `${identity}\n`)
      await runOk('sh', [
        '-c',
        `age -d -i '${work}/key.txt' '${dir}/database.dump.zst.age' | zstd -d -q > '${work}/database.dump'`
      ])
      await server.query(`drop database if exists copy`)
      await server.query(`create database copy`)
      const restored = await server.run('pg_restore', ['--dbname=copy', '--exit-on-error', join(work, 'database.dump')])
      expect(restored.stderr.toString()).toBe('')
      const before = await server.query(fingerprint, [], undefined, 'postgres')
      const after = await server.query(fingerprint, [], undefined, 'copy')
      expect(after).toEqual(before)
      expect(await readdir(run.temp)).toEqual(['supabase-backup'])
      expect((await readdir(join(run.temp, 'supabase-backup'))).filter((name) => !name.startsWith('result-'))).toEqual(
        []
      )
      await rm(work, { recursive: true, force: true })
      await run.cleanUp()
    })

    test('is listed with its second backup, downloaded opened and deleted', async () => {
      const second = await runAction({ inputs: { ...inputs(), recipients: recipient } })
      expect(second.result?.backups).toHaveLength(2)
      expect(second.summary).toContain('2 backups')
      const download = await runAction({ inputs: { command: 'download', destinations: 'folder', folder, identity } })
      expect({ code: download.code, error: download.result?.error }).toEqual({ code: 0 })
      const contents = JSON.parse(await readFile(join(download.outputs['path'] ?? '', 'contents.json'), 'utf8'))
      expect(contents.id).toBe(second.outputs['backup-id'])
      expect((await readFile(join(download.outputs['path'] ?? '', 'database.dump'))).subarray(0, 5).toString()).toBe(
        'PGDMP'
      )
      const id = second.outputs['backup-id'] ?? ''
      const deleted = await runAction({
        inputs: { command: 'delete', destinations: 'folder', folder, backup: id, 'confirm-target': id }
      })
      expect({ code: deleted.code, error: deleted.result?.error }).toEqual({ code: 0 })
      const listed = await runAction({ inputs: { command: 'list', destinations: 'folder', folder } })
      expect(JSON.parse(listed.outputs['backups'] ?? '')).toHaveLength(1)
      for (const run of [second, download, deleted, listed]) await run.cleanUp()
    })
  })
}
