// kill -9 of the builder, and of xennuma itself, at each step of a VM's start: an error of that VM alone, and after the clean-up Xen and
// XenStore are as before, by counts.
import { spawnSync } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { BUILD_STEPS } from '../../src/xenguest/real/build-guest.js';
import { FileMetadata } from '../../src/xenopsd/file-metadata.js';
import { bundled } from './bundled.js';
import { type Bench, bench, SOON, type Traces, traces, vm } from './guest-host.js';

let bystander: Bench;
let before: Traces;
beforeAll(async () => {
  bystander = await bench();
  bystander.toolstack.add(vm('bystander', 'pv', 1, 32));
  expect((await bystander.toolstack.start('bystander')).failure).toBeNull();
  before = await traces(bystander.doors.xc, bystander.doors.xs);
});
afterAll(async () => {
  await bystander.toolstack.stop('bystander');
  await bystander.doors.close();
});

test('the builder killed at any step is an error of its VM alone, and leaves nothing behind', async () => {
  const builder = bundled('dying-builder');
  for (const step of BUILD_STEPS) {
    const { doors, toolstack } = await bench({ builder: { command: ['/usr/bin/env', `DIE_AT=${step}`, process.execPath, builder] } });
    toolstack.add(vm('victim', 'pvh', 1, 32));
    const { failure, domid } = await toolstack.start('victim');
    expect(failure, step).toMatchObject({ step: 'xenguest', message: expect.stringContaining('SIGKILL') });
    expect(domid).toBeNull();
    await expect.poll(() => traces(doors.xc, doors.xs), { message: step, ...SOON }).toEqual(before);
    await doors.close();
  }
  expect(bystander.doors.xc.domainInfo(bystander.toolstack.vms()[0]!.domid!)?.dying).toBe(false);
});

test('xennuma killed before any change of a start: the next one cleans up, and the one after finds the VM running', async () => {
  const script = bundled('dying-xennuma');
  const folder = await mkdtemp('/tmp/xennuma-state-');
  let killed = 0;
  for (;;) {
    const { stdout, stderr, signal } = spawnSync(process.execPath, [script, folder, String(killed)], { encoding: 'utf8' });
    if (stdout.includes('DONE')) break;
    expect(signal, stderr).toBe('SIGKILL');
    const metadata = await FileMetadata.open(folder);
    const { doors } = await bench({ metadata });
    await expect.poll(() => traces(doors.xc, doors.xs), { message: `killed before change ${killed}`, ...SOON }).toEqual(before);
    await metadata.close();
    await doors.close();
    killed++;
  }
  expect(killed).toBeGreaterThan(10);
  console.log(`killed ${killed} times, ${before.domains.length} domains and ${before.keys.length} keys each time after the clean-up`);

  const metadata = await FileMetadata.open(folder);
  const { doors, toolstack } = await bench({ metadata });
  expect(toolstack.vms()).toMatchObject([{ spec: { name: 'victim' }, power: 'running' }]);
  expect((await toolstack.stop('victim')).failure).toBeNull();
  await expect.poll(() => traces(doors.xc, doors.xs), SOON).toEqual(before);
  await metadata.close();
  await doors.close();
  await rm(folder, { recursive: true });
});
