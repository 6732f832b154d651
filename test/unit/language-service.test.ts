import { readdirSync, readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { describe, expect, it } from 'vitest'
import { parse } from 'yaml'
import { findingsOf } from '../kit/workflows/language-service.ts'

const root = fileURLToPath(new URL('../../', import.meta.url))
const uses = 'OWNER/supabase-backup@v1'
const actionText = readFileSync(`${root}action.yml`, 'utf8')
const action: unknown = parse(actionText)

const workflows = ['examples', '.github/workflows'].flatMap((folder) =>
  readdirSync(`${root}${folder}`)
    .filter((name) => name.endsWith('.yml'))
    .map((name) => `${folder}/${name}`)
)

/** The YAML blocks of a page that are whole workflows. */
function workflowsIn(page: string): string[] {
  const blocks = [...readFileSync(`${root}${page}`, 'utf8').matchAll(/^( *)```yaml\n([\s\S]*?)^\1```$/gm)]
  return blocks
    .map(([, indent = '', text = '']) => text.replaceAll(new RegExp(`^${indent}`, 'gm'), ''))
    .filter((text) => /^jobs:/m.test(text))
}

const read = (path: string, text: string) => findingsOf(path, text, uses, action)

describe("GitHub's language service", () => {
  it.each(workflows)('finds nothing in %s', async (path) => {
    expect(await read(path, readFileSync(`${root}${path}`, 'utf8'))).toEqual([])
  })

  it('finds nothing in the quick start of README.md', async () => {
    const [quickStart, ...others] = workflowsIn('README.md')
    expect(others).toEqual([])
    expect(await read('.github/workflows/backup.yml', quickStart ?? '')).toEqual([])
  })

  it('finds nothing in action.yml', async () => {
    expect(await read('action.yml', actionText)).toEqual([])
  })

  it.each([
    ['an input that does not exist', 'recipients:', 'recipient:'],
    ['a permission that does not exist', 'contents: write', 'contents: wright'],
    ['an hour that does not exist', "'17 3 * * *'", "'17 25 * * *'"],
    ['a context that does not exist', 'secrets.SUPABASE_DB_URL', 'secret.SUPABASE_DB_URL']
  ])('would find %s', async (_, good, bad) => {
    const text = workflowsIn('README.md')[0] ?? ''
    expect(text).toContain(good)
    expect(await read('.github/workflows/backup.yml', text.replace(good, bad))).not.toEqual([])
  })
})
