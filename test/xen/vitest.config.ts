// The tests that run in dom0 of a real Xen (npm run test:xen): files *.xen.ts, one after the other,
// as they share the machine.
import { defineConfig } from 'vitest/config';

export default defineConfig({
  test: {
    include: ['test/xen/**/*.xen.ts'],
    // Emulated: everything takes some twenty times as long.
    testTimeout: 240_000,
    hookTimeout: 240_000,
    pool: 'forks',
    fileParallelism: false,
    isolate: false,
  },
});
