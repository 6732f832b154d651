import type { ErrorCode } from '../error-codes.ts'
import { UserError } from '../errors.ts'

/**
 * A value, or why the text is refused: `reason` says what is allowed and never quotes the text, since it may be a secret
 * or a secret put into the wrong input.
 */
export type Parsed<T> =
  | { readonly ok: true; readonly value: T }
  | { readonly ok: false; readonly code: ErrorCode; readonly reason: string }

/** Turns the text of an input, trimmed and not empty, into a value. */
export type Parse<T> = (text: string) => Parsed<T>

export function accepted<T>(value: T): Parsed<T> {
  return { ok: true, value }
}

export function refused(reason: string, code: ErrorCode = 'SB001'): Parsed<never> {
  return { ok: false, code, reason }
}

/** What a reader makes of a text, undefined for what it refuses by a UserError; a bug stays a bug. */
export function unlessRefused<T>(read: () => T): T | undefined {
  try {
    return read()
  } catch (error) {
    if (error instanceof UserError) return undefined
    throw error
  }
}

/** Whether a text holds a control character, line breaks included. */
export function hasControl(text: string): boolean {
  for (let at = 0; at < text.length; at += 1) {
    const code = text.charCodeAt(at)
    if (code < 0x20 || code === 0x7f) return true
  }
  return false
}
