// Tests beside the code only: those in test/ start the built command, which holds no mutant.
import { defineConfig } from 'vitest/config';

export default defineConfig({
  test: {
    include: (process.env.XENNUMA_MUTATE_TESTS ?? 'src/**/*.test.ts').split(' '),
    setupFiles: 'scripts/mutation/umask-in-workers.ts',
    testTimeout: 60_000,
  },
});
