// `npm run test:fleet`: the fleet on real NATS servers, which Debian's package brings. Exits with
// 77 (skipped) where nats-server is missing and cannot be installed.
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('..', import.meta.url));
const env = { ...process.env, PATH: `${process.env.PATH ?? ''}:/usr/sbin` };
const has = (tool) => spawnSync('sh', ['-c', `command -v ${tool}`], { env }).status === 0;

if (!has('nats-server') && process.getuid?.() === 0 && has('apt-get')) {
  const install = 'apt-get update -qq && apt-get install -o DPkg::Lock::Timeout=300 -qq -y nats-server';
  spawnSync('sh', ['-c', install], { stdio: ['ignore', 2, 2], env: { ...env, DEBIAN_FRONTEND: 'noninteractive' } });
}
if (!has('nats-server')) {
  console.error('test:fleet: skipped: nats-server is missing, and only root on Debian can install it here');
  process.exit(77);
}
const run = spawnSync(process.execPath, [join(root, 'scripts/test.mjs'), 'test/fleet', ...process.argv.slice(2)], {
  cwd: root,
  stdio: 'inherit',
  env: { ...env, XENNUMA_FLEET: '1' },
});
process.exit(run.status ?? 1);
