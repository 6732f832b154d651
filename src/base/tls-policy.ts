import type { TlsPolicy } from '../clients/postgres/tls.ts'
import type { ConnectionFields } from './connection-string.ts'
import { isSupabaseHost } from './supabase-host.ts'
import { supabaseRoots } from './supabase-roots.ts'

/** What was decided about TLS, with what a person should know of it; or why the connection is refused. */
export type TlsDecision =
  | {
      readonly ok: true
      readonly policy: TlsPolicy
      readonly notes: readonly string[]
      readonly warnings: readonly string[]
    }
  | { readonly ok: false; readonly reason: string }

/**
 * Decides how a server must prove who it is.
 *
 * - Supabase's hosts: always `verify-full` against Supabase's own roots (and `ssl-root-cert`, where given).
 * - A socket: no TLS, it does not leave the machine.
 * - Other hosts: the mode in the connection string; without one `verify-full` when `ssl-root-cert` is given, else libpq's `prefer`.
 *
 * @param rootCertificates the input `ssl-root-cert`: CA certificates in PEM.
 */
export function decideTls(
  fields: Pick<ConnectionFields, 'host' | 'sslMode'>,
  rootCertificates: string | undefined
): TlsDecision {
  const { host, sslMode } = fields
  if (host.startsWith('/')) {
    return { ok: true, policy: { mode: 'disable', rootCertificates: null }, notes: [], warnings: [] }
  }
  if (isSupabaseHost(host)) return decideForSupabase(sslMode, rootCertificates)

  const warnings: string[] = []
  if (rootCertificates !== undefined) {
    // libpq, too, checks the certificate with `require` as soon as it has a root.
    const mode = sslMode === undefined ? 'verify-full' : sslMode === 'require' ? 'verify-ca' : sslMode
    if (mode === 'disable' || mode === 'allow' || mode === 'prefer') {
      warnings.push(
        `sslmode=${mode} in the connection string makes the input \`ssl-root-cert\` useless: leave sslmode out to have the server checked.`
      )
    }
    if (mode === 'disable') warnings.push(...warnOfPlainText(host))
    return { ok: true, policy: { mode, rootCertificates }, notes: [], warnings }
  }
  const mode = sslMode ?? 'prefer'
  if (mode === 'disable') warnings.push(...warnOfPlainText(host))
  return { ok: true, policy: { mode, rootCertificates: null }, notes: [], warnings }
}

function decideForSupabase(sslMode: ConnectionFields['sslMode'], rootCertificates: string | undefined): TlsDecision {
  if (sslMode === 'disable') {
    return {
      ok: false,
      reason:
        'sslmode=disable sends the password and all data unprotected over the internet; leave sslmode out, Supabase always offers TLS'
    }
  }
  const roots = rootCertificates === undefined ? supabaseRoots : `${supabaseRoots}${rootCertificates.trim()}\n`
  const notes =
    sslMode === undefined || sslMode === 'verify-full'
      ? []
      : [`sslmode=${sslMode} was raised to verify-full: Supabase's certificates are built in.`]
  return { ok: true, policy: { mode: 'verify-full', rootCertificates: roots }, notes, warnings: [] }
}

function warnOfPlainText(host: string): readonly string[] {
  return isLoopback(host)
    ? []
    : [
        'sslmode=disable: the password exchange and all data go over the network unprotected. Use sslmode=verify-full where the server can.'
      ]
}

/** Whether a host is this machine itself, by its name or address alone. */
export function isLoopback(host: string): boolean {
  return (
    host === 'localhost' ||
    host.endsWith('.localhost') ||
    host === '::1' ||
    host === '[::1]' ||
    /^127\.(?:[0-9]{1,3}\.){2}[0-9]{1,3}$/.test(host)
  )
}
