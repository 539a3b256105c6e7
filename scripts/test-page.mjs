// `npm run test:page`: the page in a real browser, Debian's Chromium. As root on Debian it is
// installed when it is missing; elsewhere CHROMIUM names one, or the tests are skipped (exit code
// 77).
import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('..', import.meta.url));
const chromium = process.env.CHROMIUM ?? '/usr/bin/chromium';

if (!existsSync(chromium) && process.env.CHROMIUM === undefined && process.getuid?.() === 0 && existsSync('/etc/debian_version')) {
  console.log('installing chromium');
  const environment = { ...process.env, DEBIAN_FRONTEND: 'noninteractive' };
  const apt = (...words) => spawnSync('apt-get', words, { stdio: 'inherit', env: environment });
  apt('-o', 'DPkg::Lock::Timeout=600', 'update', '-qq');
  apt('-o', 'DPkg::Lock::Timeout=600', 'install', '-y', '-qq', '--no-install-recommends', 'chromium', 'fonts-liberation');
}
if (!existsSync(chromium)) {
  console.log(`skipped: there is no ${chromium}; CHROMIUM names another`);
  process.exit(77);
}
const vitest = ['node_modules/vitest/vitest.mjs', 'run', '-c', 'test/page/vitest.config.ts', ...process.argv.slice(2)];
const { status, stdout } = spawnSync(process.execPath, vitest, {
  cwd: root,
  env: { ...process.env, CHROMIUM: chromium, NO_COLOR: '1' },
  stdio: ['ignore', 'pipe', 'inherit'],
  encoding: 'utf8',
});
process.stdout.write(stdout);
const tests = /Tests +(?:(\d+) failed \| )?(?:(\d+) passed)?/.exec(stdout);
const [failed, passed] = [Number(tests?.[1] ?? 0), Number(tests?.[2] ?? 0)];
const summary = `${passed} passed, ${failed === 0 && status !== 0 ? 1 : failed} failed`;
process.exitCode = status ?? 1;
// Sizes are part of the whole run only.
if (process.argv.length === 2) {
  const sizes = spawnSync(process.execPath, ['scripts/page-sizes.mjs'], { cwd: root, stdio: ['ignore', 'inherit', 'inherit'] });
  if (sizes.status !== 0) process.exitCode = 1;
}
// The last line is counted.
console.log(summary);
