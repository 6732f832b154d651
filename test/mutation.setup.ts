import fc from 'fast-check'

/** Each property is tried for a moment only: a mutant that survives would wait for all of them. */
fc.configureGlobal({ interruptAfterTimeLimit: 300 })
