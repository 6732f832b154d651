/**
 * Takes the list `storage.objects` out of the text of contents.json while it passes by: there may be any number of objects, and nothing else in it grows
 * with them. What is left has an empty list in its place. It needs no grammar: brackets are counted outside of strings, and text that is not JSON
 * makes parts that are not JSON either, which their reader refuses.
 */
export interface ContentsSplitter {
  /** The next piece of the text. */
  push(text: string): void
  /** Everything but the objects; after the last `push`. An object that never ended was not handed out, and its list stays open here. */
  end(): string
}

/** `onObject` gets the text of each item of the list, in order. `mostRest` and `mostItem`: lengths in characters; beyond one, what `tooLong` makes of it is thrown. */
export function splitContents(options: {
  readonly onObject: (text: string) => void
  readonly mostRest: number
  readonly mostItem: number
  readonly tooLong: (most: number) => Error
}): ContentsSplitter {
  const { onObject, mostRest, mostItem, tooLong } = options
  let rest = ''
  let item = ''
  let items = 0
  let depth = 0
  let inString = false
  let escaped = false
  let inList = false
  /** The last string outside of the list, while it may be one of the two keys; null: it is not. */
  let name: string | null = null
  /** Keys that the place lies under; null: none yet. */
  let outer: string | null = null
  let inner: string | null = null

  const takeItem = () => {
    onObject(item)
    item = ''
    items += 1
  }
  const keep = (text: string) => {
    if (inList) {
      item += text
      if (item.length > mostItem) throw tooLong(mostItem)
    } else {
      rest += text
      if (rest.length > mostRest) throw tooLong(mostRest)
    }
  }

  return {
    push(text) {
      /** Where begins what was not kept yet. */
      let from = 0
      const keepTo = (to: number) => {
        if (to > from) keep(text.slice(from, to))
        from = to
      }
      for (let at = 0; at < text.length; at++) {
        const character = text.charCodeAt(at)
        if (inString) {
          if (escaped) escaped = false
          else if (character === backslash) escaped = true
          else if (character === quote) inString = false
          if (inString && name !== null) name = name.length < longestName ? name + text.charAt(at) : null
          continue
        }
        switch (character) {
          case quote:
            inString = true
            name = !inList && depth <= 2 ? '' : null
            break
          case colon:
            if (depth === 1) {
              outer = name
              inner = null
            } else if (depth === 2 && !inList) inner = name
            break
          case openBracket:
          case openBrace:
            depth += 1
            if (depth === 2) inner = null
            if (
              character === openBracket &&
              depth === 3 &&
              !inList &&
              isKey(outer, 'storage') &&
              isKey(inner, 'objects')
            ) {
              keepTo(at + 1)
              inList = true
              items = 0
            }
            break
          case closeBracket:
          case closeBrace:
            if (inList && depth === 3 && character === closeBracket) {
              keepTo(at)
              if (items > 0 || item.trim() !== '') takeItem()
              item = ''
              inList = false
              // A second list of this name is one of a key that stands there twice.
              inner = null
            }
            depth -= 1
            break
          case comma:
            if (inList && depth === 3) {
              keepTo(at)
              takeItem()
              from = at + 1
            }
            break
          default:
        }
      }
      keepTo(text.length)
    },
    end: () => rest
  }
}

/** Longer than either key with each character escaped. */
const longestName = 64

/** Whether a string's text, its escapes as they stand there, is that key. */
function isKey(text: string | null, key: string): boolean {
  if (text === null || !text.includes('\\')) return text === key
  try {
    return JSON.parse(`"${text}"`) === key
  } catch {
    // No string at all: whoever reads the rest says so.
    return false
  }
}

const quote = 0x22
const backslash = 0x5c
const colon = 0x3a
const comma = 0x2c
const openBracket = 0x5b
const closeBracket = 0x5d
const openBrace = 0x7b
const closeBrace = 0x7d
