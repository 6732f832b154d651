import type { Mail } from '../clients/network/smtp.ts'
import { type Channel, isWanted, type NotifyOn } from './channel.ts'
import { details, headline } from './notice.ts'

export interface EmailOptions {
  readonly to: readonly string[]
  /** The sender, where it was given. */
  readonly from: string | undefined
  /** User at the mail server: else the sender where it is a mail address; else the first recipient is. */
  readonly user: string | undefined
  readonly on: NotifyOn
}

/** Tells by e-mail. */
export function emailChannel(options: EmailOptions, send: (mail: Mail) => Promise<void>): Channel {
  const [first = ''] = options.to
  const from =
    options.from ??
    (options.user !== undefined && /^[^\s@<>"]{1,64}@[A-Za-z0-9.-]{1,253}$/.test(options.user) ? options.user : first)
  return {
    name: 'e-mail',
    async tell(notice) {
      if (!isWanted(notice, options.on)) return
      const text = [
        headline(notice),
        '',
        ...details(notice),
        '',
        `Sent by ${notice.tool}${notice.repository === null ? '' : ` in ${notice.repository}`}.`
      ]
      await send({ from, to: options.to, subject: `[supabase-backup] ${headline(notice)}`, text: text.join('\n') })
    }
  }
}
