// `xennuma vm` as people use it: each command a process of its own, which finds the VMs of those
// before it; xl sees the same.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { asWere, bench, MINI, traces, using, xl } from './host.js';

test('xennuma vm create, start and destroy: xl agrees, and nothing is left', () =>
  using(bench(), async ({ doors }) => {
    const unused = await traces(doors.xc, doors.xs);
    const folder = await mkdtemp('/tmp/xennuma-vm-');
    const state = join(folder, 'state');
    const file = join(folder, 'vms.json');
    await writeFile(file, JSON.stringify({ vms: [{ name: 'mini', kind: 'pvh', vcpus: 2, memory: '32MiB', boot: MINI }] }));
    const vm = (...words: string[]) =>
      JSON.parse(
        execFileSync('node', ['dist/xennuma.js', 'vm', ...words, '--on', 'xen', '--state', state, '--json'], { encoding: 'utf8' }),
      );

    const created = vm('create', '--vms', file);
    assert.deepEqual([created.vms.length, created.vms[0].name, created.vms[0].domid], [1, 'mini', null]);
    const started = vm('start', 'mini', '--policy', 'best_effort');
    const [{ domid, soft, pagesByNode }] = started.vms;
    assert.match(xl('list'), new RegExp(`^mini +${domid} +`, 'm'));
    assert.equal(xl('vcpu-list', 'mini').match(new RegExp(`all / ${soft[0]}$`, 'gm'))?.length, 2);
    assert.equal(pagesByNode.filter((pages: number) => pages > 0).length, 1);
    const destroyed = vm('destroy', 'mini');
    assert.deepEqual([destroyed.outcomes[0].failure, destroyed.vms], [null, []]);
    assert.deepEqual(await readdir(state), []);
    await asWere(doors, unused);
    await rm(folder, { recursive: true });
  }));
