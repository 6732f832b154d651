import type { FindingReason } from '../../source.ts'
import { type LeftOut, labelProviders } from '../pg-archive/skip-entries.ts'
import type { ArchiveToc } from '../pg-archive/toc.ts'

/** Why a copy goes without an object, or has it otherwise than the source. */
export interface Absence {
  readonly reason: FindingReason
  readonly words: string
  /** Whether a finding of its own tells it already. */
  readonly told?: boolean
}

/** What a copy goes without, by entry of the archive. */
export type Absent = ReadonlyMap<number, Absence>

export function needsExtension(names: readonly string[]): Absence {
  return {
    reason: 'missing-extension',
    words: `it needs ${names.join(', ')}, which the copy's server does not have`
  }
}

/** Why a copy goes without the security labels of a provider. */
export function needsProvider(provider: string): Absence {
  return {
    reason: 'missing-provider',
    words: `it needs the provider ${provider}, which the copy's server does not have loaded`
  }
}

/** The security labels of providers that are missing. An entry goes as a whole, since it is run as a whole. */
export function absentLabels(toc: ArchiveToc, missing: ReadonlySet<string>): Absent {
  return new Map(
    toc.entries
      .filter((entry) => entry.kind === 'SECURITY LABEL')
      .flatMap((entry) => {
        const provider = labelProviders(entry).find((name) => missing.has(name))
        return provider === undefined ? [] : [[entry.id, needsProvider(provider)] as const]
      })
  )
}

/** What needs an extension that is missing. `extensions`: of `leaveOutExtensions`. */
export function absentExtensions(extensions: LeftOut): Absent {
  return new Map([...extensions].map(([id, name]) => [id, needsExtension([name])]))
}
