import { defineConfig } from 'vitest/config';

export default defineConfig({
  test: {
    include: ['src/**/*.test.ts', 'test/**/*.test.ts'],
    testTimeout: 60_000,
    // Tests in test/ start the built command.
    globalSetup: 'test/build.ts',
    pool: 'forks',
  },
});
