import { defineConfig } from 'vitest/config'

/** The unit tests that mutants are tried against: without fuzzing and floods of hostile texts, which would find most of them slowly and some of them by chance. */
export default defineConfig({
  test: {
    include: ['test/unit/{archive,history,inputs,commands,ui,sources}/**/*.test.ts', 'test/unit/*.test.ts'],
    exclude: [
      'test/unit/fuzz/**',
      'test/unit/injection.test.ts',
      'test/unit/language-service.test.ts',
      'test/unit/examples.test.ts',
      'test/unit/workflows.test.ts',
      'test/unit/history/*.property.test.ts'
    ],
    setupFiles: ['test/mutation.setup.ts'],
    testTimeout: 60_000
  }
})
