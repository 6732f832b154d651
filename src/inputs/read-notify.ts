import { parseConnectionString } from '../base/connection-string.ts'
import { isProjectRef, supabaseRefOf } from '../base/supabase-host.ts'
import type { Notify } from './commands.ts'
import { type CommandName, commandNames, declaredInputs, type InputName } from './input-definitions.ts'
import type { Parse } from './parsed.ts'
import { parseHook, parseMailAddress, parseSmtp, parseWebAddress } from './places.ts'
import { refOfAddress } from './project-access.ts'
import { parseLabel, projectLabel } from './project-label.ts'
import { listOf, oneOf, parseBoolean } from './values.ts'

/** What is needed to tell about a run, also one whose inputs are refused. */
export interface NotifyInputs {
  readonly command: CommandName | undefined
  readonly notify: Notify
  readonly token: string | undefined
  /** Label of the project, where the inputs say it. */
  readonly project: string | undefined
  /** The run shows what it would do, and does nothing. */
  readonly dryRun: boolean
}

/**
 * Reads what concerns notifications, each input for itself: a secret that is missing elsewhere must not silence the alarm
 * about it. What is wrong here is left out; `readInputs` refuses the run for it.
 */
export function readNotifyInputs(get: (name: string) => string): NotifyInputs {
  const read = <T>(name: InputName, parse: Parse<T>): T | undefined => {
    const text = get(name).trim() || declaredInputs[name].default
    const parsed = text === undefined ? undefined : parse(text)
    return parsed?.ok === true ? parsed.value : undefined
  }
  const to = read('notify-email', listOf(parseMailAddress)) ?? []
  const server = read('smtp-url', parseSmtp)
  const command = read('command', oneOf(commandNames))
  return {
    command,
    notify: {
      on: read('notify-on', oneOf(['failure', 'always'])) ?? 'failure',
      webhook: read('notify-webhook', parseHook),
      webhookPrivate: read('notify-webhook-private', parseBoolean) ?? false,
      email:
        to.length > 0 && server !== undefined
          ? { to, from: read('notify-email-from', parseMailAddress), server }
          : undefined,
      issue: read('notify-issue', parseBoolean) ?? false,
      ping: read('ping-url', parseHook)
    },
    token: get('token').trim() || undefined,
    project: labelOf(get, read('project', parseLabel), read('supabase-url', parseWebAddress)),
    // The others ignore that input.
    dryRun: /^(?:restore|prune|delete)$/.test(command ?? '') && read('dry-run', parseBoolean) === true
  }
}

function labelOf(
  get: (name: string) => string,
  project: string | undefined,
  address: string | undefined
): string | undefined {
  const parsed = parseConnectionString(get('database-url').trim())
  const database = parsed.ok ? parsed.fields : undefined
  const typed = get('project-ref').trim()
  const ref = isProjectRef(typed) ? typed : database === undefined ? undefined : supabaseRefOf(database)
  return projectLabel({ project, ref: ref ?? refOfAddress(address), database })
}
