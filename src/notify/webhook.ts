import type { SendHttp } from '../clients/network/http-post.ts'
import { type Channel, isWanted, type NotifyOn } from './channel.ts'
import type { Notice } from './notice.ts'

/** Tells a webhook in the shape that it takes. */
export function webhookChannel(url: URL, on: NotifyOn, send: SendHttp): Channel {
  return {
    name: 'webhook',
    async tell(notice, signal) {
      if (isWanted(notice, on)) await send(url, { method: 'POST', body: JSON.stringify(bodyFor(url, notice)) }, signal)
    }
  }
}

/** Most characters of `content`: https://docs.discord.com/developers/resources/webhook#execute-webhook */
const longestDiscord = 2000

/** https://developers.google.com/workspace/chat/create-messages */
const longestGoogleChat = 4000

/** Slack, Discord, Google Chat and Teams have shapes of their own, known by their hosts; everybody else gets the notice itself. */
export function bodyFor(url: URL, notice: Notice): object {
  const host = url.hostname.toLowerCase()
  const text = `${notice.event === 'success' ? '✅' : '❌'} ${notice.text}`
  if (host === 'hooks.slack.com' || host === 'hooks.slack-gov.com') {
    // https://docs.slack.dev/messaging/formatting-message-text#escaping
    return { text: text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;') }
  }
  if (/^(?:(?:canary|ptb)\.)?discord(?:app)?\.com$/.test(host) && url.pathname.startsWith('/api/')) {
    return { content: text.slice(0, longestDiscord), allowed_mentions: { parse: [] } }
  }
  if (host === 'chat.googleapis.com') return { text: text.slice(0, longestGoogleChat) }
  // Workflows of Microsoft Teams take a message with a card, and show nothing of anything else.
  if (/\.(?:logic\.azure\.com|powerplatform\.com|webhook\.office\.com)$/.test(host)) {
    const card = {
      type: 'AdaptiveCard',
      $schema: 'http://adaptivecards.io/schemas/adaptive-card.json',
      version: '1.4',
      body: [{ type: 'TextBlock', text, wrap: true }]
    }
    return {
      type: 'message',
      attachments: [{ contentType: 'application/vnd.microsoft.card.adaptive', contentUrl: null, content: card }]
    }
  }
  return notice
}
