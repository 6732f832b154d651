import type { Egress } from '../archive/manifest.ts'
import { countReceived, watchFetch } from '../clients/network/received-bytes.ts'

/** Counts what this run takes out of the project, at its sockets. */
export interface EgressMeter {
  readonly database: ReturnType<typeof countReceived>
  readonly storage: ReturnType<typeof countReceived>
  /** So far. */
  total(): Egress
  close(): void
}

/** `managementUrl`: address of the Management API, where it is used. */
export function openEgressMeter(managementUrl: string | undefined): EgressMeter {
  const [database, storage, management] = [countReceived(), countReceived(), countReceived()]
  const end = managementUrl === undefined ? () => undefined : watchFetch(managementUrl, management.watch)
  return {
    database,
    storage,
    total: () => ({ database: database.bytes, storage: storage.bytes, management: management.bytes }),
    close: end
  }
}
