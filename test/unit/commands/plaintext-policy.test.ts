import { expect, test } from 'vitest'
import { guardPlaintext } from '../../../src/commands/plaintext-policy.ts'
import type { Destination } from '../../../src/destinations/destination.ts'
import { unusedPlace } from '../places.ts'

const place = (visibility: Awaited<ReturnType<Destination['visibility']>>): Destination => ({
  ...unusedPlace('folder'),
  place: `a ${visibility} place`,
  visibility: async () => visibility
})

test('T5: only a place that has just said that it is private, or is local, gets an unencrypted backup', async () => {
  await guardPlaintext([place('private'), place('local')], 'private')
  for (const visibility of ['public', 'internal'] as const) {
    const refused = guardPlaintext([place('private'), place(visibility)], 'private')
    await expect(refused).rejects.toMatchObject({
      code: 'SB422',
      message: expect.stringContaining(`a ${visibility} place`)
    })
  }
})

test('T5: never means never, and public asks nobody', async () => {
  await expect(guardPlaintext([place('private')], 'never')).rejects.toMatchObject({ code: 'SB422' })
  await guardPlaintext([{ ...unusedPlace('release'), visibility: () => Promise.reject(new Error('asked')) }], 'public')
  const unreachable = { ...unusedPlace('release'), visibility: () => Promise.reject(new Error('no answer')) }
  await expect(guardPlaintext([unreachable], 'private')).rejects.toThrow('no answer')
})
