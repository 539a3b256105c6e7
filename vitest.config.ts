import { availableParallelism } from 'node:os';
import { configDefaults, defineConfig } from 'vitest/config';

export default defineConfig({
  test: {
    include: ['src/**/*.test.ts', 'test/**/*.test.ts'],
    // They need nats-server, and have a stage of their own: npm run test:fleet.
    exclude: [...configDefaults.exclude, ...(process.env.XENNUMA_FLEET === '1' ? [] : ['test/fleet/**'])],
    // With all cases some tests take most of a minute, and longer on a busy machine.
    testTimeout: process.env.XENNUMA_THOROUGH === '1' ? 300_000 : 60_000,
    // Hooks start daemons and read large files: the default of 10 s is short on a busy machine.
    hookTimeout: 60_000,
    // Tests in test/ start the built command.
    globalSetup: 'test/build.ts',
    setupFiles: 'test/same-process.ts',
    pool: 'forks',
    // A process for many files: most of a file's time would go into starting one and loading the
    // same modules. A file that changes its process puts back what it changed:
    // test/same-process.ts fails the one that does not, rather than those that follow it.
    isolate: false,
    // Two more than cores: files that wait for timers and processes spend half of the time on it.
    maxWorkers: availableParallelism() + 2,
  },
});
