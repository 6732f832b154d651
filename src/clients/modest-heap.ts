import { setFlagsFromString } from 'node:v8'

/**
 * Keeps the heap near what is needed. By default V8 clears old memory only when it is several times what lives, and gives new objects up to 128 MiB: a
 * run that lives in 40 MiB then takes 400, the more the longer it goes on. Both options are read at each collection, so that they may be set while
 * the program runs; the time that more collections take is not measurable where bytes go over a network. The runner starts the action itself: there
 * is no command line to put them on.
 */
export function keepHeapModest(): void {
  setFlagsFromString('--semi-space-growth-factor=1')
  setFlagsFromString('--heap-growing-percent=100')
}
