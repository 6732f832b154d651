import { mergeConfig } from 'vitest/config'
import base from './vitest.config.ts'

/**
 * Coverage of what decides whether a backup can be trusted: the stored format, the history and its rules, the inputs, escaping, and what stops a run
 * that should not happen.
 */
export default mergeConfig(base, {
  test: {
    coverage: {
      provider: 'v8',
      include: [
        'src/archive/**/*.ts',
        'src/history/**/*.ts',
        'src/inputs/**/*.ts',
        'src/inputs/index.ts',
        'src/text/escape.ts',
        'src/base/redact.ts',
        'src/base/connection-string.ts',
        'src/base/tls-policy.ts',
        'src/base/supabase-host.ts',
        'src/commands/plaintext-policy.ts',
        'src/commands/restore-target.ts',
        'src/sources/database/restore/target/preconditions.ts'
      ],
      reporter: ['text', 'json-summary', 'json'],
      thresholds: { lines: 100, branches: 100 }
    }
  }
})
