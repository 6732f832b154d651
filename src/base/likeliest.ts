/** The one of `names` that was most likely meant by a word that is none of them; undefined where none is near. */
export function likeliest(word: string, names: readonly string[]): string | undefined {
  const typed = word.toLowerCase()
  let best: { readonly name: string; readonly distance: number } | undefined
  for (const name of names) {
    const known = name.toLowerCase()
    const isPart = typed.length >= 4 && (known.includes(typed) || (known.length >= 4 && typed.includes(known)))
    const distance = isPart ? Math.min(1.5, editsBetween(typed, known)) : editsBetween(typed, known)
    if (distance <= Math.max(1, Math.floor(known.length / 3)) && (best === undefined || distance < best.distance))
      best = { name, distance }
  }
  return best?.name
}

/** How many letters have to be put in, taken out, changed, or exchanged with their neighbour. */
function editsBetween(a: string, b: string): number {
  let twoBefore: number[] = []
  let before = Array.from({ length: b.length + 1 }, (_, at) => at)
  for (let i = 1; i <= a.length; i += 1) {
    const row = [i]
    for (let j = 1; j <= b.length; j += 1) {
      const same = a[i - 1] === b[j - 1]
      const isSwap = i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1]
      row.push(
        Math.min(
          (before[j] ?? 0) + 1,
          (row[j - 1] ?? 0) + 1,
          (before[j - 1] ?? 0) + (same ? 0 : 1),
          isSwap ? (twoBefore[j - 2] ?? 0) + 1 : Number.POSITIVE_INFINITY
        )
      )
    }
    twoBefore = before
    before = row
  }
  return before[b.length] ?? 0
}
