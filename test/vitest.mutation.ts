import { defineConfig } from 'vitest/config'

/** The unit tests that mutants are tried against: without fuzzing, which would find most of them slowly and some of them by chance. */
export default defineConfig({
  test: {
    include: ['test/unit/{archive,history,inputs,commands,ui,sources}/**/*.test.ts', 'test/unit/*.test.ts'],
    exclude: [
      'test/unit/fuzz/**',
      'test/unit/examples.test.ts',
      'test/unit/workflows.test.ts',
      'test/unit/history/*.property.test.ts'
    ],
    testTimeout: 60_000
  }
})
