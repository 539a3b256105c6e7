// The tests that run in dom0 of a real Xen (npm run test:xen): files *.xen.ts, one after the other,
// as they share the machine.
import { defineConfig } from 'vitest/config';

export default defineConfig({
  test: {
    include: ['test/xen/**/*.xen.ts'],
    // Emulated, perhaps beside others: everything takes some twenty to two hundred times as long.
    // What hangs is ended by the suite's own deadline (scripts/test-xen.mjs).
    testTimeout: 1_800_000,
    hookTimeout: 1_800_000,
    pool: 'forks',
    fileParallelism: false,
    isolate: false,
  },
});
