// kill -9 of the builder, of QEMU, and of xennuma itself, at each step of an HVM guest's start: an
// error of that VM alone, and after the clean-up Xen, XenStore and the processes are as before.
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { before, describe, test } from 'node:test';
import { BUILD_STEPS } from '../../../src/xenguest/real/build-guest.js';
import { qemuProcesses } from '../../../src/xenopsd/hosts/device-model/processes.js';
import { FileMetadata } from '../../../src/xenopsd/store/file-metadata.js';
import { asWere, type Bench, bench, eventually, start, stop, type Traces, traces, using } from '../guests/host.js';
import { smallHvm } from './guest.js';

const FEWEST_CHANGES = 12;

describe('kill -9', () => {
  let unused: Traces;
  before(async () => {
    await using(bench(), async (one) => {
      await start(one, smallHvm('first'));
      await stop(one, 'first');
      unused = await traces(one.doors.xc, one.doors.xs);
    });
  });

  async function asBefore({ doors }: Bench): Promise<void> {
    await asWere(doors, unused);
    assert.deepEqual(qemuProcesses(), []);
  }

  test('of the builder at any step is an error of its VM alone, and leaves nothing behind', async () => {
    for (const step of BUILD_STEPS) {
      const command = ['/usr/bin/env', `DIE_AT=${step}`, process.execPath, join(import.meta.dirname, 'dying-builder.js')];
      await using(bench({ builder: { command } }), async (one) => {
        await one.toolstack.add(smallHvm('victim'));
        const { failure, domid } = await one.toolstack.start('victim');
        assert.deepEqual([failure?.step, domid], ['xenguest', null], step);
        assert.match(failure!.message, /SIGKILL/, step);
        await asBefore(one);
      });
    }
    console.log(`builder: ${BUILD_STEPS.length} kills, after each all as before`);
  });

  test('of xennuma before any change of a start: the next one cleans up, and the one after finds the guest; then of QEMU', async () => {
    const folder = await mkdtemp('/tmp/xennuma-state-');
    let killed = 0;
    for (; ; killed++) {
      const script = join(import.meta.dirname, 'dying-xennuma.js');
      const { stdout, stderr, signal } = spawnSync(process.execPath, [script, folder, String(killed), 'hvm'], { encoding: 'utf8' });
      if (stdout.includes('DONE')) break;
      assert.equal(signal, 'SIGKILL', stderr);
      const metadata = await FileMetadata.open(folder);
      await using(bench({ metadata }), asBefore);
      await metadata.close();
    }
    assert.ok(killed >= FEWEST_CHANGES, `${killed} changes`);
    console.log(`xennuma: ${killed} kills, after each all as before`);

    const [qemu, ...none] = qemuProcesses();
    assert.ok(qemu !== undefined);
    assert.deepEqual(none, []);
    const [file] = (await readdir(folder)).filter((name) => name.endsWith('.json'));
    assert.equal(JSON.parse(await readFile(join(folder, file!), 'utf8')).deviceModelPid, qemu.pid, "QEMU's pid in the state folder");
    const metadata = await FileMetadata.open(folder);
    await using(bench({ metadata }), async (one) => {
      assert.deepEqual(
        one.toolstack.vms().map(({ spec, power }) => [spec.name, power]),
        [['victim', 'running']],
      );
      process.kill(qemu.pid, 'SIGKILL');
      await eventually(async () => {
        const [outcome] = await one.toolstack.noticeEnded();
        assert.equal(outcome?.ending, 'crash');
      });
      await asBefore(one);
    });
    await metadata.close();
    await rm(folder, { recursive: true });
  });
});
