import { ManagementError } from '../clients/supabase/management-errors.ts'

/** The reason in short, for the plain manifest as well: codes, statuses and scopes, no names. */
export function reasonOf(thrown: unknown): string {
  // Anything else is the end of the run (cancelled), or a bug.
  if (!(thrown instanceof ManagementError)) throw thrown
  const status = thrown.status === null ? 'no answer' : `status ${thrown.status}`
  // Also where it is not the scope that is missing: what the call needs can be looked up in the token at once.
  const needs = ` (the call needs the scope ${thrown.scope})`
  switch (thrown.code) {
    case 'SB821':
      return `SB821: the access token is refused, ${status}${needs}`
    case 'SB822':
      return `SB822: the access token lacks the scope ${thrown.scope}, ${status}`
    case 'SB826':
      return `SB826: the answer has another shape${needs}`
    case 'SB823':
      return `SB823: ${status}${needs}`
    default:
      return `${thrown.code}: ${status}`
  }
}
