import { extract } from 'tar-stream'
import { z } from 'zod'
import type { EdgeFunction, FunctionsFacts } from '../../archive/contents-functions.ts'
import type { Files } from '../../archive/files.ts'
import type { Management } from '../../clients/supabase/management.ts'
import { ManagementError } from '../../clients/supabase/management-errors.ts'
import type { Context } from '../../context.ts'
import { reasonOf } from '../management-reason.ts'
import type { Finding } from '../source.ts'
import { compareFunction } from './compare.ts'
import { type Contents, deployFunction, wayToDeploy } from './deploy.ts'
import { type ListedFunction, listedFunctionSchema, listedSecretsSchema } from './read-function.ts'
import { sha256 } from './source-paths.ts'

export interface RestoreFunctionsOptions {
  readonly context: Context
  /** The project to deploy to. */
  readonly target: Management
  /** Has `functions.tar`. */
  readonly files: Files
  /** `functions` of contents.json. */
  readonly facts: FunctionsFacts
  /** Only say what would be done. */
  readonly dryRun: boolean
}

export interface RestoredFunctions {
  /** Slugs that were deployed, or would be. */
  readonly deployed: readonly string[]
  /** Slugs that are there already and equal. */
  readonly equal: readonly string[]
  /** `todo`: secrets to be set by hand, functions that could not be deployed; `difference`: deployed, but not equal. */
  readonly findings: readonly Finding[]
}

/**
 * Deploys the functions that the target lacks or has in another form, reads each back and compares, and lists the secrets to be set. Functions that
 * only the target has stay. One function is in memory at a time. Throws ManagementError when the token is refused or may not do it at all.
 */
export async function restoreFunctions(options: RestoreFunctionsOptions): Promise<RestoredFunctions> {
  const { facts, target, context } = options
  const deployed: string[] = []
  const equal: string[] = []
  const findings: Finding[] = []
  const live = facts.functions.filter(({ status }) => status !== 'REMOVED')
  if (live.length > 0) {
    const listed = await target.read('/functions', z.array(listedFunctionSchema))
    const pending = new Set(live)
    await eachFunction(live, options.files, async (one, contents) => {
      pending.delete(one)
      context.signal.throwIfAborted()
      const done = await restoreFunction(
        one,
        contents,
        listed.find(({ slug }) => slug === one.slug),
        options
      )
      if (done.outcome === 'equal') equal.push(one.slug)
      if (done.outcome === 'deployed') deployed.push(one.slug)
      findings.push(...done.findings)
    })
    for (const one of pending)
      findings.push(functionTodo(one, target.ref, one.problem ?? 'its files are not in the backup'))
  }
  findings.push(...(await secretsToSet(facts, target)))
  return { deployed, equal, findings }
}

async function restoreFunction(
  one: EdgeFunction,
  contents: Contents,
  there: ListedFunction | undefined,
  { target, dryRun, context }: RestoreFunctionsOptions
): Promise<{ outcome: 'equal' | 'deployed' | 'failed'; findings: readonly Finding[] }> {
  if (there !== undefined && (await compareFunction(one, there, target)).length === 0)
    return { outcome: 'equal', findings: [] }
  const way = wayToDeploy(one)
  if (way === 'none')
    return {
      outcome: 'failed',
      findings: [functionTodo(one, target.ref, one.problem ?? 'nothing of it can be deployed')]
    }
  if (dryRun) return { outcome: 'deployed', findings: [] }
  try {
    await deployFunction(one, way, contents, there !== undefined, target)
  } catch (thrown) {
    if (!(thrown instanceof ManagementError) || thrown.code === 'SB821' || thrown.code === 'SB822') throw thrown
    const reason = thrown.code === 'SB829' ? thrown.message : reasonOf(thrown)
    return { outcome: 'failed', findings: [functionTodo(one, target.ref, `it could not be deployed (${reason})`)] }
  }
  context.log.info(`Deployed the Edge Function ${one.slug}`)
  const now = (await target.read('/functions', z.array(listedFunctionSchema))).find(({ slug }) => slug === one.slug)
  const differences = now === undefined ? ['it is not listed'] : await compareFunction(one, now, target)
  return {
    outcome: 'deployed',
    findings: differences.map((detail) => ({ kind: 'difference', subject: `Edge Function ${one.slug}`, detail }))
  }
}

