import { randomBytes } from 'node:crypto'
import { rm, writeFile } from 'node:fs/promises'
import path from 'node:path'
import { binDirOf, type Major } from './programs.ts'

export interface StandInExtension {
  /** A name of its own, which is that of its schema, too. */
  readonly name: string
  remove(): Promise<void>
}

/**
 * An extension that every server of this version on the machine has, those of proofs included, until it is removed. `sql` makes its members; `@` in it
 * stands for the name.
 */
export async function standInExtension(major: Exclude<Major, 15>, sql: string): Promise<StandInExtension> {
  const name = `sb_${randomBytes(5).toString('hex')}`
  const folder = path.join(binDirOf(major), '../share/postgresql/extension')
  const control = path.join(folder, `${name}.control`)
  const script = path.join(folder, `${name}--1.0.sql`)
  await writeFile(control, `default_version = '1.0'\nrelocatable = false\nsuperuser = false\nschema = ${name}\n`)
  await writeFile(script, sql.replaceAll('@', name))
  return {
    name,
    async remove() {
      for (const file of [control, script]) await rm(file, { force: true })
    }
  }
}
