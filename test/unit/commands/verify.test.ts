import { expect, test } from 'vitest'
import { worstStatus } from '../../../src/commands/verify.ts'

test.each([
  [['complete'], 'complete'],
  [['complete', 'complete'], 'complete'],
  [['complete', 'partial'], 'partial'],
  [['partial', 'complete'], 'partial'],
  [['complete', 'anomalous'], 'anomalous'],
  [['anomalous', 'partial', 'complete'], 'partial'],
  [[], 'partial']
] as const)('backups that are %j are %s together', (statuses, together) => {
  expect(worstStatus(statuses)).toBe(together)
})
