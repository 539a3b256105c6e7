// `npm run test:afar`: a real Xen read from outside over ssh, from a status report and from a
// paste, beside the answers inside its dom0. Boots machine shape a of the rig (rig/README.md) with
// an SSH server, and runs test/xen/afar on this side of it. Exit codes: 0 all passed, 1 some did
// not.
//   node scripts/test-afar.mjs [PATTERN]   only the tests whose names match
import { spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { bundleForDom0, nodeTest, nodeTestCounts, root } from './dom0-bundle.mjs';

const TIMEOUT_MS = 2_400_000;
const LIFE_S = 3600;

/** @returns [passed, failed]; undefined when the tests did not come to their end */
export async function testAfar(pattern) {
  const rig = join(root, 'rig/xen-rig');
  const name = `test-afar-${process.pid}`;
  const port = await freePort();
  const bundles = bundleForDom0('.dist-afar', { main: 'test/xen/afar/main.ts', inside: 'test/xen/afar/inside.ts' });
  // One thread for all CPUs: on a busy machine several times faster (rig/README.md).
  const env = { RIG_THREADS: 'single', ...process.env, XENNUMA_RIG: rig, XENNUMA_RIG_NAME: name };
  try {
    const words = ['start', '--shape', 'a', '--name', name, '--life', String(LIFE_S), '--ssh', String(port)];
    if (spawnSync(rig, words, { cwd: root, stdio: 'inherit', env }).status !== 0) return undefined;
    const [program, ...rest] = nodeTest(join(bundles, 'main.js'), pattern);
    const run = spawnSync(program, rest, { cwd: root, encoding: 'utf8', stdio: ['ignore', 'pipe', 'inherit'], timeout: TIMEOUT_MS, env });
    process.stdout.write(run.stdout);
    return nodeTestCounts(run);
  } finally {
    spawnSync(rig, ['stop', '--name', name], { stdio: 'inherit' });
  }
}

async function freePort() {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address();
  server.close();
  await once(server, 'close');
  return port;
}

if (process.argv[1] && import.meta.url === pathToFileURL(process.argv[1]).href) {
  const [passed, failed] = (await testAfar(process.argv[2])) ?? [0, 1];
  console.log(`${passed} passed, ${failed} failed`);
  process.exitCode = failed === 0 ? 0 : 1;
}
