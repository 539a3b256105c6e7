// `npm run test:xenstore`: the XenStore tests with Debian's own clients and daemons, which it
// unpacks first (nothing is installed). Except as root on Debian, it names what is missing, and
// runs the tests that do not need it.
import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('..', import.meta.url));
const has = (tool) => spawnSync('sh', ['-c', `command -v ${tool}`]).status === 0;
const missing = [
  process.getuid?.() === 0 ? '' : 'root',
  existsSync('/etc/debian_version') ? '' : 'Debian 12',
  ...['apt-get', 'dpkg-deb', 'unshare'].map((tool) => (has(tool) ? '' : tool)),
].filter((what) => what !== '');
let real = missing.length === 0;
if (real && !has('gcc')) {
  real =
    spawnSync('sh', ['-c', 'apt-get update -qq && apt-get install -o DPkg::Lock::Timeout=300 -qq -y gcc libc6-dev'], {
      stdio: ['ignore', 2, 2],
    }).status === 0;
}
if (real) real = spawnSync(join(root, 'rig/xenstored/run.sh'), ['prepare'], { stdio: ['ignore', 2, 2] }).status === 0;
if (!real)
  console.error(`test:xenstore: without Debian's daemons and clients${missing.length > 0 ? `; missing: ${missing.join(', ')}` : ''}`);
const run = spawnSync(process.execPath, [join(root, 'scripts/test.mjs'), 'src/xenstore', 'test/xenstore', ...process.argv.slice(2)], {
  cwd: root,
  stdio: 'inherit',
  env: { ...process.env, ...(real ? { XENNUMA_XENSTORE_REAL: '1' } : {}) },
});
process.exit(run.status ?? 1);
