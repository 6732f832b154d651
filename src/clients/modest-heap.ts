import { setFlagsFromString } from 'node:v8'

/**
 * Keeps the heap near what is needed. By default V8 clears old memory only when it is several times what lives, and gives new objects up to 128 MiB: a
 * run that lives in 40 MiB then takes 400, the more the longer it goes on. Both options are read at each collection, so that they may be set while
 * the program runs; more collections take some time: a few in a hundred of a restore of 1 GB were seen, near what chance makes. The runner starts the action itself: there
 * is no command line to put them on.
 */
export function keepHeapModest(): void {
  setFlagsFromString('--semi-space-growth-factor=1')
  setFlagsFromString('--heap-growing-percent=100')
}
