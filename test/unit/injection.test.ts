import fc from 'fast-check'
import { fromMarkdown } from 'mdast-util-from-markdown'
import { gfmFromMarkdown } from 'mdast-util-gfm'
import { micromark } from 'micromark'
import { gfm, gfmHtml } from 'micromark-extension-gfm'
import { expect, test, vi } from 'vitest'
import { createRunnerLog } from '../../src/clients/runner-log.ts'
import { assertRef } from '../../src/destinations/names.ts'
import { readReleaseBody, renderDraftBody, renderReleaseBody } from '../../src/destinations/release/body.ts'
import { bodyOf } from '../../src/notify/issue.ts'
import { noticeOf } from '../../src/notify/notice.ts'
import { bodyFor } from '../../src/notify/webhook.ts'
import { type Result, resultSchema } from '../../src/result.ts'
import { renderSummary } from '../../src/ui/summary/index.ts'
import { commandsIn, hostileText, runnerCommands } from './hostile.ts'
import { place, samples } from './ui/samples.ts'

const seed = 20_261_122
type Json = null | boolean | number | string | readonly Json[] | { readonly [key: string]: Json }

test('the oracle of the runner knows commands when it sees them', () => {
  for (const name of runnerCommands) {
    expect(commandsIn(`a\r \t::${name} x=y::z`)).toContain(name)
    expect(commandsIn(`a ##[${name} x=y]z`)).toContain(name)
  }
  expect(commandsIn('a ::error::b')).toEqual([])
})

test('T3, F23: 10,000 hostile texts through the one writer of the log give no command but its own', async () => {
  const written: string[] = []
  const spy = vi.spyOn(process.stdout, 'write').mockImplementation((chunk) => {
    written.push(String(chunk))
    return true
  })
  let checked = 0
  try {
    const clock = { now: () => new Date(0), monotonic: () => checked * 1e6, sleep: () => Promise.resolve() }
    const outputOf = async (work: () => unknown): Promise<string[]> => {
      written.length = 0
      await work()
      return commandsIn(written.join(''))
    }
    await fc.assert(
      fc.asyncProperty(hostileText, async (text) => {
        checked += 1
        // A log of its own: a warning that was told already is not told again.
        const log = createRunnerLog(clock, (told) => told)
        expect(await outputOf(() => log.info(text))).toEqual([])
        expect(new Set(await outputOf(() => log.warning(text)))).toEqual(new Set(['warning']))
        expect(await outputOf(() => log.progress(() => text))).toEqual([])
        for (const command of await outputOf(() => log.debug(text))) expect(command).toBe('debug')
        expect(new Set(await outputOf(() => log.group(text, () => Promise.resolve())))).toEqual(
          new Set(['group', 'endgroup'])
        )
        const error = { title: text, code: 'SB999', message: text, remedy: text }
        expect(new Set(await outputOf(() => log.error(error)))).toEqual(new Set(['error']))
        expect(new Set(await outputOf(() => log.verdict(text)))).toEqual(new Set(['notice']))
      }),
      { numRuns: 10_000, seed }
    )
  } finally {
    spy.mockRestore()
  }
  expect(checked).toBe(10_000)
}, 120_000)

const tags = /^<\/?(?:h[1-6]|table|thead|tbody|tr|td|th|details|summary|code|pre|br|sub|sup|a)\b/
const ownLink = /^<a href="https:\/\/github\.com\/[^"<>]*">$/

