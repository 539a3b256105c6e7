// The tests of real guests in dom0 (npm run test:guests): files *.dom0.ts, one after the other, on machine shape a.
import { defineConfig, mergeConfig } from 'vitest/config';
import dom0 from './vitest.config.js';

// mergeConfig joins lists; these are other files than those of npm run test:xen.
export default mergeConfig(
  { ...dom0, test: { ...dom0.test, include: [] } },
  defineConfig({ test: { include: ['test/xen/*.dom0.ts'], testTimeout: 600_000 } }),
);
