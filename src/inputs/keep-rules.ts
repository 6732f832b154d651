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
