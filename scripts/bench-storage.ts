// Storage backups against a plain parallel download of the same objects, in one process each, in turns. Prints medians; asserts nothing.
//
//   node scripts/bench-storage.ts [--objects 10000] [--bytes 20000] [--repeats 3] [--bundle dist/index.js]

import { randomBytes } from 'node:crypto'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { parseArgs } from 'node:util'
import { generateIdentity, identityToRecipient } from 'age-encryption'
import { type ActionRun, runAction } from '../test/kit/action.ts'
import { startStorage } from '../test/kit/supabase/storage.ts'
import { median } from './bench-measure.ts'
import { bundle } from './demo-action.ts'

const { values } = parseArgs({
  options: {
    objects: { type: 'string', default: '10000' },
    bytes: { type: 'string', default: '20000' },
    repeats: { type: 'string', default: '3' },
    bundle: { type: 'string', default: bundle }
  }
})
const jobs = 16
const count = Number(values.objects)
const key = 'sb_secret_bench_00000000000000000000000000'
const storage = await startStorage({ key })
const recipients = await identityToRecipient(await generateIdentity())
storage.addBucket('bench')
for (let number = 0; number < count; number++) storage.put('bench', `file-${number}`, randomBytes(Number(values.bytes)))
const root = await mkdtemp(path.join(tmpdir(), 'sb-bench-'))

async function plain(): Promise<number> {
  const started = performance.now()
  const keys = [...storage.objects.values()].map((object) => object.key)
  const worker = async (): Promise<void> => {
    for (let next = keys.pop(); next !== undefined; next = keys.pop()) {
      const response = await fetch(`${storage.url}/storage/v1/object/bench/${next}`, { headers: { apikey: key } })
      await response.arrayBuffer()
    }
  }
  await Promise.all(Array.from({ length: jobs }, worker))
  return performance.now() - started
}

async function backup(folder: string): Promise<{ ms: number; run: ActionRun }> {
  const started = performance.now()
  const run = await runAction({
    bundle: values.bundle,
    inputs: {
      include: 'storage',
      'supabase-url': storage.url,
      'service-role-key': key,
      project: 'bench',
      destinations: 'folder',
      folder,
      recipients,
      verify: 'none',
      jobs: String(jobs)
    }
  })
  await run.cleanUp()
  return { ms: performance.now() - started, run }
}

const samples: Record<'plain' | 'first' | 'unchanged' | 'onePercent', number[]> = {
  plain: [],
  first: [],
  unchanged: [],
  onePercent: []
}
try {
  for (let round = 0; round < Number(values.repeats); round++) {
    const folder = path.join(root, String(round))
    samples.plain.push(await plain())
    const first = await backup(folder)
    if (first.run.code !== 0) throw new Error(first.run.log)
    samples.first.push(first.ms)
    samples.unchanged.push((await backup(folder)).ms)
    let changed = 0
    for (let number = 0; number < count / 100; number++)
      changed += storage.put('bench', `file-${number * 100}`, randomBytes(Number(values.bytes))).size
    const one = await backup(folder)
    samples.onePercent.push(one.ms)
    const counts = one.run.result?.backup?.parts.find((part) => part.source === 'storage')?.counts
    console.log(`round ${round + 1}: ${JSON.stringify(counts)}, ${changed} bytes changed`)
  }
  const [floor, first] = [median(samples.plain), median(samples.first)]
  console.log(`| plain download | first backup | unchanged | 1 % changed |\n| --- | --- | --- | --- |`)
  console.log(
    `| ${seconds(floor)} | ${seconds(first)} (${(first / floor).toFixed(2)} x) | ${seconds(median(samples.unchanged))} | ${seconds(median(samples.onePercent))} |`
  )
} finally {
  await storage.stop()
  await rm(root, { recursive: true, force: true })
}

function seconds(ms: number): string {
  return `${(ms / 1000).toFixed(1)} s`
}
