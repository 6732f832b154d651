import { isBackupId } from '../../archive/backup-id.ts'
import type { BackupRef } from '../destination.ts'
import { isFileName, isLabel, journalName, poolName } from '../names.ts'

/** Where things lie in the bucket: `<prefix><label>/<id>/<file>`, and the pool in `<prefix><label>/objects/`. */
export interface Keys {
  readonly root: string
  project(label: string): string
  /** What all ids of a project begin with: their year. The pool and what else lies there is not listed with them. */
  ids(label: string): string
  backup(backup: BackupRef): string
  pool(label: string): string
  journal(label: string): string
  /** Copies of manifests, so that a listing does not have to ask for each. */
  remembered(label: string): string
  /** What a key under `ids` names; null for what is none of ours. */
  parse(key: string): { readonly ref: BackupRef; readonly name: string } | null
  /** What a key of the pool names. */
  parsePooled(label: string, key: string): string | null
}

export function keysUnder(prefix: string | undefined): Keys {
  const root = prefix === undefined ? '' : `${prefix.replace(/^\/+|\/+$/g, '')}/`
  return {
    root,
    project: (label) => `${root}${label}/`,
    ids: (label) => `${root}${label}/2`,
    backup: ({ project, id }) => `${root}${project}/${id}/`,
    pool: (label) => `${root}${label}/${poolName}/`,
    journal: (label) => `${root}${label}/${journalName}/`,
    remembered: (label) => `${root}${label}/manifests.json.gz`,
    parse(key) {
      const [project = '', id = '', name = '', ...more] = key.slice(root.length).split('/')
      const isOurs = key.startsWith(root) && isLabel(project) && isBackupId(id) && isFileName(name) && more.length === 0
      return isOurs ? { ref: { project, id }, name } : null
    },
    parsePooled(label, key) {
      const name = key.slice(`${root}${label}/${poolName}/`.length)
      return isFileName(name) ? name : null
    }
  }
}
