import { fileURLToPath } from 'node:url'
import tseslint from 'typescript-eslint'

/**
 * The few rules that need types, besides Biome: in a backup a promise that nobody awaits is lost data.
 * `eslint -c .github/eslint.config.js src test scripts`
 */
export default tseslint.config({
  // This file lies in .github; what it is for lies beside that.
  basePath: fileURLToPath(new URL('..', import.meta.url)),
  files: ['src/**/*.ts', 'test/**/*.ts', 'scripts/**/*.ts'],
  plugins: { '@typescript-eslint': tseslint.plugin },
  languageOptions: {
    parser: tseslint.parser,
    parserOptions: {
      project: ['./tsconfig.json', './src/ui/dashboard/page/tsconfig.json'],
      tsconfigRootDir: fileURLToPath(new URL('..', import.meta.url))
    }
  },
  linterOptions: { reportUnusedDisableDirectives: 'error' },
  rules: {
    '@typescript-eslint/no-floating-promises': 'error',
    '@typescript-eslint/no-misused-promises': 'error',
    '@typescript-eslint/return-await': ['error', 'error-handling-correctness-only'],
    '@typescript-eslint/no-explicit-any': 'error',
    '@typescript-eslint/no-non-null-assertion': 'error',
    '@typescript-eslint/switch-exhaustiveness-check': [
      'error',
      { considerDefaultExhaustiveForUnions: true, requireDefaultForNonUnion: false }
    ]
  }
})
