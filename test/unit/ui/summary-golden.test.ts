import { join } from 'node:path'
import { fromMarkdown } from 'mdast-util-from-markdown'
import { gfmFromMarkdown } from 'mdast-util-gfm'
import { gfm } from 'micromark-extension-gfm'
import { expect, test } from 'vitest'
import { renderSummary } from '../../../src/ui/summary/index.ts'
import { place, samples } from './samples.ts'

type Root = ReturnType<typeof fromMarkdown>
type Nodes = Root | Root['children'][number]

// `npm run golden` writes the files anew; look at the difference, and at the page itself: `npm run screenshots`.

const allowed =
  /^<\/?(?:h[1-6]|table|thead|tbody|tr|td|th|details|summary|code|pre|br|sub|sup)>$|^<a href="https:\/\/github\.com\/[^"<>]*">$|^<\/a>$/

for (const [name, result] of Object.entries(samples)) {
  test(`${name}: the summary is as it was looked at`, async () => {
    await expect(renderSummary(result, place)).toMatchFileSnapshot(join(import.meta.dirname, 'golden', `${name}.md`))
  })

  test(`T4, ${name}: GitHub's Markdown reads it as meant: verdict first, whole tables, few tags, own links`, () => {
    const text = renderSummary(result, place)
    const tree = fromMarkdown(text, { extensions: [gfm()], mdastExtensions: [gfmFromMarkdown()] })
    const nodes = all(tree)
    expect(tree.children[0]).toMatchObject({ type: 'heading', depth: 2 })
    expect(nodes.filter((node) => node.type === 'heading' && node.depth < 3)).toHaveLength(1)
    for (const node of nodes) {
      if (node.type === 'table') {
        const widths = node.children.map((one) => one.children.length)
        expect(new Set(widths).size, text).toBe(1)
      }
      if (node.type === 'html') for (const tag of node.value.match(/<[^>]*>/g) ?? []) expect(tag).toMatch(allowed)
      expect(['image', 'definition', 'footnoteReference', 'linkReference']).not.toContain(node.type)
      if (node.type === 'code') expect(['yaml', 'sql']).toContain(node.lang)
    }
    for (const tag of ['details', 'summary', 'code', 'a', 'sub', 'pre'])
      expect(count(text, new RegExp(`<${tag}[ >]`, 'g')), tag).toBe(count(text, new RegExp(`</${tag}>`, 'g')))
  })
}

test('a failure says what, why and what to do before anything else', () => {
  const text = renderSummary(samples['backup-failed'] ?? expect.fail(), place)
  const order = ['was not backed up', 'What happened:', 'Why:', 'What to do:', 'What you still have:', 'History'].map(
    (words) => text.indexOf(words)
  )
  expect(order).toEqual(order.toSorted((a, b) => a - b))
  expect(order).not.toContain(-1)
})

test('SQL to be run by hand can be copied as it is, whatever it holds', () => {
  const sql = "create policy \"a`b```\" on public.t\n  using (tags @> array['#1'] and url <> 'https://x.example');"
  const sample = samples['restore'] ?? expect.fail()
  const text = renderSummary(
    { ...sample, findings: [{ kind: 'todo', subject: 'policy', detail: 'refused', remedy: sql }] },
    place
  )
  const nodes = all(fromMarkdown(text, { extensions: [gfm()], mdastExtensions: [gfmFromMarkdown()] }))
  expect(nodes.filter((node) => node.type === 'code' && node.lang === 'sql')).toMatchObject([{ value: sql }])
})

function all(node: Nodes): Nodes[] {
  return [node, ...('children' in node ? node.children.flatMap((child) => all(child)) : [])]
}

function count(text: string, pattern: RegExp): number {
  return text.match(pattern)?.length ?? 0
}