/** What GitHub's own reader of Markdown finds in a text besides what a summary may hold; `mentions`: of people and issues, too, which GitHub looks for in the finished text. */
function disallowed(text: string, mentions = false): string[] {
  const found: string[] = []
  const walk = (node: ReturnType<typeof fromMarkdown> | ReturnType<typeof fromMarkdown>['children'][number]) => {
    if (
      ['image', 'imageReference', 'definition', 'footnoteReference', 'footnoteDefinition', 'linkReference'].includes(
        node.type
      )
    )
      found.push(node.type)
    if (node.type === 'link' && !node.url.startsWith('https://github.com/')) found.push(`link to ${node.url}`)
    if (node.type === 'code' && node.lang !== 'yaml') found.push(`fence ${String(node.lang)}`)
    if (node.type === 'listItem' && typeof node.checked === 'boolean') found.push('task')
    if (node.type === 'html')
      for (const tag of node.value.match(/<[^>]*>?/g) ?? [])
        if (!tags.test(tag) || (tag.startsWith('<a') && !ownLink.test(tag))) found.push(tag)
    if (mentions && node.type === 'text' && /(?:^|\W)(?:@[a-z\d]|#\d)|\bGH-\d/i.test(node.value))
      found.push(`text ${node.value}`)
    if ('children' in node) for (const child of node.children) walk(child)
  }
  walk(fromMarkdown(text, { extensions: [gfm()], mdastExtensions: [gfmFromMarkdown()] }))
  return found
}

/** Tags of the page that a Markdown text becomes, those of HTML in it, too. */
function tagsOf(text: string): string[] {
  const page = micromark(text, { allowDangerousHtml: true, extensions: [gfm()], htmlExtensions: [gfmHtml()] })
  return page.match(/<[a-z!?][^>]*>?/gi) ?? []
}

/** Tags that Markdown itself makes. */
const ofMarkdown =
  /^<(?:p|ul|ol|li|em|strong|blockquote|hr|code class="language-yaml"|t[dh] align="\w+"|ol start="\d+")(?: ?\/)?>$/

/** A result with every text replaced that its schema leaves free, one after the other: what no program of ours decides. */
function withTexts(sample: Result, texts: () => string): Result {
  let json: Json = JSON.parse(JSON.stringify(sample))
  for (const path of pathsOfTexts(json)) {
    const changed = replaced(json, path, texts())
    if (resultSchema.safeParse(changed).success) json = changed
  }
  return resultSchema.parse(json)
}

function pathsOfTexts(value: Json, path: readonly string[] = []): (readonly string[])[] {
  if (typeof value === 'string') return [path]
  if (value === null || typeof value !== 'object') return []
  return Object.entries(value).flatMap(([key, inner]) => pathsOfTexts(inner, [...path, key]))
}

function replaced(value: Json, [key, ...rest]: readonly string[], text: string): Json {
  if (key === undefined) return text
  if (Array.isArray(value))
    return value.map((inner, index) => (String(index) === key ? replaced(inner, rest, text) : inner))
  if (typeof value !== 'object' || value === null) return value
  return Object.fromEntries(
    Object.entries(value).map(([name, inner]) => [name, name === key ? replaced(inner, rest, text) : inner])
  )
}

test('T4, F23: 10,000 hostile texts in every free place of every kind of result give no markup but the page own', () => {
  let used = 0
  fc.assert(
    fc.property(
      fc.constantFrom(...Object.keys(samples)),
      fc.array(hostileText, { minLength: 50, maxLength: 50 }),
      (name, texts) => {
        const sample = samples[name]
        if (sample === undefined) throw new Error(name)
        const small = { ...sample, backups: sample.backups.slice(0, 3) }
        const text = renderSummary(
          withTexts(small, () => texts[used++ % texts.length] ?? ''),
          place
        )
        expect(disallowed(text)).toEqual([])
        for (const tag of tagsOf(text)) if (!tags.test(tag) && !ofMarkdown.test(tag)) expect(tag).toBe('an allowed tag')
        for (const tag of tagsOf(text)) if (tag.startsWith('<a')) expect(tag).toMatch(ownLink)
      }
    ),
    { numRuns: 220, seed }
  )
  expect(used).toBeGreaterThan(10_000)
}, 240_000)

const run = { serverUrl: 'https://github.com', repository: 'acme/shop', runId: '42' }

test('T4, T19: no text of a server, a child process or the database gets into notices; a label is a label', () => {
  const sample = samples['backup-failed'] ?? expect.fail()
  const { error } = sample
  if (error === undefined) expect.fail()
  const harmless = noticeOf(sample, undefined, run)
  fc.assert(
    fc.property(hostileText, (text) => {
      const hostile: Result = {
        ...sample,
        error: { ...error, message: text, remedy: text },
        warnings: sample.warnings.map(() => text),
        findings: [{ kind: 'difference', subject: text, detail: text }],
        destinations: sample.destinations.map((one) => ({ ...one, place: text, error: text })),
        alarms: (sample.alarms ?? []).map((alarm) => ({ ...alarm, detail: text })),
        changes: [text]
      }
      expect(noticeOf(hostile, undefined, run)).toEqual(harmless)
    }),
    { numRuns: 2_000, seed }
  )
})

test('T4: what a check says in an issue, to Slack and to Discord stays words, though names of files are in it', () => {
  const sample = samples['check-alarms'] ?? expect.fail()
  fc.assert(
    fc.property(hostileText, (text) => {
      const hostile = { ...sample, alarms: [{ kind: 'schedule', detail: text, project: 'shop' }] }
      const notice = noticeOf(hostile, undefined, run)
      const body = bodyOf('shop', new Map([['check', 1]]), notice)
      expect(body.match(/<!-- supabase-backup:/g)).toHaveLength(2)
      expect(disallowed(body, true).filter((one) => !one.startsWith('<!-- supabase-backup:'))).toEqual([])
      expect(body).not.toContain('$')
      const slack = JSON.stringify(bodyFor(new URL('https://hooks.slack.com/services/x'), notice))
      expect(slack).not.toMatch(/[<>]/)
      const discord = bodyFor(new URL('https://discord.com/api/webhooks/1/x'), notice)
      expect(discord).toMatchObject({ allowed_mentions: { parse: [] } })
      expect(notice.text.split('\n')).toHaveLength(
        noticeOf(sample, undefined, run).text.split('\n').length - (sample.alarms?.length ?? 0) + 1
      )
    }),
    { numRuns: 500, seed }
  )
}, 120_000)

test('T4, T11: neither the text of a release nor a message of a commit can hold what is no label and no id', () => {
  const backup = { project: 'shop', id: '20261122T161908Z-k2m7q5xa' }
  const plain = renderReleaseBody(backup, new Map()).split('\n').filter(Boolean).slice(0, -1)
  fc.assert(
    fc.property(hostileText, (text) => {
      if (!/^[a-z0-9-]{1,40}$/.test(text)) expect(() => assertRef({ ...backup, project: text })).toThrow()
      expect(() => assertRef({ ...backup, id: text })).toThrow()
      const body = renderReleaseBody(backup, new Map([['manifest.json', Buffer.from(text)]]))
      const lines = body.split('\n').filter(Boolean)
      expect(lines.slice(0, -1)).toEqual(plain)
      expect(lines.at(-1)).toMatch(/^<!-- supabase-backup:1 [A-Za-z0-9+/=]+ -->$/)
      expect(Buffer.from(readReleaseBody(body).get('manifest.json') ?? []).toString()).toBe(
        Buffer.from(text).toString()
      )
    }),
    { numRuns: 2_000, seed }
  )
  expect(renderDraftBody('x').split('\n')[1]).toMatch(/^<!-- supabase-backup-run [0-9a-f.]+ -->$/)
})
