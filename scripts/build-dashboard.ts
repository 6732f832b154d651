// The page of the dashboard as one file, into the folder named: the chart library, the style and the script of src/ui/dashboard/page inside it,
// the data left open. The same sources give the same bytes.
import { createHash } from 'node:crypto'
import { readFile, writeFile } from 'node:fs/promises'
import { createRequire } from 'node:module'
import path from 'node:path'
import { fileURLToPath } from 'node:url'
import ts from 'typescript'
import { dashboardMark, dataPlaceholder } from '../src/ui/dashboard/render.ts'

const source = fileURLToPath(new URL('../src', import.meta.url))
const page = path.join(source, 'ui/dashboard/page')
const uplot = path.dirname(createRequire(import.meta.url).resolve('uplot/package.json'))

interface Module {
  /** Its path below src/, without ending. */
  readonly name: string
  readonly code: string
}

/** A module and all that it imports, each once, in the order in which they are first imported. */
async function modulesFrom(file: string, known = new Map<string, Module>()): Promise<Map<string, Module>> {
  const name = nameOf(file)
  if (known.has(name)) return known
  const text = await readFile(file, 'utf8')
  const { outputText } = ts.transpileModule(text, {
    fileName: file,
    compilerOptions: { target: ts.ScriptTarget.ES2022, module: ts.ModuleKind.CommonJS, verbatimModuleSyntax: false }
  })
  const imports = [...outputText.matchAll(/\brequire\("(\.[^"]+)"\)/g)].map((match) => match[1] ?? '')
  const code = outputText.replace(
    /\brequire\("(\.[^"]+)"\)/g,
    (_, to: string) => `require(${JSON.stringify(nameOf(path.resolve(path.dirname(file), to)))})`
  )
  known.set(name, { name, code })
  for (const to of imports) await modulesFrom(path.resolve(path.dirname(file), to), known)
  return known
}

function nameOf(file: string): string {
  return path.relative(source, file).replaceAll(path.sep, '/').replace(/\.ts$/, '')
}

/** All modules as one script that runs `main`. */
function scriptOf(modules: readonly Module[], chart: string): string {
  const functions = modules.map(
    ({ name, code }) => `${JSON.stringify(name)}: (exports, require) => {\n${code.trim()}\n}`
  )
  return `'use strict'
${chart.trim()}
const modules = {
${functions.join(',\n')}
}
const loaded = { uplot: { __esModule: true, default: uPlot } }
function require(name) {
  if (loaded[name] === undefined) {
    loaded[name] = {}
    modules[name](loaded[name], require)
  }
  return loaded[name]
}
require(${JSON.stringify(nameOf(path.join(page, 'main.ts')))})
`
}

function put(template: string, mark: string, text: string): string {
  const [before, after, ...more] = template.split(mark)
  if (before === undefined || after === undefined || more.length > 0)
    throw new Error(`page.html must have ${mark} once`)
  return `${before}${text}${after}`
}

function digestOf(text: string): string {
  return createHash('sha256').update(text).digest('base64')
}

const licence = await readFile(path.join(uplot, 'LICENSE'), 'utf8')
const chart = `/*!\nuPlot\n${licence.trim()}\n*/\n${await readFile(path.join(uplot, 'dist/uPlot.iife.min.js'), 'utf8')}`
const modules = await modulesFrom(path.join(page, 'main.ts'))
const script = scriptOf([...modules.values()], chart)
const style = `${(await readFile(path.join(uplot, 'dist/uPlot.min.css'), 'utf8')).trim()}\n${await readFile(path.join(page, 'style.css'), 'utf8')}`
if (/<\/(?:script|style)|<!--/i.test(script) || /<\//.test(style))
  throw new Error('script or style would end its element')

let template = await readFile(path.join(page, 'page.html'), 'utf8')
if (!template.startsWith(dashboardMark) || template.split(dataPlaceholder).length !== 2)
  throw new Error('page.html lacks its first line or the place for the data')
template = put(template, 'sha256-SCRIPT', `sha256-${digestOf(script)}`)
template = put(template, 'sha256-STYLE', `sha256-${digestOf(style)}`)
template = put(template, '/*STYLE*/', style)
template = put(template, '/*SCRIPT*/', script)

const [folder = 'dist'] = process.argv.slice(2)
await writeFile(path.join(folder, 'dashboard.html'), template)
