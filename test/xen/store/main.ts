// xennuma's XenStore as that of a real dom0, which has booted without one: dom0's kernel, Debian's
// xl and guests use it. Run by node:test in dom0 (npm run test:xen -- store).
import assert from 'node:assert/strict';
import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { openLibxencall } from '../../../src/xenctrl/doors/libxencall-door.js';
import { openXenctrl } from '../../../src/xenctrl/open-xenctrl.js';
import { connectXenstore } from '../../../src/xenstore/client/connect.js';
import { eventually, MINI, xl } from '../guests/host.js';

const STATE = '/tmp/xennuma-store.state';
const KERNEL = '/dev/xen/xenbus';

async function daemon(): Promise<ChildProcess> {
  const child = spawn('node', ['dist/xennuma.js', 'xenstored', '--rings', '--force', '--state', STATE], {
    stdio: ['ignore', 'inherit', 'pipe'],
  });
  let said = '';
  child.stderr.on('data', (chunk: Buffer) => {
    said += chunk.toString();
    process.stdout.write(chunk);
  });
  while (!said.includes('listening at')) {
    assert.equal(child.exitCode, null, said);
    await sleep(50);
  }
  return child;
}

function create(name: string, type: 'pv' | 'pvh'): number {
  const file = `/tmp/${name}.cfg`;
  writeFileSync(file, `name = "${name}"\nkernel = "${MINI.kernel}"\ntype = "${type}"\nmemory = 32\nvcpus = 1\non_crash = "destroy"\n`);
  xl('create', file);
  const domid = Number(xl('domid', name));
  assert.equal(execFileSync('xenstore-read', [`/local/domain/${domid}/name`], { encoding: 'utf8' }).trim(), name);
  return domid;
}

const domains = () => execFileSync('xenstore-list', ['/local/domain'], { encoding: 'utf8' }).trim().split('\n');

test("it serves dom0's kernel, xl and guests, notices a crash, and goes on from its state after kill -9", async () => {
  let store = await daemon();
  execFileSync('xen-init-dom0', { stdio: 'inherit' });
  execFileSync('xenconsoled');
  assert.match(xl('list'), /^Domain-0 +0 /m);

  // Through the kernel, and so through dom0's own ring.
  const kernel = await connectXenstore({ path: KERNEL });
  await kernel.write('/test/kernel', 'x'.repeat(1500));
  assert.equal(await kernel.read('/test/kernel'), 'x'.repeat(1500));
  const watch = await kernel.watch('/test/watched', 'token');
  const events = watch[Symbol.asyncIterator]();
  await events.next();
  execFileSync('xenstore-write', ['/test/watched', 'by another']);
  assert.deepEqual((await events.next()).value, { path: '/test/watched', token: 'token' });
  await kernel.close();

  for (const type of ['pv', 'pvh'] as const) create(`mini-${type}`, type);
  assert.match(xl('list'), /^mini-pv .*\nmini-pvh /m);
  for (const type of ['pv', 'pvh'] as const) xl('destroy', `mini-${type}`);
  assert.deepEqual(domains(), ['0']);

  // xl's own process waits for @releaseDomain, and destroys the domain.
  const crashing = create('crashing', 'pvh');
  const door = await openLibxencall();
  const xc = openXenctrl(door);
  xc.domainShutdown(crashing, 3);
  await eventually(async () => assert.equal(xc.domainInfo(crashing), null));
  await eventually(async () => assert.deepEqual(domains(), ['0']));

  const survivor = create('survivor', 'pv');
  store.kill('SIGKILL');
  await new Promise((done) => store.once('close', done));
  store = await daemon();
  // The one before has lost its connection, and is gone.
  execFileSync('xenconsoled');
  assert.match(xl('list'), new RegExp(`^survivor +${survivor} `, 'm'));
  const again = await connectXenstore({ path: KERNEL });
  assert.equal(await again.read(`/local/domain/${survivor}/name`), 'survivor');
  await again.close();
  xl('destroy', 'survivor');
  create('later', 'pvh');
  xl('destroy', 'later');
  assert.deepEqual(domains(), ['0']);
  xc.close();
  door.close();
  store.kill('SIGTERM');
});
