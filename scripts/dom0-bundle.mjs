// For tests that run in dom0 of the rig by node:test: bundles of them, as an emulated dom0 has no
// time to load many files, and their counts.
import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { buildSync } from 'esbuild';

export const root = fileURLToPath(new URL('..', import.meta.url)).replace(/\/$/, '');

/**
 * @param name of the folder: where koffi is found from, and what neither a build of dist/ nor an
 *   npm ci takes away
 * @param entries file of each entry, from the root
 * @returns the folder
 */
export function bundleForDom0(name, entries) {
  const folder = join(root, name);
  rmSync(folder, { recursive: true, force: true });
  buildSync({
    absWorkingDir: root,
    entryPoints: entries,
    outdir: folder,
    bundle: true,
    platform: 'node',
    format: 'esm',
    target: 'node20.19',
    external: ['koffi'],
    banner: { js: "import { createRequire as __createRequire } from 'node:module'; const require = __createRequire(import.meta.url);" },
  });
  return folder;
}

/**
 * Tests that start guests, and those that die while they do.
 * @param main file of the tests, from the root
 * @returns the folder
 */
export function bundleGuests(name, main) {
  return bundleForDom0(name, {
    main,
    'dying-builder': 'test/xen/guests/dying-builder.ts',
    'dying-xennuma': 'test/xen/guests/dying-xennuma.ts',
    // The builder is looked for beside the program.
    xenguest: 'test/xen/guests/xenguest.ts',
  });
}

/** What runs a bundled test in dom0. */
export function nodeTest(script, pattern) {
  const only = pattern === undefined ? [] : [`--test-name-pattern=${pattern}`];
  return ['node', '--test-reporter=spec', '--test-force-exit', ...only, script];
}

/** @returns [passed, failed]; undefined when the tests did not come to their end */
export function nodeTestCounts({ stdout, status }) {
  const count = (word) => Number(new RegExp(`^ℹ ${word} (\\d+)$`, 'm').exec(stdout)?.[1] ?? Number.NaN);
  const [passed, failed] = [count('pass'), count('fail') + count('cancelled')];
  if (Number.isNaN(passed + failed)) return undefined;
  return [passed, status !== 0 && failed === 0 ? 1 : failed];
}
