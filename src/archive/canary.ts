import { createHash } from 'node:crypto'
import type { RandomBytes } from '../context.ts'
import type { Manifest } from './manifest.ts'

const alphabet = 'abcdefghijklmnopqrstuvwxyz234567'
const groups = 5
const groupLength = 5
const wordPattern = /^canary(?:-[a-z2-7]{5}){5}$/
const namePattern = /^canary-[0-9a-f]{16}\.txt\.age$/

/**
 * A small file, sealed like all others of a backup and not compressed, that a person opens with `age -d` on the machine where the key lies. Inside
 * stands a word that nobody without a key can know, and its name is made of the word's digest: who tells the word has opened it.
 */
export interface Canary {
  /** Plain name; `.age` comes to it when it is stored. */
  readonly name: string
  readonly text: string
}

/** Makes the canary of a backup for recipients; `word` holds 125 random bits. */
export function makeCanary(
  about: Pick<Manifest, 'id' | 'project' | 'encryption'>,
  randomBytes: RandomBytes
): Canary & { readonly word: string } {
  const bytes = randomBytes(groups * groupLength)
  const word = ['canary']
    .concat(
      Array.from({ length: groups }, (_, at) => lettersOf(bytes.subarray(at * groupLength, (at + 1) * groupLength)))
    )
    .join('-')
  return {
    name: canaryName(word),
    word,
    text: `This key opens backup ${about.id} of ${about.project}.
The backup was made for: ${about.encryption.recipients.join(', ')}
To have that on record, run the action once with

    command: verify
    canary: ${word}

The word opens nothing. It shows that somebody holds a key that does.
`
  }
}

/** Whether a line is the word of a canary. */
export function isCanaryWord(text: string): boolean {
  return wordPattern.test(text)
}

/** The stored name of the canary of a backup; undefined where it has none: made without recipients, or by an earlier version. */
export function storedCanary(manifest: Pick<Manifest, 'files'>): string | undefined {
  return manifest.files.find((file) => namePattern.test(file.name))?.name
}

/** Whether one of the words stands in the canary of this backup, so that whoever told it has opened it with a key of the backup's recipients. */
export function isHeard(manifest: Pick<Manifest, 'files'>, words: readonly string[]): boolean {
  const name = storedCanary(manifest)
  return name !== undefined && words.some((word) => `${canaryName(word)}.age` === name)
}

/** Whether a plain name is that of a canary. */
export function isCanaryName(plainName: string): boolean {
  return namePattern.test(`${plainName}.age`)
}

function lettersOf(bytes: Uint8Array): string {
  return Array.from(bytes, (byte) => alphabet.charAt(byte & 31)).join('')
}

function canaryName(word: string): string {
  return `canary-${createHash('sha256').update(word).digest('hex').slice(0, 16)}.txt`
}
