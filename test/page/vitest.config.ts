import { defineConfig } from 'vitest/config';

export default defineConfig({
  test: {
    include: ['test/page/*.browser.ts'],
    globalSetup: 'test/build.ts',
    pool: 'forks',
    isolate: false,
    // One browser for all files.
    maxWorkers: 1,
    testTimeout: 120_000,
    hookTimeout: 120_000,
  },
});
