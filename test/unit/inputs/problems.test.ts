import { expect, it } from 'vitest'
import { UserError } from '../../../src/errors.ts'
import { unlessRefused } from '../../../src/inputs/parsed.ts'
import { collectProblems, refusalOf } from '../../../src/inputs/problems.ts'

it('each problem is told once, in the order in which they were found', () => {
  const problems = collectProblems()
  problems.add('SB003', 'One is missing.')
  problems.add('SB002', 'Two contradict.')
  problems.add('SB001', 'One is missing.')
  expect(problems.found).toEqual([
    { code: 'SB003', text: 'One is missing.' },
    { code: 'SB002', text: 'Two contradict.' }
  ])
  expect(refusalOf(problems.found)).toMatchObject({
    code: 'SB003',
    message: '2 things are wrong with the inputs:\n- One is missing. (SB003)\n- Two contradict. (SB002)',
    remedy: 'Change the inputs as the lines say.'
  })
  expect(refusalOf(problems.found.slice(1))).toMatchObject({ code: 'SB002', message: 'Two contradict.' })
  expect(() => refusalOf([])).toThrow('Inputs were refused without a reason')
})

it('what a reader refuses in words is told from a bug in it', () => {
  expect(unlessRefused(() => 5)).toBe(5)
  const failing = (error: Error) => () => {
    throw error
  }
  expect(unlessRefused(failing(new UserError('SB001', 'no')))).toBeUndefined()
  expect(() => unlessRefused(failing(new TypeError('x is not a function')))).toThrow(TypeError)
})
