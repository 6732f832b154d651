import { describe, expect, test } from 'vitest'
import { splitStatements } from '../../../../../src/sources/database/pg-archive/split-statements.ts'

describe('splitting SQL into statements', () => {
  test.each<[string, string, string[]]>([
    ['nothing', '  \n -- only a comment;\n /* and ; another */ ;; ', []],
    ['two statements, the last without an end', 'select 1;\nselect 2', ['select 1', 'select 2']],
    [
      'strings',
      `select 'a;''b;' = ';'; select E'\\';' = 'x'; select "a;""b" from t`,
      [`select 'a;''b;' = ';'`, `select E'\\';' = 'x'`, 'select "a;""b" from t']
    ],
    ['dollar quotes', 'select $$;$$ = $a$ $$; $b$ $a$; select $1', ['select $$;$$ = $a$ $$; $b$ $a$', 'select $1']],
    ['names with dollars', 'select a$$b; select 2', ['select a$$b', 'select 2']],
    [
      'nested comments',
      'select /* ; /* ; */ ; */ 1; select 2 -- ;\n = 2',
      ['select /* ; /* ; */ ; */ 1', 'select 2 -- ;\n = 2']
    ],
    ['quotes that are not closed', `select 'a; select 2`, [`select 'a; select 2`]],
    ['comments that are not closed', 'select 1; /* select 2;', ['select 1']]
  ])('%s', (_, sql, statements) => {
    expect(splitStatements(sql)).toEqual(statements)
  })

  test('takes time in proportion to the length', () => {
    expect(
      splitStatements(`${'select 1;'.repeat(50_000)}${'$'.repeat(50_000)}${'/*'.repeat(50_000)}`).length
    ).toBeGreaterThanOrEqual(50_000)
  })
})
