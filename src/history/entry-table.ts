import { entryBytes } from '../archive/pool-index.ts'

/** Finds the number that belongs to an entry. Takes 20 bytes an entry and 256 KiB, where objects of the language would take ten times that. */
export interface EntryTable {
  /** The number that was added last with this entry (32 hexadecimal digits). */
  find(entry: string): number | undefined
}

export interface EntryTableWriter {
  /** `entries`: their bytes, one after the other. */
  add(entries: Uint8Array, number: number): void
  /** Takes what was added; nothing may be added any more. */
  close(): EntryTable
}

const recordBytes = entryBytes + 4
/** Entries are hashes: by their first two bytes they fall into as many even groups. */
const groups = 65_536

export function openEntryTable(): EntryTableWriter {
  const added: { entries: Uint8Array; number: number }[] = []
  return {
    add(entries, number) {
      added.push({ entries, number })
    },
    close() {
      const starts = new Uint32Array(groups + 1)
      let count = 0
      for (const { entries } of added)
        for (let at = 0; at < entries.byteLength; at += entryBytes) {
          starts[groupOf(entries, at) + 1] = (starts[groupOf(entries, at) + 1] ?? 0) + 1
          count += 1
        }
      for (let group = 0; group < groups; group++) starts[group + 1] = (starts[group + 1] ?? 0) + (starts[group] ?? 0)
      const next = starts.slice()
      const records = Buffer.alloc(count * recordBytes)
      for (const { entries, number } of added)
        for (let at = 0; at < entries.byteLength; at += entryBytes) {
          const group = groupOf(entries, at)
          const place = (next[group] ?? 0) * recordBytes
          next[group] = (next[group] ?? 0) + 1
          records.set(entries.subarray(at, at + entryBytes), place)
          records.writeUInt32LE(number, place + entryBytes)
        }
      added.length = 0
      return {
        find(entry) {
          const wanted = Buffer.from(entry, 'hex')
          if (wanted.byteLength !== entryBytes) return undefined
          const group = groupOf(wanted, 0)
          // Within a group they lie in the order in which they were added.
          for (let at = (starts[group + 1] ?? 0) - 1; at >= (starts[group] ?? 0); at--) {
            const place = at * recordBytes
            if (records.compare(wanted, 0, entryBytes, place, place + entryBytes) === 0)
              return records.readUInt32LE(place + entryBytes)
          }
          return undefined
        }
      }
    }
  }
}

function groupOf(bytes: Uint8Array, at: number): number {
  return ((bytes[at] ?? 0) << 8) | (bytes[at + 1] ?? 0)
}
