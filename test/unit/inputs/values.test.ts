import { describe, expect, it } from 'vitest'
import type { Parse } from '../../../src/inputs/parsed.ts'
import {
  listOf,
  oneOf,
  parseBoolean,
  parseDuration,
  parseLine,
  parsePercentage,
  parseSize,
  someOf,
  splitList,
  wholeNumber
} from '../../../src/inputs/values.ts'

function value<T>(parse: Parse<T>, text: string): T | 'refused' {
  const parsed = parse(text)
  return parsed.ok ? parsed.value : 'refused'
}

describe('durations', () => {
  it.each([
    ['90s', 90_000],
    ['30m', 1_800_000],
    ['26h', 93_600_000],
    ['30d', 2_592_000_000],
    ['12w', 7_257_600_000],
    ['007s', 7000],
    ['0s', 'refused'],
    ['1', 'refused'],
    ['1.5h', 'refused'],
    ['-1h', 'refused'],
    ['1 h', 'refused'],
    ['1H', 'refused'],
    ['1y', 'refused'],
    ['1ms', 'refused'],
    ['99999w', 'refused'],
    ['9999999999s', 'refused'],
    ['1h30m', 'refused'],
    ['', 'refused']
  ])('%s', (text, expected) => {
    expect(value(parseDuration, text)).toBe(expected)
  })
})

describe('sizes', () => {
  it.each([
    ['1000000', 1_000_000],
    ['500MB', 500e6],
    ['2GiB', 2 * 1024 ** 3],
    ['1kb', 1000],
    ['1 KiB', 1024],
    ['3TB', 3e12],
    ['3TiB', 3 * 1024 ** 4],
    ['5B', 5],
    ['0', 'refused'],
    ['0GB', 'refused'],
    ['1.5GB', 'refused'],
    ['GB', 'refused'],
    ['1PB', 'refused'],
    ['1Mb ', 'refused'],
    ['-1', 'refused'],
    ['1e6', 'refused'],
    ['9999999999TB', 'refused']
  ])('%s', (text, expected) => {
    expect(value(parseSize, text)).toBe(expected)
  })
})

describe('percentages', () => {
  it.each([
    ['50%', 0.5],
    ['1%', 0.01],
    ['100%', 1],
    ['0%', 'refused'],
    ['101%', 'refused'],
    ['50', 'refused'],
    ['5.5%', 'refused'],
    ['%', 'refused']
  ])('%s', (text, expected) => {
    expect(value(parsePercentage, text)).toBe(expected)
  })
})

it('booleans are true and false, strictly', () => {
  expect(value(parseBoolean, 'true')).toBe(true)
  expect(value(parseBoolean, 'false')).toBe(false)
  for (const text of ['True', 'TRUE', 'yes', '1', 'on', 'no', '0']) expect(value(parseBoolean, text)).toBe('refused')
})

it('whole numbers have bounds', () => {
  expect(value(wholeNumber(1, 64), '1')).toBe(1)
  expect(value(wholeNumber(1, 64), '64')).toBe(64)
  for (const text of ['0', '65', '1.0', '+1', '0x1', '１', '1e1', ' 1'])
    expect(value(wholeNumber(1, 64), text)).toBe('refused')
})

it('words are matched exactly, and refusals name what is allowed', () => {
  expect(value(oneOf(['a', 'b']), 'a')).toBe('a')
  expect(oneOf(['a', 'b'])('A')).toMatchObject({ ok: false, reason: 'allowed are a, b' })
  expect(value(someOf(['a', 'b']), 'b,\n a , b')).toEqual(['b', 'a'])
  expect(value(someOf(['a', 'b']), 'a,c')).toBe('refused')
  expect(value(someOf(['a', 'b']), ' , ')).toBe('refused')
})

it('lists are parted by comma or line', () => {
  expect(splitList(' a, b\n\nc,,\r\nd ')).toEqual(['a', 'b', 'c', 'd'])
  expect(value(listOf(wholeNumber(1, 9)), '1,2\n3')).toEqual([1, 2, 3])
  expect(listOf(wholeNumber(1, 9))('1,x')).toMatchObject({ reason: 'entry 2: allowed is a whole number from 1 to 9' })
  expect(listOf(wholeNumber(1, 9))('x')).toMatchObject({ reason: 'allowed is a whole number from 1 to 9' })
  expect(value(listOf(wholeNumber(1, 9)), ',')).toBe('refused')
})

it('a line is one line', () => {
  expect(value(parseLine, './a b')).toBe('./a b')
  for (const text of ['a\nb', 'a\0b', 'a\rb', 'x'.repeat(4097)]) expect(value(parseLine, text)).toBe('refused')
})
