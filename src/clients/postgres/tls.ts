/** How far a server must prove who it is. The names are libpq's. */
export type SslMode = 'disable' | 'allow' | 'prefer' | 'require' | 'verify-ca' | 'verify-full'

/** What was decided about TLS for one connection. */
export interface TlsPolicy {
  readonly mode: SslMode
  /** CA certificates in PEM, joined; null for the system's store. */
  readonly rootCertificates: string | null
}
