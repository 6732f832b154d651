import { writeFile } from 'node:fs/promises'
import path from 'node:path'
import { runOk } from './programs.ts'

export interface CertificateOptions {
  /** Host names and IP addresses that the server's certificate is good for; `localhost` and `127.0.0.1` when left out. */
  readonly names?: readonly string[]
  /** The certificate ran out yesterday. */
  readonly expired?: boolean
  /** Nobody vouches for the certificate but itself. */
  readonly selfSigned?: boolean
}

export interface Certificates {
  readonly keyFile: string
  readonly certFile: string
  /** The root that a client must trust; with `selfSigned` a root that did NOT sign the server's certificate. */
  readonly caFile: string
}

const elliptic = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes']

/** An authority of its own and a server certificate, written to `folder`. */
export async function makeCertificates(folder: string, options: CertificateOptions = {}): Promise<Certificates> {
  const at = (name: string) => path.join(folder, name)
  const names = options.names ?? ['localhost', '127.0.0.1']
  const alternatives = names.map((name) => (/^[\d.]+$|:/.test(name) ? `IP:${name}` : `DNS:${name}`)).join(',')
  await runOk('openssl', [
    ...['req', '-x509', ...elliptic, '-days', '30', '-subj', '/CN=Test root'],
    ...['-keyout', at('ca.key'), '-out', at('ca.crt')]
  ])
  await runOk('openssl', [
    ...['req', '-new', ...elliptic, '-subj', '/CN=Test server'],
    ...['-keyout', at('server.key'), '-out', at('server.csr')]
  ])
  await writeFile(at('server.ext'), `subjectAltName=${alternatives}\n`)
  const signer = options.selfSigned
    ? ['-signkey', at('server.key')]
    : ['-CA', at('ca.crt'), '-CAkey', at('ca.key'), '-CAcreateserial']
  await runOk('openssl', [
    ...['x509', '-req', '-in', at('server.csr'), ...signer, '-extfile', at('server.ext')],
    ...['-days', options.expired ? '-1' : '30', '-out', at('server.crt')]
  ])
  return { keyFile: at('server.key'), certFile: at('server.crt'), caFile: at('ca.crt') }
}
