import type { ErrorCode } from '../error-codes.ts'
import type { ConnectionFields } from './connection-string.ts'

type Place = Pick<ConnectionFields, 'host' | 'port' | 'user' | 'reference'>

/** A project ref: 20 lower-case letters. Source: Supabase CLI, misc.go. */
export function isProjectRef(text: string): boolean {
  return /^[a-z]{20}$/.test(text)
}

/** Whether a host belongs to the Supabase platform (direct, pooler or API). Hosts are lower-case, without a trailing dot. */
export function isSupabaseHost(host: string): boolean {
  return ['.supabase.co', '.supabase.com', '.supabase.red'].some((ending) => host.endsWith(ending))
}

/** Whether a host is the shared pooler (Supavisor): `aws-0-<region>.pooler.supabase.com` and the like. */
export function isPooler(host: string): boolean {
  return isSupabaseHost(host) && host.split('.').includes('pooler')
}

/** Ref in `db.<ref>.supabase.co`, the direct host; it has only an IPv6 address unless the IPv4 add-on is booked. */
export function refOfDirectHost(host: string): string | undefined {
  return /^db\.([a-z]{20})\.supabase\.(?:co|red)$/.exec(host)?.[1]
}

/** Ref in `https://<ref>.supabase.co` and `https://<ref>.storage.supabase.co`. */
export function refOfApiHost(host: string): string | undefined {
  return /^([a-z]{20})\.(?:storage\.)?supabase\.(?:co|red)$/.exec(host)?.[1]
}

/** The project that a connection leads to, where it says so: direct host, pooler's user `name.<ref>`, `options=reference=<ref>`. */
export function supabaseRefOf(place: Place): string | undefined {
  const direct = refOfDirectHost(place.host)
  if (direct !== undefined) return direct
  if (!isPooler(place.host)) return undefined
  return place.reference ?? place.user.split('.').slice(1).findLast(isProjectRef)
}

/** Whether this is Supabase in transaction mode: its pooler, shared or dedicated, on port 6543. */
export function isTransactionPooler(place: Pick<Place, 'host' | 'port'>): boolean {
  return isSupabaseHost(place.host) && place.port === 6543
}

/** Why a connection to Supabase cannot serve, as far as its fields show; undefined when nothing speaks against it. */
export function refusalOfSupabasePlace(
  place: Place
): { readonly code: ErrorCode; readonly reason: string } | undefined {
  if (isTransactionPooler(place)) {
    return {
      code: 'SB110',
      reason:
        'port 6543 is the transaction pooler, which cannot hold the snapshot of a dump: use the Session pooler string (port 5432)'
    }
  }
  if (isPooler(place.host) && supabaseRefOf(place) === undefined) {
    return {
      code: 'SB111',
      reason:
        'the pooler needs the project in the user name, `postgres.<project ref>`: copy the Session pooler string from the dashboard (Connect)'
    }
  }
  return undefined
}

/** What to know of the direct host: GitHub-hosted runners have no IPv6 (github.md 9). */
export function noteOnDirectHost(host: string): string | undefined {
  return refOfDirectHost(host) === undefined
    ? undefined
    : 'The direct host of a Supabase project has only an IPv6 address unless the IPv4 add-on is booked, and GitHub-hosted runners have no IPv6: ' +
        'if it cannot be reached, use the Session pooler string (port 5432).'
}
