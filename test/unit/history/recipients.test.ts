import { expect, test } from 'vitest'
import type { Manifest } from '../../../src/archive/manifest.ts'
import type { VerificationRecord } from '../../../src/archive/verification-record.ts'
import { recipientWarnings } from '../../../src/commands/compare-with-history.ts'
import { UserError } from '../../../src/errors.ts'
import type { HistoryEntry } from '../../../src/history/entries.ts'
import { isAccepted, isKeyShown, recipientChange, shownRecipients } from '../../../src/history/recipients.ts'
import { day, entry, hour, now } from './histories.ts'

const a = 'fp:aaaaaaaaaaaaaaaa'
const b = 'fp:bbbbbbbbbbbbbbbb'
const c = 'fp:cccccccccccccccc'
const to = (...recipients: string[]): Manifest['encryption'] => ({ scheme: 'age-x25519', recipients })
const plain: Manifest['encryption'] = { scheme: 'none', recipients: [] }
const passphrase: Manifest['encryption'] = { scheme: 'age-scrypt', recipients: [] }

function made(ageMs: number, encryption: Manifest['encryption'], facts: Partial<Manifest> = {}): HistoryEntry {
  return entry({ ageMs, manifest: { encryption, ...facts } })
}

function outcome(
  entries: readonly HistoryEntry[],
  encryptionFacts: Manifest['encryption'],
  acceptRecipients: readonly string[] = []
): readonly string[] | { code: string; message: string; remedy: string } {
  try {
    return recipientWarnings(entries, { encryptionFacts, acceptRecipients }, now)
  } catch (thrown) {
    if (!(thrown instanceof UserError)) throw thrown
    return { code: thrown.code, message: thrown.message, remedy: thrown.remedy }
  }
}

test('a recipient that is gone stops the run and is named, whatever takes its place', () => {
  const before = [made(day, to(a, b)), made(2 * day, to(a))]
  expect(outcome(before, to(a))).toMatchObject({
    code: 'SB908',
    message: expect.stringContaining(`keys of ${b}, and this one would be for ${a} alone`),
    remedy: expect.stringContaining(`accept-recipients: ${b}`)
  })
  expect(outcome(before, to(a, c))).toMatchObject({ code: 'SB908' })
  expect(outcome(before, plain)).toMatchObject({ message: expect.stringContaining('not be encrypted at all') })
  expect(outcome(before, passphrase)).toMatchObject({ message: expect.stringContaining('sealed with a passphrase') })
})

test('the same recipients, in any order, are no change; more of them are told', () => {
  expect(outcome([made(day, to(a, b))], to(b, a))).toEqual([])
  expect(outcome([made(day, to(a))], to(a, b))).toEqual([expect.stringContaining(`was not for: ${b}`)])
  expect(outcome([], to(a))).toEqual([])
  expect(outcome([made(day, plain)], to(a))).toEqual([expect.stringContaining(a)])
})

test('what is gone passes when it is named, or when all that are left are', () => {
  const before = [made(day, to(a, b))]
  expect(outcome(before, to(a), [b])).toEqual([expect.stringContaining(`not for ${b} any more`)])
  expect(outcome(before, to(a), [a])).toEqual([expect.stringContaining(b)])
  expect(outcome(before, to(c), [c])).toHaveLength(2)
  expect(outcome(before, plain, [a, b])).toHaveLength(1)
  expect(outcome(before, plain, [a])).toMatchObject({ code: 'SB908' })
  expect(outcome(before, passphrase, [c])).toMatchObject({ code: 'SB908' })
  expect(outcome(before, to(c), [a])).toMatchObject({ code: 'SB908' })
  // All that are left, not some of them.
  expect(outcome(before, to(a, c), [a])).toMatchObject({ code: 'SB908' })
  expect(outcome(before, to(a, c), [a, c])).toHaveLength(2)
})

test('a passphrase that is dropped is told', () => {
  expect(outcome([made(day, passphrase)], plain)).toEqual([expect.stringContaining('not encrypted at all')])
  expect(outcome([made(day, passphrase)], to(a))).toHaveLength(1)
})

test('the newest earlier backup counts: no safety copy, none that was changed or cannot be read, the future only at last', () => {
  const real = made(day, to(a))
  const others = [
    made(hour, to(b), { kind: 'safety' }),
    { ...made(hour, to(b)), changed: true },
    entry({ ageMs: hour, unreadable: true }),
    made(-day, to(b))
  ]
  expect(recipientChange([...others, real], to(a), now)).toMatchObject({ earlier: real.ref.id, gone: [] })
  expect(recipientChange(others, to(a), now)).toMatchObject({ gone: [b] })
  expect(recipientChange(others.slice(0, 3), to(a), now)).toBeUndefined()
  expect(isAccepted({ earlier: 'x', gone: [], added: [], passphraseDropped: false }, [], [])).toBe(true)
})

test('where nothing says what is accepted, as in safety backups, nothing is compared', () => {
  expect(recipientWarnings([made(day, to(a))], { encryptionFacts: plain }, now)).toEqual([])
})

function record(
  facts: Partial<VerificationRecord>,
  level: 'checksum' | 'read' | 'restore' = 'read'
): VerificationRecord {
  return {
    format: 1,
    id: 'x',
    project: 'shop',
    tool: 'supabase-backup 0.0.0',
    outcome: 'passed',
    verification: { level, at: now.toISOString(), tables: { restore: 0, read: 0, differing: 0 }, notProven: [] },
    ...facts
  }
}

test('a key is shown by a later verification that opened a backup, and by nothing else', () => {
  const sealed = made(day, to(a, b))
  const shownBy = (...records: VerificationRecord[]) => [...shownRecipients([{ ...sealed, records }])]
  expect(shownBy()).toEqual([])
  expect(shownBy(record({ openedBy: [a] }))).toEqual([a])
  expect(shownBy(record({ openedBy: [a, c] }, 'restore'))).toEqual([a])
  expect(shownBy(record({}))).toEqual([a, b])
  expect(shownBy(record({ openedBy: [a] }, 'checksum'))).toEqual([])
  expect(shownBy(record({ openedBy: [a], outcome: 'failed' }))).toEqual([])
  // The word of a canary was told: which of the keys it was is not known.
  expect(shownBy(record({ canary: true }, 'checksum'))).toEqual([a, b])
  expect(shownBy(record({ canary: true, outcome: 'failed' }, 'checksum'))).toEqual([])
  expect([...shownRecipients([{ ...sealed, records: [record({})], changed: true }])]).toEqual([])
  expect([...shownRecipients([{ ...entry({ unreadable: true }), records: [record({})] }])]).toEqual([])

  const opened = [{ ...sealed, records: [record({ openedBy: [a] })] }]
  expect(isKeyShown(opened, to(a))).toBe(true)
  expect(isKeyShown(opened, to(b))).toBe(false)
  // One key is enough for the backups to be opened.
  expect(isKeyShown(opened, to(a, b))).toBe(true)
  expect(isKeyShown(opened, plain)).toBeUndefined()
  expect(isKeyShown(opened, undefined)).toBeUndefined()
})
