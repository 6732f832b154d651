import { X509Certificate } from 'node:crypto'
import { Decrypter, Encrypter } from 'age-encryption'
import { isCanaryWord } from '../archive/canary.ts'
import { fingerprintOf } from '../archive/encryption.ts'
import { readSigningKey, readVerifyKey, type SigningKey, type VerifyKey } from '../archive/signature.ts'
import { accepted, type Parse, refused, unlessRefused } from './parsed.ts'

/** Shortest passphrase that is taken; see faults.md 10.7. */
export const shortestPassphrase = 14

/** Lines without comments (`# public key: ...`) and empty ones, so that the file of age-keygen can be given as it is. */
export function keyLines(text: string): string[] {
  return text
    .split(/[,\n]/)
    .map((line) => line.trim())
    .filter((line) => line !== '' && !line.startsWith('#'))
}

/** `Public key: age1...`, as age-keygen prints it, is the key itself. */
function withoutLabel(line: string): string {
  return line.replace(/^public key:\s*/i, '').replace(/^(["'])(.*)\1$/, '$2')
}

/** age recipients, one a line: `age1...` or all of them `age1pq1...`. Repeated ones count once. */
export const parseRecipients: Parse<readonly string[]> = (text) => {
  const recipients = [...new Set(keyLines(text).map(withoutLabel))]
  if (recipients.length === 0) return refused('it holds no recipient', 'SB006')
  for (const [index, recipient] of recipients.entries()) {
    if (/^AGE-SECRET-KEY-/i.test(recipient)) {
      return refused(
        `line ${index + 1} is an identity, the secret half of a key: give the public half (age1...) and treat this one as known to others`,
        'SB006'
      )
    }
    if (!/^age1[a-z0-9]{50,}$/.test(recipient) || !isRecipient(recipient)) {
      return refused(`line ${index + 1} ${whatInstead(recipient)}`, 'SB006')
    }
  }
  const postQuantum = recipients.filter((recipient) => recipient.startsWith('age1pq1')).length
  return postQuantum === 0 || postQuantum === recipients.length
    ? accepted(recipients)
    : refused('recipients of the kinds age1... and age1pq1... cannot be mixed', 'SB006')
}

/** Recipients or their fingerprints (`fp:` and 16 hexadecimal digits), one a line; comes to fingerprints. */
export const parseAcceptedRecipients: Parse<readonly string[]> = (text) => {
  const fingerprints: string[] = []
  for (const [index, line] of keyLines(text).entries()) {
    if (/^fp:[0-9a-f]{16}$/.test(line)) fingerprints.push(line)
    else if (/^age1[a-z0-9]{50,}$/.test(line) && isRecipient(line)) fingerprints.push(fingerprintOf(line))
    else
      return refused(
        `line ${index + 1} is neither an age recipient (age1...) nor a fingerprint as manifests and summaries have it (fp:...)`,
        'SB006'
      )
  }
  return accepted(fingerprints)
}

/** age identities, one a line: `AGE-SECRET-KEY-1...`. */
export const parseIdentities: Parse<readonly string[]> = (text) => {
  const identities = [...new Set(keyLines(text))]
  if (identities.length === 0) return refused('it holds no identity', 'SB006')
  for (const [index, identity] of identities.entries()) {
    if (isCanaryWord(identity))
      return refused(`line ${index + 1} is the word of a canary, which opens nothing: give it as \`canary\``, 'SB006')
    if (!/^AGE-SECRET-KEY-[A-Z0-9-]+$/.test(identity) || !isIdentity(identity)) {
      return refused(`line ${index + 1} is no age identity (AGE-SECRET-KEY-1..., as age-keygen writes it)`, 'SB006')
    }
  }
  return accepted(identities)
}

/** What a line is that is no recipient, by its form alone: it is not repeated. */
function whatInstead(line: string): string {
  if (/^age1\.{2,}$|^age1…$|<.*>|x{8,}/i.test(line))
    return 'is still the placeholder: put your own public key there (age1..., as age-keygen prints it)'
  if (/^ssh-|^ecdsa-/.test(line))
    return 'is an SSH key: make an age key with `age-keygen` and give its public half (age1...)'
  if (/^(?:-----BEGIN|mQ[A-Z])/.test(line))
    return 'is a PGP or PEM key: make an age key with `age-keygen` and give its public half (age1...)'
  if (/\.(?:txt|pub|key|age)$|^[.~/]/.test(line))
    return 'is the name of a file: give what stands in it after "public key:" (age1...)'
  if (/^age1/.test(line))
    return 'is no age recipient, though it begins like one: it is cut, or a letter is wrong; copy the whole line again'
  return 'is no age recipient (age1..., as age-keygen prints it)'
}

function isRecipient(text: string): boolean {
  try {
    new Encrypter().addRecipient(text)
    return true
  } catch {
    return false
  }
}

function isIdentity(text: string): boolean {
  try {
    new Decrypter().addIdentity(text)
    return true
  } catch {
    return false
  }
}

/** Words of canaries, one a line: they tell that an identity lies elsewhere. The file of a canary may be given as it is. */
export const parseCanaryWords: Parse<readonly string[]> = (text) => {
  const words = text.match(/canary(?:-[a-z2-7]{5}){5}/g) ?? []
  if (/AGE-SECRET-KEY-/i.test(text))
    return refused(
      'it holds an identity, the secret half of a key: give the word of a canary alone (canary-...)',
      'SB006'
    )
  return words.length === 0
    ? refused(
        'it holds no word of a canary (canary-..., as `age -d` prints it from the file canary-....txt.age)',
        'SB006'
      )
    : accepted([...new Set(words)])
}

/** A passphrase to seal with: long enough, not one character again and again. */
export const parseNewPassphrase: Parse<string> = (text) =>
  text.length >= shortestPassphrase && new Set(text).size >= 5
    ? accepted(text)
    : refused(
        `it is too easy to guess: at least ${shortestPassphrase} characters, at least 5 different ones; make one with \`openssl rand -base64 24\``,
        'SB007'
      )

/** A passphrase to open with: whatever it was. */
export const parsePassphrase: Parse<string> = accepted

/** An Ed25519 private key, see `readSigningKey`. */
export const parseSigningKey: Parse<SigningKey> = (text) => {
  const key = unlessRefused(() => readSigningKey(text))
  return key === undefined
    ? refused('it is no Ed25519 private key: make one with `openssl genpkey -algorithm ed25519`', 'SB006')
    : accepted(key)
}

/** An Ed25519 public key, see `readVerifyKey`. */
export const parseVerifyKey: Parse<VerifyKey> = (text) => {
  if (text.includes('PRIVATE KEY')) {
    return refused('it is a private key: give the public one, `openssl pkey -in key.pem -pubout`', 'SB006')
  }
  const key = unlessRefused(() => readVerifyKey(text))
  return key === undefined
    ? refused('it is no Ed25519 public key: `openssl pkey -in key.pem -pubout` prints it', 'SB006')
    : accepted(key)
}

/** CA certificates in PEM; what stands between them is left out. */
export const parseRootCertificates: Parse<string> = (text) => {
  if (text.includes('PRIVATE KEY')) return refused('it holds a private key: give the certificate alone', 'SB006')
  const blocks = text.match(/-----BEGIN CERTIFICATE-----[A-Za-z0-9+/=\s]{1,20000}-----END CERTIFICATE-----/g) ?? []
  if (blocks.length === 0) return refused('it holds no certificate in PEM (-----BEGIN CERTIFICATE-----)', 'SB006')
  for (const [index, block] of blocks.entries()) {
    try {
      new X509Certificate(block)
    } catch {
      return refused(`certificate ${index + 1} is damaged`, 'SB006')
    }
  }
  return accepted(`${blocks.join('\n')}\n`)
}