/** Reads the archive once and hands each function over as soon as all its files were seen and found undamaged. */
async function eachFunction(
  functions: readonly EdgeFunction[],
  files: Files,
  work: (one: EdgeFunction, contents: Contents) => Promise<void>
): Promise<void> {
  const owners = new Map<string, { one: EdgeFunction; sha256: string; bytes: number }>()
  for (const one of functions)
    for (const file of [...one.files, ...(one.bundle === null ? [] : [one.bundle])])
      owners.set(file.entry, { one, ...file })
  const seen = new Map<EdgeFunction, Map<string, Uint8Array<ArrayBuffer>>>()
  const archive = extract()
  const source = files.open('functions.tar')
  source.once('error', (error) => archive.destroy(error))
  source.pipe(archive)
  try {
    for await (const entry of archive) {
      const owner = owners.get(entry.header.name)
      if (owner === undefined || entry.header.type !== 'file' || entry.header.size !== owner.bytes) {
        entry.resume()
        continue
      }
      const bytes = await collect(entry as AsyncIterable<Uint8Array>, owner.bytes)
      if (sha256(bytes) !== owner.sha256) continue
      const contents = seen.get(owner.one) ?? new Map<string, Uint8Array<ArrayBuffer>>()
      contents.set(entry.header.name, bytes)
      seen.set(owner.one, contents)
      if (contents.size < owner.one.files.length + (owner.one.bundle === null ? 0 : 1)) continue
      seen.delete(owner.one)
      await work(owner.one, contents)
    }
  } finally {
    source.destroy()
    archive.destroy()
  }
}

async function collect(entry: AsyncIterable<Uint8Array>, size: number): Promise<Uint8Array<ArrayBuffer>> {
  const whole = new Uint8Array(size)
  let at = 0
  for await (const chunk of entry) {
    whole.set(chunk, at)
    at += chunk.byteLength
  }
  return whole
}

function functionTodo(one: EdgeFunction, ref: string, detail: string): Finding {
  const plain = /^[A-Za-z][A-Za-z0-9_-]*$/.test(one.slug)
  return {
    kind: 'todo',
    subject: `Edge Function ${one.slug}`,
    detail,
    // A name that means something to a shell is no part of a command.
    ...(plain ? { remedy: `supabase functions deploy ${one.slug} --project-ref ${ref}` } : {})
  }
}

/** The platform sets these itself and refuses to take them. */
const ofThePlatform = /^SUPABASE_/

/** Secrets whose value the target lacks: the digests are equal where it is there already. */
async function secretsToSet(facts: FunctionsFacts, target: Management): Promise<readonly Finding[]> {
  const wanted = (facts.secrets ?? []).filter(({ name }) => !ofThePlatform.test(name))
  if (wanted.length === 0) return []
  let there: readonly { name: string; value: string }[] = []
  try {
    there = await target.read('/secrets', listedSecretsSchema)
  } catch (thrown) {
    // Then all of them are listed, which is never too few.
    reasonOf(thrown)
  }
  return wanted
    .filter(({ name, digest }) => !there.some((each) => each.name === name && each.value === digest))
    .map(({ name }) => ({
      kind: 'todo',
      subject: `secret ${name}`,
      detail: 'its value can be read by nobody and is in no backup: set it anew',
      ...(/^[A-Za-z_][A-Za-z0-9_]*$/.test(name)
        ? { remedy: `supabase secrets set ${name}=<value> --project-ref ${target.ref}` }
        : {})
    }))
}
