import type { KeepRules } from './commands.ts'
import type { FieldsOf } from './fields.ts'
import type { Problems } from './problems.ts'

/** The keep rules; undefined when none is given. */
export function keepRulesOf(fields: FieldsOf<'backup' | 'prune'>): KeepRules | undefined {
  const rules: KeepRules = {
    last: fields['keep-last'],
    hourly: fields['keep-hourly'],
    daily: fields['keep-daily'],
    weekly: fields['keep-weekly'],
    monthly: fields['keep-monthly'],
    yearly: fields['keep-yearly'],
    withinMs: fields['keep-within'],
    maxBytes: fields['keep-max-bytes']
  }
  return Object.values(rules).some((rule) => rule !== undefined) ? rules : undefined
}

/** The rules as they are typed, for a record: `keep-daily: 7`. */
export function keepWords(rules: KeepRules): string[] {
  const { withinMs, maxBytes, ...numbers } = rules
  return [
    ...Object.entries(numbers).map(([name, count]) => ({ name, value: count })),
    { name: 'within', value: withinMs === undefined ? undefined : `${Math.round(withinMs / 1000)}s` },
    { name: 'max-bytes', value: maxBytes }
  ].flatMap(({ name, value }) => (value === undefined ? [] : [`keep-${name}: ${value}`]))
}

/** Refuses keep rules where no destination can delete: artifacts go through the API, which needs a token. */
export function checkKeepRules(fields: FieldsOf<'backup' | 'prune'>, problems: Problems): void {
  const cannotDelete = fields.destinations.every((place) => place === 'artifact') && fields.token === undefined
  if (keepRulesOf(fields) !== undefined && cannotDelete) {
    problems.add(
      'SB002',
      'A `keep-*` rule is given, but artifacts cannot be deleted without `token`: give it, with the permission actions: write.'
    )
  }
}
