import { majorOf } from './server-version.ts'
/** A version as `pg_dump --version` and `postgres --version` print it. */
export interface ProgramVersion {
  readonly major: number
  readonly minor: number
  /** `17.11`, `19beta2`. */
  readonly text: string
}

/**
 * The oldest minor of each major without known holes that a hostile database could use against its clients (CVE-2026-6477, CVE-2026-18408,
 * CVE-2026-6464, CVE-2026-19385; released together in August 2026).
 */
export const securityFloor: ReadonlyMap<number, number> = new Map([
  [14, 24],
  [15, 19],
  [16, 15],
  [17, 11],
  [18, 6]
])

/**
 * The oldest minor that protects the dump from objects that are replaced while it runs (CVE-2024-7348: code of a database user runs with the
 * rights of the role that dumps). Nothing below is used.
 */
const replacedObjectsFix: ReadonlyMap<number, number> = new Map([
  [12, 20],
  [13, 16],
  [14, 13],
  [15, 8],
  [16, 4]
])

/** Reads `<program> (PostgreSQL) 17.11 ...`; undefined when the program says anything else. */
export function parseProgramVersion(program: string, output: string): ProgramVersion | undefined {
  const match =
    /^([a-z_]+) \(PostgreSQL\) (([0-9]{1,2})(?:\.([0-9]{1,3}))?(?:devel|(?:alpha|beta|rc)[0-9]+)?)(?: |$)/m.exec(
      output.slice(0, 1000)
    )
  if (match === null || match[1] !== program || output.indexOf(match[0]) !== 0) return undefined
  return { major: Number(match[3]), minor: Number(match[4] ?? 0), text: match[2] ?? '' }
}

/** Version of `server_version_num`: 170011 is 17.11. */
export function versionOfNumber(versionNumber: number): ProgramVersion {
  const major = majorOf(versionNumber)
  const minor = versionNumber % 10_000
  return { major, minor, text: `${major}.${minor}` }
}

export type Safety = 'current' | 'below-floor' | 'refused'

/** How safe a client is. Majors newer than the table are taken as current, older ones than it are out of support and below the floor. */
export function safetyOf(version: Pick<ProgramVersion, 'major' | 'minor'>): Safety {
  const fixed = replacedObjectsFix.get(version.major)
  if (version.major < 12 || (fixed !== undefined && version.minor < fixed)) return 'refused'
  const floor = securityFloor.get(version.major)
  if (floor === undefined) return version.major < 14 ? 'below-floor' : 'current'
  return version.minor < floor ? 'below-floor' : 'current'
}

/**
 * Minors of all majors are released on the same days: the number of releases since the floor's, which can be compared between majors; undefined for
 * majors that the table does not hold.
 */
function releaseOf(version: Pick<ProgramVersion, 'major' | 'minor'>): number | undefined {
  const floor = securityFloor.get(version.major)
  return floor === undefined ? undefined : version.minor - floor
}

/**
 * Whether a client is older than the server's own release: servers of November 2026 and later keep settings in the catalog (`pg_attver`) that older
 * programs write into the dump, where they stop a restore.
 */
export function isOlderThanServer(
  client: Pick<ProgramVersion, 'major' | 'minor'>,
  server: Pick<ProgramVersion, 'major' | 'minor'>
): boolean {
  const clientRelease = releaseOf(client)
  const serverRelease = releaseOf(server)
  if (client.major === server.major) return client.minor < server.minor
  return (
    clientRelease !== undefined && serverRelease !== undefined && serverRelease > 0 && clientRelease < serverRelease
  )
}

/**
 * The best of the clients found for a server; undefined when none may be used. The order: no known hole; as new as the server; the server's own major
 * (its dump loads into the same major without settings that it does not know); then the newest.
 */
export function chooseClient<T extends { readonly version: ProgramVersion }>(
  found: readonly T[],
  server: Pick<ProgramVersion, 'major' | 'minor'>
): T | undefined {
  const usable = found.filter(({ version }) => version.major >= server.major && safetyOf(version) !== 'refused')
  const rank = ({ version }: T): readonly number[] => [
    safetyOf(version) === 'current' ? 1 : 0,
    isOlderThanServer(version, server) ? 0 : 1,
    version.major === server.major ? 1 : 0,
    version.major,
    version.minor
  ]
  return usable.toSorted((a, b) => compareRanks(rank(b), rank(a)))[0]
}

function compareRanks(a: readonly number[], b: readonly number[]): number {
  for (const [index, value] of a.entries()) {
    const other = b[index] ?? 0
    if (value !== other) return value - other
  }
  return 0
}
