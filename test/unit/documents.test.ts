import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { dirname, join, normalize } from 'node:path'
import { fileURLToPath } from 'node:url'
import { fromMarkdown } from 'mdast-util-from-markdown'
import { gfmFromMarkdown } from 'mdast-util-gfm'
import { gfm } from 'micromark-extension-gfm'
import { describe, expect, it } from 'vitest'

type Root = ReturnType<typeof fromMarkdown>
type Nodes = Root | Root['children'][number]

const root = fileURLToPath(new URL('../../', import.meta.url))
const pages = [
  'README.md',
  'CHANGELOG.md',
  'src/README.md',
  'src/archive/README.md',
  ...['docs', '.github', '.github/decisions'].flatMap((folder) =>
    readdirSync(`${root}${folder}`)
      .filter((name) => name.endsWith('.md'))
      .map((name) => `${folder}/${name}`)
  )
]

const parsed = new Map<string, Nodes[]>()

function nodesOf(page: string): Nodes[] {
  const known = parsed.get(page)
  if (known !== undefined) return known
  const text = readFileSync(`${root}${page}`, 'utf8')
  const nodes = all(fromMarkdown(text, { extensions: [gfm()], mdastExtensions: [gfmFromMarkdown()] }))
  parsed.set(page, nodes)
  return nodes
}

function all(node: Nodes): Nodes[] {
  return [node, ...('children' in node ? node.children.flatMap((child) => all(child)) : [])]
}

function textOf(node: Nodes): string {
  if ('value' in node) return node.value
  return 'children' in node ? node.children.map((child) => textOf(child)).join('') : ''
}

/** The anchors that GitHub gives to the headings of a page. */
function anchorsOf(page: string): Set<string> {
  const headings = nodesOf(page).filter((node) => node.type === 'heading')
  return new Set(
    headings.map((node) =>
      textOf(node)
        .toLowerCase()
        .replace(/[^\p{L}\p{N}\p{M} _-]/gu, '')
        .replaceAll(' ', '-')
    )
  )
}

describe.each(pages)('%s', (page) => {
  it('links to files and headings that are there', () => {
    const broken = nodesOf(page)
      .flatMap((node) => {
        if (node.type === 'link' || node.type === 'image') return [node.url]
        if (node.type !== 'html') return []
        return [...node.value.matchAll(/\b(?:href|src|srcset)="([^"]*)"/g)].map(([, url = '']) => url)
      })
      .filter((url) => !/^[a-z]+:/.test(url))
      .filter((url) => {
        const [path = '', anchor] = url.split('#')
        const target = path === '' ? page : normalize(join(dirname(page), path))
        if (!existsSync(`${root}${target}`)) return true
        return anchor !== undefined && target.endsWith('.md') && !anchorsOf(target).has(anchor)
      })
    expect(broken).toEqual([])
  })
})

it('the headings are read as GitHub reads them', () => {
  expect(anchorsOf('README.md')).toContain('set-up-in-ten-minutes')
  expect(anchorsOf('docs/errors.md')).toContain('sb104')
})
