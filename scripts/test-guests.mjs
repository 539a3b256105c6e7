// `npm run test:guests`: real guests on a real Xen in the rig (rig/README.md): bundles test/xen/guests and runs it in dom0 of machine shape a.
//   node scripts/test-guests.mjs [PATTERN]   only the tests whose names match. Exit codes: 0 all passed, 1 some did not.
import { spawnSync } from 'node:child_process';
import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { buildSync } from 'esbuild';

const root = fileURLToPath(new URL('..', import.meta.url)).replace(/\/$/, '');
// Where koffi is found from, and what neither a build of dist/ nor an npm ci takes away.
const bundles = join(root, '.dist-guests');
const TIMEOUT_S = 2400;

function bundle() {
  rmSync(bundles, { recursive: true, force: true });
  const folder = join(root, 'test/xen/guests');
  buildSync({
    entryPoints: {
      main: join(folder, 'main.ts'),
      'dying-builder': join(folder, 'dying-builder.ts'),
      'dying-xennuma': join(folder, 'dying-xennuma.ts'),
      // The builder is looked for beside the program.
      xenguest: join(root, 'src/xenguest/real/xenguest-main.ts'),
    },
    outdir: bundles,
    bundle: true,
    platform: 'node',
    format: 'esm',
    target: 'node20.19',
    external: ['koffi'],
    banner: { js: "import { createRequire as __createRequire } from 'node:module'; const require = __createRequire(import.meta.url);" },
  });
}

/** @returns [passed, failed]; undefined when the tests did not come to their end */
export function testGuests(pattern) {
  bundle();
  const only = pattern === undefined ? [] : [`--test-name-pattern=${pattern}`];
  const command = ['node', '--test-reporter=spec', '--test-force-exit', ...only, join(bundles, 'main.js')];
  // One thread for all CPUs: on a busy machine several times faster (rig/README.md).
  const { stdout, status } = spawnSync(join(root, 'rig/xen-rig'), ['run', '--shape', 'a', '--timeout', String(TIMEOUT_S), ...command], {
    cwd: root,
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'inherit'],
    env: { RIG_THREADS: 'single', ...process.env },
  });
  process.stdout.write(stdout);
  const count = (word) => Number(new RegExp(`^ℹ ${word} (\\d+)$`, 'm').exec(stdout)?.[1] ?? Number.NaN);
  const [passed, failed] = [count('pass'), count('fail') + count('cancelled')];
  if (Number.isNaN(passed + failed)) return undefined;
  return [passed, status !== 0 && failed === 0 ? 1 : failed];
}

if (process.argv[1] && import.meta.url === pathToFileURL(process.argv[1]).href) {
  const [passed, failed] = testGuests(process.argv[2]) ?? [0, 1];
  console.log(`${passed} passed, ${failed} failed`);
  process.exitCode = failed === 0 ? 0 : 1;
}
