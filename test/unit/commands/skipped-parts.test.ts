import { expect, test } from 'vitest'
import { notesOfLeftOut } from '../../../src/commands/skipped-parts.ts'

const reasons = {
  database: 'taken: `target-database-url` is given',
  storage: 'left out: `target-service-role-key` is not given',
  functions: 'left out: `include` does not name it',
  config: 'left out: `target-access-token` is not given'
}

test('each part that the backup holds and the restore leaves alone is told, with the input that is missing', () => {
  const contents = { database: {}, storage: {}, functions: {} }
  expect(notesOfLeftOut(contents, { sources: ['database'], reasons }, false)).toEqual([
    {
      kind: 'note',
      subject: 'storage',
      detail: 'is in the backup and was not brought back: `target-service-role-key` is not given'
    },
    {
      kind: 'note',
      subject: 'functions',
      detail: 'is in the backup and was not brought back: `include` does not name it'
    }
  ])
  expect(notesOfLeftOut({ config: {} }, { sources: ['database'], reasons }, true)).toMatchObject([
    { detail: 'is in the backup and would not be brought back: `target-access-token` is not given' }
  ])
  expect(notesOfLeftOut(contents, { sources: ['database', 'storage', 'functions'], reasons }, false)).toEqual([])
})
