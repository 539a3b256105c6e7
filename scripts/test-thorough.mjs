// `npm run test:thorough`: the test files that try only some of their cases in `npm test`, with all
// of them. `npm run test:faults`: the same for test/faults, which `npm test` leaves out.
//   node scripts/test-thorough.mjs [--faults] [WORDS OF VITEST...]
import { spawnSync } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('..', import.meta.url));
const words = process.argv.slice(2);
const faults = words[0] === '--faults';
if (faults) words.shift();
const FAULTS = join('test', 'faults');
const sampled = ['src', 'test'].flatMap((folder) =>
  readdirSync(join(root, folder), { recursive: true })
    .map((name) => join(folder, name))
    .filter(
      (name) =>
        !name.startsWith(FAULTS) &&
        name.endsWith('.test.ts') &&
        /from '[./]*(test\/)?support\/(recorded-)?cases\.js'/.test(readFileSync(join(root, name), 'utf8')),
    ),
);
if (sampled.length === 0) throw new Error('no test imports test/support/cases.ts');
const files = faults ? [FAULTS] : sampled;
const { status } = spawnSync(process.execPath, [join(root, 'scripts/test.mjs'), ...files, ...words], {
  cwd: root,
  stdio: 'inherit',
  env: { ...process.env, XENNUMA_THOROUGH: '1' },
});
process.exit(status ?? 1);
