import { availableParallelism } from 'node:os';
import { defineConfig } from 'vitest/config';

export default defineConfig({
  test: {
    include: ['src/**/*.test.ts', 'test/**/*.test.ts'],
    testTimeout: 60_000,
    // Tests in test/ start the built command.
    globalSetup: 'test/build.ts',
    pool: 'forks',
    // A process for many files: most of a file's time would go into starting one and loading the
    // same modules. A file that changes its process puts back what it changed.
    isolate: false,
    // One more than cores: some files wait for timers and processes most of their time.
    maxWorkers: availableParallelism() + 1,
  },
});
