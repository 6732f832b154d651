import type { z } from 'zod'

/**
 * The first thing that a schema refuses, with where it lies: `files.0.name: Invalid input`.
 * The path holds positions and known keys, but for records, whose keys anybody may choose; the value is not told.
 */
export function firstIssue({ issues }: z.ZodError): string {
  return issues
    .slice(0, 1)
    .map(({ path, message }) => `${path.map(String).join('.') || 'the whole'}: ${message}`)
    .join('')
}
