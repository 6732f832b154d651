import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, it, test } from 'vitest'
import { renderTerminal } from '../../../src/ui/terminal.ts'

it('draws tables by columns and takes the marks of Markdown away', () => {
  expect(
    renderTerminal(
      '## ✅ A <code>title</code>\n\n| Table | Rows |\n| --- | ---: |\n| <code>public.order&#95;lines</code> | 31 000 |\n| b | 7 |\n\n<details><summary>More: 1</summary>\n\n- **one** &lt;two&gt;\n\n</details>\n'
    )
  ).toBe(
    [
      '✅ A title',
      '==========',
      '',
      'Table                Rows',
      '------------------  ------',
      'public.order_lines  31 000',
      'b                        7',
      '',
      '-- More: 1 --',
      '',
      '- one <two>',
      ''
    ]
      .join('\n')
      .replace('Table                Rows', 'Table                 Rows')
  )
})

const golden = join(import.meta.dirname, 'golden')
test.each(readdirSync(golden))('no markup is left of %s', (name) => {
  const text = renderTerminal(readFileSync(join(golden, name), 'utf8'))
  // A hostile name is text, whatever tags it spells: there only what a terminal acts on must be gone.
  if (name !== 'hostile.md') expect(text).not.toMatch(/<\/?(?:details|summary|code|sub|a|br)\b|^\| |&#\d+;|\*\*/m)
  expect(text).not.toMatch(/[\u0000-\u0009\u000b-\u001f\u007f]/)
})
