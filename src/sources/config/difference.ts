import { isEmpty, isSecretName } from './secrets.ts'
import { asObject } from './sections.ts'

/** A setting by its dotted path inside its group. */
export interface Setting {
  readonly path: string
  readonly value: unknown
}

/** A setting whose value in the target is another one than in the backup. */
export interface DifferingSetting {
  readonly path: string
  readonly inBackup: unknown
  readonly inTarget: unknown
}

/** The settings of a group that differ and that the backup has. `names`: only these dotted paths. */
export function differingSettings(
  inBackup: unknown,
  inTarget: unknown,
  names: readonly string[]
): readonly DifferingSetting[] {
  return names.flatMap((path) => {
    const wanted = at(inBackup, path)
    const current = at(inTarget, path)
    if (wanted === undefined || sameValue(wanted, current)) return []
    return [{ path, inBackup: wanted, inTarget: current }]
  })
}

/** Top-level settings that differ, besides `names`: to be looked at by a person. */
export function otherDifferences(
  inBackup: unknown,
  inTarget: unknown,
  names: readonly string[],
  ignored: readonly string[]
): readonly DifferingSetting[] {
  const covered = new Set(names.map((name) => name.split('.')[0]))
  const others = Object.keys(asObject(inBackup)).filter(
    (name) => !covered.has(name) && !ignored.includes(name) && !isSecretName(name)
  )
  return differingSettings(inBackup, inTarget, others)
}

/** The value at a dotted path; undefined where there is none. */
export function at(value: unknown, path: string): unknown {
  return path.split('.').reduce<unknown>((inner, name) => asObject(inner)[name], value)
}

/** Puts settings together again: `features.x.enabled` becomes nested objects. */
export function nested(settings: readonly Setting[]): Readonly<Record<string, unknown>> {
  const grouped = Map.groupBy(settings, ({ path }) => path.split('.')[0] ?? path)
  return Object.fromEntries(
    [...grouped].map(([name, group]) => {
      const [first] = group
      if (first !== undefined && first.path === name) return [name, first.value]
      return [name, nested(group.map(({ path, value }) => ({ path: path.slice(name.length + 1), value })))]
    })
  )
}

/** Equal as settings: an empty text, an empty list and nothing are the same; the order of an object's keys means nothing. */
export function sameValue(one: unknown, other: unknown): boolean {
  if (isEmpty(one) && isEmpty(other)) return true
  return canonical(one) === canonical(other)
}

function canonical(value: unknown): string {
  return (
    JSON.stringify(value, (_key, inner: unknown) =>
      typeof inner === 'object' && inner !== null && !Array.isArray(inner)
        ? Object.fromEntries(Object.entries(inner).sort(([a], [b]) => (a < b ? -1 : 1)))
        : inner
    ) ?? ''
  )
}

/** A value for people, cut to a length that tables bear. */
export function shown(value: unknown): string {
  const text = value === undefined ? 'not set' : JSON.stringify(value)
  return text.length > 160 ? `${text.slice(0, 160)}…` : text
}

/**
 * What belongs together with a secret setting: `external_apple_secret` -> `external_apple_`. Without the secret the rest of its group does not
 * work, or is refused.
 */
export function groupOfSecret(name: string): string {
  return `${name.replace(/(?:_(?:api|auth|access|client))?_(?:secrets?|pass|password|keys?|token)$/, '')}_`
}
