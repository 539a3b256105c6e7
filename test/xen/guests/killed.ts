// kill -9 of the builder, and of xennuma itself, at each step of a VM's start: an error of that VM
// alone, and after the clean-up Xen and XenStore are as before, by counts.
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { BUILD_STEPS } from '../../../src/xenguest/real/build-guest.js';
import { FileMetadata } from '../../../src/xenopsd/store/file-metadata.js';
import { type Bench, bench, eventually, start, stop, type Traces, traces, using, vm } from './host.js';

const FEWEST_CHANGES = 10;

describe('beside a VM that runs', () => {
  let bystander: Bench;
  let untouched: Traces;
  before(async () => {
    bystander = await bench();
    await start(bystander, vm('bystander', 'pv', 1, 32));
    untouched = await traces(bystander.doors.xc, bystander.doors.xs);
  });
  after(async () => {
    await stop(bystander, 'bystander');
    await bystander.doors.close();
  });

  async function asBefore({ doors }: Bench, when: string): Promise<void> {
    await eventually(async () => assert.deepEqual(await traces(doors.xc, doors.xs), untouched, when));
  }

  function counts(times: number): string {
    const { domains, keys, freePages, outstandingPages } = untouched;
    return `${times} kills, after each clean-up as before: ${domains.length} domains, ${keys.length} XenStore keys, ${outstandingPages} pages claimed, ${freePages} free`;
  }

  test('the builder killed at any step is an error of its VM alone, and leaves nothing behind', async () => {
    for (const step of BUILD_STEPS) {
      const command = ['/usr/bin/env', `DIE_AT=${step}`, process.execPath, join(import.meta.dirname, 'dying-builder.js')];
      await using(bench({ builder: { command } }), async (one) => {
        await one.toolstack.add(vm('victim', 'pvh', 1, 32));
        const { failure, domid } = await one.toolstack.start('victim');
        assert.equal(failure?.step, 'xenguest', step);
        assert.match(failure.message, /SIGKILL/, step);
        assert.equal(domid, null);
        await asBefore(one, `builder killed at ${step}`);
      });
    }
    assert.equal(bystander.doors.xc.domainInfo(bystander.toolstack.vms()[0]!.domid!)?.dying, false);
    console.log(`builder: ${counts(BUILD_STEPS.length)}`);
  });

  test('xennuma killed before any change of a start: the next one cleans up, and the one after finds the VM running', async () => {
    const folder = await mkdtemp('/tmp/xennuma-state-');
    let killed = 0;
    for (;;) {
      const script = join(import.meta.dirname, 'dying-xennuma.js');
      const { stdout, stderr, signal } = spawnSync(process.execPath, [script, folder, String(killed)], { encoding: 'utf8' });
      if (stdout.includes('DONE')) break;
      assert.equal(signal, 'SIGKILL', stderr);
      const metadata = await FileMetadata.open(folder);
      await using(bench({ metadata }), (one) => asBefore(one, `killed ${stdout.trim()}`));
      await metadata.close();
      killed++;
    }
    assert.ok(killed >= FEWEST_CHANGES, `${killed} changes`);
    console.log(`xennuma: ${counts(killed)}`);

    const metadata = await FileMetadata.open(folder);
    await using(bench({ metadata }), async (one) => {
      const [found] = one.toolstack.vms();
      assert.equal(found?.spec.name, 'victim');
      assert.equal(found.power, 'running');
      await stop(one, 'victim');
      await asBefore(one, 'stopped by the process that found it');
    });
    await metadata.close();
    await rm(folder, { recursive: true });
  });
});
