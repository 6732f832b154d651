import * as http from 'node:http'

/** Of the environment, what says how the network is reached: proxies, and authorities that a company signs with. */
const forGit = [
  'HTTPS_PROXY',
  'https_proxy',
  'HTTP_PROXY',
  'http_proxy',
  'ALL_PROXY',
  'all_proxy',
  'NO_PROXY',
  'no_proxy',
  'GIT_SSL_CAINFO',
  'GIT_SSL_CAPATH',
  'SSL_CERT_FILE',
  'SSL_CERT_DIR',
  'CURL_CA_BUNDLE'
]

/** The part of this process's environment that git needs to reach the server; its own children get no other. */
export function networkEnvironment(): Record<string, string> {
  const found: Record<string, string> = {}
  for (const name of forGit) {
    const value = process.env[name]
    if (value !== undefined && value !== '') found[name] = value
  }
  return found
}

/**
 * Has `fetch` and the usual agents go through the proxy that the environment names, where this Node knows how to (24.14 and later). Agents of one's own
 * are told with `proxyEnv`; what goes to webhooks goes past every proxy.
 */
export function useProxyOfEnvironment(): void {
  if (!forGit.some((name) => /^https?_proxy$/i.test(name) && (process.env[name] ?? '') !== '')) return
  const { setGlobalProxyFromEnv }: { setGlobalProxyFromEnv?: (environment: NodeJS.ProcessEnv) => unknown } = http
  setGlobalProxyFromEnv?.(process.env)
}
