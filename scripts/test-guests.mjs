// `npm run test:guests`: real guests on a real Xen in the rig (rig/README.md): bundles
// test/xen/guests and runs it in dom0 of machine shape a.
//   node scripts/test-guests.mjs [PATTERN]   only the tests whose names match. Exit codes: 0 all
//                                         passed, 1 some did not.
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { bundleGuests, nodeTest, nodeTestCounts, root } from './dom0-bundle.mjs';

const TIMEOUT_S = 2400;

/** @returns [passed, failed]; undefined when the tests did not come to their end */
export function testGuests(pattern) {
  const bundles = bundleGuests('.dist-guests', 'test/xen/guests/main.ts');
  const command = nodeTest(join(bundles, 'main.js'), pattern);
  // One thread for all CPUs: on a busy machine several times faster (rig/README.md).
  const run = spawnSync(join(root, 'rig/xen-rig'), ['run', '--shape', 'a', '--timeout', String(TIMEOUT_S), ...command], {
    cwd: root,
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'inherit'],
    env: { RIG_THREADS: 'single', ...process.env },
  });
  process.stdout.write(run.stdout);
  return nodeTestCounts(run);
}

if (process.argv[1] && import.meta.url === pathToFileURL(process.argv[1]).href) {
  const [passed, failed] = testGuests(process.argv[2]) ?? [0, 1];
  console.log(`${passed} passed, ${failed} failed`);
  process.exitCode = failed === 0 ? 0 : 1;
}
