// `npm test`: vitest over everything but test/faults, and a plain last line with the counts.
//   node scripts/test.mjs [WORDS OF VITEST...]   files are only those, also of test/faults
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('..', import.meta.url));
const words = process.argv.slice(2);
const dir = mkdtempSync(join(tmpdir(), 'xennuma-test-'));
const report = join(dir, 'report.json');
const run = spawnSync(
  process.execPath,
  [
    join(root, 'node_modules/vitest/vitest.mjs'),
    'run',
    '--reporter=default',
    '--reporter=json',
    `--outputFile.json=${report}`,
    ...(words.length === 0 ? ['--exclude=test/faults/**'] : words),
  ],
  { cwd: root, stdio: 'inherit' },
);
const { numPassedTests, numFailedTests, numPendingTests, testResults } = JSON.parse(readFileSync(report, 'utf8'));
rmSync(dir, { recursive: true });
if (words.length === 0) showSlowest(testResults);
console.log(`${numPassedTests} passed, ${numFailedTests} failed${numPendingTests > 0 ? `, ${numPendingTests} skipped` : ''}`);
process.exit(run.status ?? 1);

/** Files that took longest: where to look when the whole takes too long. Several run at a time. */
function showSlowest(files) {
  const times = files.map(({ name, startTime, endTime }) => ({ name: relative(root, name), seconds: (endTime - startTime) / 1000 }));
  times.sort((a, b) => b.seconds - a.seconds);
  const sum = times.reduce((all, { seconds }) => all + seconds, 0);
  console.log(`${times.length} files, ${sum.toFixed(0)} s one after the other; the slowest:`);
  for (const { name, seconds } of times.slice(0, 15)) console.log(`${seconds.toFixed(1).padStart(7)} s  ${name}`);
}
