import { defineConfig } from 'vitest/config'

const project = (name: string, rest: object) => ({
  test: { name, include: [`test/${name}/**/*.test.ts`], ...rest }
})

export default defineConfig({
  test: {
    projects: [
      // GitHub's language service imports JSON in a way that Node itself refuses.
      project('unit', {
        testTimeout: 20_000,
        server: { deps: { inline: [/@actions\/(?:languageservice|workflow-parser|expressions)/] } }
      }),
      // Three for two cores: these tests wait for servers a third of their time.
      project('contract', { testTimeout: 120_000, hookTimeout: 120_000, maxWorkers: 3 }),
      project('e2e', { testTimeout: 240_000, hookTimeout: 240_000, maxWorkers: 3 })
    ]
  }
})
