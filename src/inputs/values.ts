import { accepted, hasControl, type Parse, type Parsed, refused } from './parsed.ts'

const unitsOfTime: Readonly<Record<string, number>> = {
  s: 1000,
  m: 60_000,
  h: 3_600_000,
  d: 86_400_000,
  w: 604_800_000
}

const unitsOfSize: Readonly<Record<string, number>> = {
  '': 1,
  b: 1,
  kb: 1e3,
  mb: 1e6,
  gb: 1e9,
  tb: 1e12,
  kib: 1024,
  mib: 1024 ** 2,
  gib: 1024 ** 3,
  tib: 1024 ** 4
}

/** One of a list of words. */
export function oneOf<const T extends string>(allowed: readonly T[]): Parse<T> {
  return (text) => {
    const found = allowed.find((value) => value === text)
    return found === undefined ? refused(`allowed are ${allowed.join(', ')}`) : accepted(found)
  }
}

/** One or more of a list of words, by comma or line; repeated ones count once. `besides`: what else the message names as allowed. */
export function someOf<const T extends string>(allowed: readonly T[], besides = ''): Parse<readonly T[]> {
  return (text) => {
    const values = splitList(text)
    const known = values.flatMap((value) => allowed.filter((one) => one === value))
    if (values.length === 0 || known.length < values.length) {
      return refused(`allowed are ${besides}one or more of ${allowed.join(', ')}, by comma or line`)
    }
    return accepted([...new Set(known)])
  }
}

/** `true` or `false`, nothing else: a `yes` that silently counted as false would be worse than an error. */
export const parseBoolean: Parse<boolean> = (text) =>
  text === 'true' || text === 'false' ? accepted(text === 'true') : refused('allowed are true and false')

/** A whole number in decimal digits. */
export function wholeNumber(least: number, most: number): Parse<number> {
  return (text) => {
    const value = /^[0-9]{1,15}$/.test(text) ? Number(text) : Number.NaN
    return value >= least && value <= most
      ? accepted(value)
      : refused(`allowed is a whole number from ${least} to ${most}`)
  }
}

/** A duration in milliseconds: `90s`, `30m`, `26h`, `30d`, `12w`. */
export const parseDuration: Parse<number> = (text) => {
  const match = /^([0-9]{1,9})([smhdw])$/.exec(text)
  const value = Number(match?.[1]) * (unitsOfTime[match?.[2] ?? ''] ?? Number.NaN)
  return value > 0 && value <= 100 * 366 * 86_400_000
    ? accepted(value)
    : refused('allowed is a duration above zero such as 90s, 30m, 26h, 30d or 12w')
}

/** A size in bytes: `500MB` (10^6), `2GiB` (2^30), `1000000`. */
export const parseSize: Parse<number> = (text) => {
  const match = /^([0-9]{1,15}) ?([KMGT]i?B|B|)$/i.exec(text)
  const value = Number(match?.[1]) * (unitsOfSize[match?.[2]?.toLowerCase() ?? 'none'] ?? Number.NaN)
  return value > 0 && Number.isSafeInteger(value)
    ? accepted(value)
    : refused('allowed is a size above zero such as 500MB, 2GiB or 1000000 (bytes)')
}

/** A percentage as a fraction: `50%` is 0.5. */
export const parsePercentage: Parse<number> = (text) => {
  const match = /^([0-9]{1,3})%$/.exec(text)
  const value = Number(match?.[1])
  return value >= 1 && value <= 100 ? accepted(value / 100) : refused('allowed is a percentage from 1% to 100%')
}

/** A path or another text of one line. */
export const parseLine: Parse<string> = (text) =>
  hasControl(text) || text.length > 4096 ? refused('allowed is one line of at most 4096 characters') : accepted(text)

/** Items by comma or line, trimmed, empty ones left out. */
export function splitList(text: string): string[] {
  return text
    .split(/[,\n]/)
    .map((item) => item.trim())
    .filter((item) => item !== '')
}

/** A list by comma or line whose items are parsed one by one. */
export function listOf<T>(parse: Parse<T>, split: (text: string) => string[] = splitList): Parse<readonly T[]> {
  return (text) => {
    const values: T[] = []
    const items = split(text)
    if (items.length === 0) return refused('it holds no entry')
    for (const [index, item] of items.entries()) {
      const parsed: Parsed<T> = parse(item)
      if (!parsed.ok)
        return refused(items.length === 1 ? parsed.reason : `entry ${index + 1}: ${parsed.reason}`, parsed.code)
      values.push(parsed.value)
    }
    return accepted(values)
  }
}
