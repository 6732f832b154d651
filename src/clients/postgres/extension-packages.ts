import { existsSync } from 'node:fs'
import path from 'node:path'
import type { ServerPrograms } from './programs.ts'

/** What the package archives have of extensions that projects use: Debian's and PostgreSQL's own name them alike. */
const packages: Readonly<Record<string, (major: number) => string>> = {
  vector: (major) => `postgresql-${major}-pgvector`,
  postgis: (major) => `postgresql-${major}-postgis-3`,
  postgis_raster: (major) => `postgresql-${major}-postgis-3`,
  postgis_topology: (major) => `postgresql-${major}-postgis-3`,
  postgis_sfcgal: (major) => `postgresql-${major}-postgis-3`,
  postgis_tiger_geocoder: (major) => `postgresql-${major}-postgis-3`,
  address_standardizer: (major) => `postgresql-${major}-postgis-3`,
  address_standardizer_data_us: (major) => `postgresql-${major}-postgis-3`,
  pg_cron: (major) => `postgresql-${major}-cron`,
  pgaudit: (major) => `postgresql-${major}-pgaudit`,
  hypopg: (major) => `postgresql-${major}-hypopg`,
  http: (major) => `postgresql-${major}-http`,
  pgtap: (major) => `postgresql-${major}-pgtap`,
  plpgsql_check: (major) => `postgresql-${major}-plpgsql-check`,
  pg_repack: (major) => `postgresql-${major}-repack`,
  pgrouting: (major) => `postgresql-${major}-pgrouting`,
  rum: (major) => `postgresql-${major}-rum`,
  pg_hashids: (major) => `postgresql-${major}-pg-hashids`,
  ip4r: (major) => `postgresql-${major}-ip4r`,
  orafce: (major) => `postgresql-${major}-orafce`,
  pg_partman: (major) => `postgresql-${major}-partman`,
  pgmq: (major) => `postgresql-${major}-pgmq`,
  plpython3u: (major) => `postgresql-plpython3-${major}`,
  plperl: (major) => `postgresql-plperl-${major}`,
  pltcl: (major) => `postgresql-pltcl-${major}`
}

/** Extensions that can be created only where their library is loaded when the server starts. */
const preloaded: Readonly<Record<string, string>> = {
  pg_cron: 'pg_cron',
  pgaudit: 'pgaudit',
  timescaledb: 'timescaledb',
  pg_stat_statements: 'pg_stat_statements',
  pg_stat_monitor: 'pg_stat_monitor',
  pg_tle: 'pg_tle'
}

/** Packages that hold the extensions, each once; extensions that no archive is known to have are left out. */
export function packagesOfExtensions(major: number, extensions: readonly string[]): readonly string[] {
  const names = extensions.flatMap((name) => (Object.hasOwn(packages, name) ? [packages[name]?.(major)] : []))
  return [...new Set(names.filter((name) => name !== undefined))]
}

/** Libraries of the extensions that must be loaded at the start and that this server has. */
export function librariesToPreload(
  programs: Pick<ServerPrograms, 'binDir'>,
  extensions: readonly string[]
): readonly string[] {
  const folders = ['../lib', '../lib/postgresql', '../lib64', '../lib64/postgresql'].map((rest) =>
    path.join(programs.binDir, rest)
  )
  const libraries = extensions.flatMap((name) => (Object.hasOwn(preloaded, name) ? [preloaded[name]] : []))
  return [...new Set(libraries.filter((name) => name !== undefined))].filter((name) =>
    folders.some(
      (folder) => existsSync(path.join(folder, `${name}.so`)) || existsSync(path.join(folder, `${name}.dylib`))
    )
  )
}
