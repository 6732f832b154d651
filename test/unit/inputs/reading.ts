import { UserError } from '../../../src/errors.ts'
import { type Inputs, readInputs } from '../../../src/inputs/index.ts'

export const ref = 'abcdefghijklmnopqrst'
export const databaseUrl = `postgresql://postgres.${ref}:s3cret-p%40ss@aws-0-eu-central-1.pooler.supabase.com:5432/postgres`
export const localUrl = 'postgresql://me:secretpw@127.0.0.1:5432/app'
export const backupId = '20261122T161908Z-k2m7q5xa'

/** Most tests look at other things than sealing. */
const mayBePlain = { plaintext: 'private' }

/** Inputs by name as the runner hands them over: what is not given is an empty text. */
export function getter(given: Readonly<Record<string, string>>): (name: string) => string {
  return (name) => (Object.hasOwn(given, name) ? (given[name] ?? '') : '')
}

/** Reads inputs of one command; fails when they are refused or of another command. */
export function read<C extends Inputs['command']>(command: C, given: Readonly<Record<string, string>> = {}) {
  const inputs = readInputs(getter({ command, ...mayBePlain, ...given }))
  const isThis = (one: Inputs): one is Extract<Inputs, { readonly command: C }> => one.command === command
  if (!isThis(inputs)) throw new Error(`read as ${inputs.command}`)
  return inputs
}

/** The error that inputs are refused with. */
export function refusal(given: Readonly<Record<string, string>>): UserError {
  try {
    readInputs(getter({ ...mayBePlain, ...given }))
  } catch (error) {
    if (error instanceof UserError) return error
    throw error
  }
  throw new Error(`taken: ${JSON.stringify(given)}`)
}
