// Bundles the benchmarks of a checkout into a new folder inside it, so that packages that are not
// bundled are found.
import { mkdtempSync } from 'node:fs';
import { join } from 'node:path';
import { build } from 'esbuild';

/**
 * @param root of the checkout
 * @returns the folder, which the caller removes, and the module in it that exports BENCHMARKS
 */
export async function bundleBenchmarks(root) {
  const folder = mkdtempSync(join(root, 'node_modules', '.bench-'));
  await build({
    absWorkingDir: root,
    entryPoints: ['bench/all.ts'],
    outdir: folder,
    bundle: true,
    splitting: true,
    packages: 'external',
    format: 'esm',
    platform: 'node',
    target: 'node20.19',
    // As scripts/build.mjs: it puts constants of other modules in place.
    minifySyntax: true,
    logLevel: 'warning',
  });
  return { folder, module: join(folder, 'all.js') };
}

/**
 * Names of `benchmarks` that match the filter: the one of that name, otherwise all that contain it.
 */
export function chosenNames(benchmarks, filter) {
  const names = Object.keys(benchmarks);
  if (filter === undefined) return names;
  return names.includes(filter) ? [filter] : names.filter((name) => name.includes(filter));
}
