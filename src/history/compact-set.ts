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
      // Where each group begins among the records, and after the last where it ends.
      const starts = counters(groups + 1)
      let count = 0
      for (const { entries } of added)
        for (let at = 0; at < entries.byteLength; at += entryBytes) {
          starts.add(groupOf(entries, at) + 1, 1)
          count += 1
        }
      for (let group = 0; group < groups; group++) starts.add(group + 1, starts.at(group))
      const next = starts.copy()
      const records = Buffer.alloc(count * recordBytes)
      for (const { entries, number } of added)
        for (let at = 0; at < entries.byteLength; at += entryBytes) {
          const group = groupOf(entries, at)
          const place = next.at(group) * recordBytes
          next.add(group, 1)
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
          for (let at = starts.at(group + 1) - 1; at >= starts.at(group); at--) {
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

interface Counters {
  at(index: number): number
  add(index: number, much: number): void
  copy(): Counters
}

/** So many numbers of 32 bits, all 0 at first. */
function counters(length: number, from = new DataView(new ArrayBuffer(length * 4))): Counters {
  return {
    at: (index) => from.getUint32(index * 4),
    add: (index, much) => from.setUint32(index * 4, from.getUint32(index * 4) + much),
    copy: () => counters(length, new DataView(from.buffer.slice(0)))
  }
}

function groupOf(bytes: Uint8Array, at: number): number {
  return new DataView(bytes.buffer, bytes.byteOffset).getUint16(at)
}
