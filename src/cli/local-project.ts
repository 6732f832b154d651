import { execFileSync } from 'node:child_process'
import type { InputName } from '../inputs/input-definitions.ts'

/** What `supabase start` runs on this machine, as its own tool tells; else at the addresses that it has when nobody changed them. */
export interface LocalProject {
  readonly databaseUrl: string
  readonly apiUrl: string | undefined
  readonly serviceKey: string | undefined
}

const usual = 'postgresql://postgres:postgres@127.0.0.1:54322/postgres'

/** Reads `NAME="value"` lines as `supabase status -o env` prints them. Pure. */
export function parseStatus(text: string): LocalProject {
  const found = new Map<string, string>()
  for (const line of text.split('\n')) {
    const match = /^([A-Z_]{1,60})="?([^"\r\n]{0,4096})"?\s*$/.exec(line)
    if (match?.[1] !== undefined && match[2] !== undefined) found.set(match[1], match[2])
  }
  const apiUrl = found.get('API_URL')
  const serviceKey = found.get('SERVICE_ROLE_KEY') ?? found.get('SECRET_KEY')
  return { databaseUrl: found.get('DB_URL') ?? usual, apiUrl, serviceKey }
}

/** Asks the tool; where it is not there the usual addresses are taken, and Storage needs its key from elsewhere. */
export function findLocalProject(env: Readonly<Record<string, string | undefined>>): LocalProject {
  try {
    const text = execFileSync('supabase', ['status', '-o', 'env'], {
      encoding: 'utf8',
      timeout: 20_000,
      stdio: ['ignore', 'pipe', 'ignore'],
      env: { PATH: env['PATH'] ?? '', HOME: env['HOME'] ?? '', LC_ALL: 'C' }
    })
    return parseStatus(text)
  } catch {
    return parseStatus('')
  }
}

/** The inputs of a restore into a local project; those that were given stay. */
export function localInputs(project: LocalProject, texts: ReadonlyMap<InputName, string>): Map<InputName, string> {
  const inputs = new Map(texts)
  const give = (name: InputName, value: string | undefined): void => {
    if (value !== undefined && !inputs.has(name)) inputs.set(name, value)
  }
  give('target-database-url', project.databaseUrl)
  if (inputs.has('target-service-role-key') || project.serviceKey !== undefined) {
    give('target-supabase-url', project.apiUrl ?? 'http://127.0.0.1:54321')
    give('target-service-role-key', project.serviceKey)
  }
  // A copy of a laptop's own data is nobody's last one.
  give('safety-backup', 'false')
  const { host, database } = addressOf(inputs.get('target-database-url') ?? '')
  // An empty target loses nothing, and the flag itself says which one is meant. Anything else is asked for.
  if ((inputs.get('restore-mode') ?? 'empty') === 'empty') give('confirm-target', `${host}/${database}`)
  return inputs
}

function addressOf(url: string): { readonly host: string; readonly database: string } {
  const parsed = URL.parse(url)
  return { host: parsed?.hostname ?? '127.0.0.1', database: parsed?.pathname.replace(/^\//, '') || 'postgres' }
}
