import { setImmediate as turn } from 'node:timers/promises'
import { expect, test } from 'vitest'
import { inParallel } from '../../../src/base/in-parallel.ts'

async function* numbers(to: number, ended: () => void = () => undefined): AsyncGenerator<number> {
  try {
    for (let number = 0; number < to; number++) yield number
  } finally {
    ended()
  }
}

test('everything is done once, never more than so many at a time, results not yet taken among them', async () => {
  let running = 0
  let most = 0
  let begun = 0
  const found: number[] = []
  for await (const result of inParallel(numbers(200), 5, async (number) => {
    begun += 1
    running += 1
    most = Math.max(most, running)
    for (let turns = 0; turns <= number % 4; turns++) await turn()
    running -= 1
    return number
  })) {
    found.push(result)
    await turn()
    expect(begun - found.length).toBeLessThanOrEqual(5)
  }
  expect(most).toBe(5)
  expect(found.toSorted((a, b) => a - b)).toEqual(Array.from({ length: 200 }, (_, at) => at))
})

test('one that takes long holds up no other', async () => {
  let finish: () => void = () => undefined
  const slow = new Promise<void>((resolve) => {
    finish = resolve
  })
  const found: number[] = []
  for await (const result of inParallel(numbers(50), 3, async (number) => {
    if (number === 0) await slow
    return number
  })) {
    found.push(result)
    if (found.length === 49) finish()
  }
  expect(found.at(-1)).toBe(0)
  expect(found).toHaveLength(50)
})

test('after a failure nothing more begins; it is told when all that ran has ended', async () => {
  let begun = 0
  let over = 0
  let closed = false
  const run = async () => {
    for await (const _ of inParallel(
      numbers(100, () => {
        closed = true
      }),
      4,
      async (number) => {
        begun += 1
        await turn()
        over += 1
        if (number === 10) throw new Error('the tenth')
        return number
      }
    ));
  }
  await expect(run()).rejects.toThrow('the tenth')
  expect(begun).toBeLessThan(20)
  expect(over).toBe(begun)
  expect(closed).toBe(true)
})

test('who stops taking ends the list, too', async () => {
  let closed = false
  for await (const _ of inParallel(
    numbers(100, () => {
      closed = true
    }),
    4,
    (number) => Promise.resolve(number)
  ))
    break
  expect(closed).toBe(true)
})
