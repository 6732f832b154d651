import { connectGithub } from '../clients/github/index.ts'
import { openIssues } from '../clients/github/issues.ts'
import { createSendHttp } from '../clients/network/http-post.ts'
import { sendMail } from '../clients/network/smtp.ts'
import type { Context } from '../context.ts'
import type { NotifyInputs } from '../inputs/index.ts'
import type { Channel } from '../notify/channel.ts'
import { emailChannel } from '../notify/email.ts'
import { issueChannel } from '../notify/issue.ts'
import { noticeOf } from '../notify/notice.ts'
import { createNotifier } from '../notify/notify.ts'
import { pingChannel } from '../notify/ping.ts'
import { webhookChannel } from '../notify/webhook.ts'
import type { Result } from '../result.ts'
import type { RunnerEnvironment } from '../runner-environment.ts'

/** How long one notification may take. */
const timeoutMs = 10_000

/** Tells about a run, as its inputs say. Never throws and never fails the run. */
export interface RunNotifier {
  start(): void
  tell(result: Result): Promise<void>
}

/** @param context its signal is that of the run and not used: a run that was cancelled is told, too. */
export function openNotifications(
  inputs: NotifyInputs,
  environment: RunnerEnvironment,
  context: Pick<Context, 'clock' | 'randomBytes' | 'log'>
): RunNotifier {
  const { notify, token } = inputs
  const send = createSendHttp({ allowPrivate: notify.webhookPrivate })
  const channels: Channel[] = []
  if (notify.ping !== undefined) channels.push(pingChannel(notify.ping, send))
  if (notify.webhook !== undefined) channels.push(webhookChannel(notify.webhook, notify.on, send))
  if (notify.email !== undefined) {
    const { server, to, from } = notify.email
    channels.push(
      emailChannel({ to, from, user: server.user, on: notify.on }, (mail) => sendMail(server, mail, timeoutMs))
    )
  }
  const { repository, apiUrl } = environment
  if (notify.issue && token !== undefined && repository !== undefined) {
    channels.push({
      name: 'issue',
      tell: (notice, signal) => {
        const deadline = new Date(context.clock.now().getTime() + timeoutMs)
        const github = connectGithub({
          apiUrl,
          token,
          retries: 2,
          deadline,
          timeoutMs,
          context: { ...context, signal, temp: '' }
        })
        return issueChannel(openIssues(github, repository)).tell(notice, signal)
      }
    })
  }
  const notifier = createNotifier(channels, context.log, timeoutMs)
  return {
    start: () => notifier.start(),
    tell: (result) => notifier.tell(noticeOf(result, inputs.project, environment, inputs.dryRun))
  }
}
