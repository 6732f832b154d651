import { setTimeout } from 'node:timers/promises'
import { createTransport } from 'nodemailer'
import { asError, UserError } from '../../errors.ts'

export interface MailServer {
  readonly host: string
  readonly port: number
  /** TLS from the first byte; else by STARTTLS. */
  readonly implicitTls: boolean
  readonly user: string | undefined
  readonly password: string | undefined
}

export interface Mail {
  readonly from: string
  readonly to: readonly string[]
  readonly subject: string
  readonly text: string
}

/** How often a mail is tried that the server puts off, and how long in between: all of it has ten seconds. */
const tries = 3
const pauseMs = 1500

/** Repeats what the server answers with 4xx: not now, as it means. */
async function sendPatiently<T>(send: () => Promise<T>): Promise<T> {
  for (let attempt = 1; ; attempt += 1) {
    try {
      return await send()
    } catch (thrown) {
      const code = Number(Object(thrown).responseCode)
      if (!(code >= 400 && code < 500) || attempt >= tries) throw thrown
      await setTimeout(pauseMs)
    }
  }
}

/**
 * Sends one plain-text mail. Without TLS only to this machine: a server elsewhere that offers no STARTTLS, or whose
 * certificate does not hold, gets neither password nor mail.
 *
 * @param timeoutMs for each step of the conversation.
 * @throws UserError SB930.
 */
export async function sendMail(
  server: MailServer,
  mail: Mail,
  timeoutMs: number,
  rootCertificates?: string
): Promise<void> {
  const local =
    server.host === 'localhost' || server.host === '::1' || /^127\.\d{1,3}\.\d{1,3}\.\d{1,3}$/.test(server.host)
  const transport = createTransport({
    host: server.host,
    port: server.port,
    // A machine without a name of its own would greet by its address, which large providers refuse.
    name: mail.from.split('@').at(-1) ?? 'localhost',
    secure: server.implicitTls,
    requireTLS: !server.implicitTls && !local,
    ...(server.user === undefined ? {} : { auth: { user: server.user, pass: server.password ?? '' } }),
    // To this machine plain text is taken, too: a certificate that cannot be checked is no worse.
    tls: { rejectUnauthorized: !local, ...(rootCertificates === undefined ? {} : { ca: rootCertificates }) },
    connectionTimeout: timeoutMs,
    greetingTimeout: timeoutMs,
    socketTimeout: timeoutMs,
    dnsTimeout: timeoutMs,
    disableFileAccess: true,
    disableUrlAccess: true
  })
  const message = {
    from: { name: 'Supabase Backup', address: mail.from },
    to: mail.to.map((address) => ({ name: '', address })),
    // One line: what starts another header cannot come through.
    subject: mail.subject.replace(/[\p{Cc}\p{Zl}\p{Zp}]+/gu, ' '),
    text: mail.text,
    headers: { 'Auto-Submitted': 'auto-generated' }
  }
  try {
    const sent = await sendPatiently(() => transport.sendMail(message))
    if (sent.rejected.length > 0)
      throw new UserError('SB930', `${server.host}: it refused ${sent.rejected.length} of ${mail.to.length} addresses`)
  } catch (thrown) {
    if (thrown instanceof UserError) throw thrown
    throw new UserError('SB930', `${server.host}: ${asError(thrown).message.split('\n')[0] ?? ''}`, { cause: thrown })
  } finally {
    transport.close()
  }
}
