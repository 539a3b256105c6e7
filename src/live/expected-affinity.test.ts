// The affinity requested for a domain, from each place where a toolstack records it.
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it, test } from 'vitest';
import { machine, toolstackOn, vm, vmWithMask } from '../../test/support/toolstack.js';
import { judgeDomains } from '../map/judge.js';
import { FileMetadata } from '../xenopsd/store/file-metadata.js';
import { expectedOfSpec, findExpected, softOfVirtualNodes } from './expected-affinity.js';
import { liveMap } from './live-map.js';
import { expectedOfLibxl, localRecords } from './local-records.js';

const folder = mkdtempSync(join(tmpdir(), 'xennuma-asked-'));
afterAll(() => rmSync(folder, { recursive: true }));
const UUID = 'fafc3ba4-0406-4d92-80b9-378218701e98';
const SPEC = { source: 'test', pcpus: 8, hardPlaced: false };

test('of a VM: mask by vCPU, cpus= and cpus_soft= of xl, nothing, or a mask that xapi ignores', () => {
  expect(expectedOfSpec(vmWithMask('a', 3, 100, '1,2;3'), SPEC)).toEqual({ source: 'test', hard: [[1, 2], [3], [1, 2]], soft: null });
  expect(expectedOfSpec(vm('a', 2, 100, { xlHardCpus: [[4], [5]], xlSoftCpus: [[4, 5]] }), SPEC)).toEqual({
    ...{ source: 'test', hard: [[4], [5]] },
    soft: [
      [4, 5],
      [4, 5],
    ],
  });
  expect(expectedOfSpec(vm('a', 1, 100), SPEC)).toEqual({ source: 'test', hard: 'all', soft: null });
  expect(expectedOfSpec(vm('a', 1, 100), { ...SPEC, hardPlaced: true }).hard).toBe('placed');
  expect(expectedOfSpec(vmWithMask('a', 1, 100, '1, 2'), SPEC)).toMatchObject({
    hard: 'all',
    ignoredMask: { mask: '1, 2', reason: 'white space' },
  });
});

test("of libxl's file: lists by vCPU, with the zero byte at its end", async () => {
  const file = join(folder, `userdata-d.7.${UUID}.libxl-json`);
  writeFileSync(
    file,
    `${JSON.stringify({ b_info: { vcpu_hard_affinity: [[2, 3], [4]], vcpu_soft_affinity: [[2], [2]], max_vcpus: 2 }, c_info: {} })}\n\0`,
  );
  expect(await expectedOfLibxl(folder, 7, UUID)).toEqual({ source: "libxl's userdata", hard: [[2, 3], [4]], soft: [[2], [2]] });
  writeFileSync(file, JSON.stringify({ b_info: { max_vcpus: 2 } }));
  expect(await expectedOfLibxl(folder, 7, UUID)).toEqual({ source: "libxl's userdata", hard: 'all', soft: null });
  expect(await expectedOfLibxl(folder, 8, UUID)).toBeNull();
  writeFileSync(file, '{ "b_info": { "vcpu_hard_affinity": [["two"]] } }');
  await expect(expectedOfLibxl(folder, 7, UUID)).rejects.toThrow(
    'expected the record that libxl keeps of a domain, got b_info.vcpu_hard_affinity.0.0',
  );
  writeFileSync(file, '{');
  await expect(expectedOfLibxl(folder, 7, UUID)).rejects.toThrow('expected the record that libxl keeps of a domain');
});

test("of a host: xennuma's state, then XenStore, found again by uuid; nothing is recorded for Domain-0", async () => {
  const state = join(folder, 'state');
  const metadata = await FileMetadata.open(state);
  const toolstack = await toolstackOn(machine([2048, 2048], 4), { metadata });
  for (const spec of [vmWithMask('masked', 2, 100, '1'), vm('plain', 1, 100)]) {
    await toolstack.add(spec);
    await toolstack.start(spec.name);
  }
  const live = await liveMap(toolstack.doors, { memory: true });
  // The other process still owns the folder.
  const vmMetadata = await FileMetadata.read(state);
  const affinities = await findExpected(live, { xs: toolstack.doors.xs, ...localRecords(vmMetadata, folder) });
  await metadata.close();
  expect([...affinities.keys()]).toEqual([1, 2]);
  expect(affinities.get(1)).toEqual({ source: "xennuma's state", hard: [[1], [1]], soft: null });
  expect(affinities.get(2)).toEqual({ source: 'XenStore', hard: [[0, 1, 2, 3, 4, 5, 6, 7]], soft: null });
  const strangers = await findExpected(live, { xs: toolstack.doors.xs, ...localRecords([], folder) });
  expect(strangers.get(1)).toEqual({ source: 'XenStore', hard: [[1], [1]], soft: null });
});

test('a state folder that does not exist holds no VMs', async () => {
  expect(await FileMetadata.read(join(folder, 'nothing'))).toEqual([]);
});

describe('virtual nodes', () => {
  it.each(['tight', 'xl'] as const)(
    '%s: each vCPU is expected to prefer the node of its memory, and verify sees when it does not',
    async (kind) => {
      const MIB = 2 ** 20;
      const vnode = (pnode: number, vcpus: readonly number[]) => ({ pnode, memoryBytes: 512 * MIB, vcpus, distances: [10, 10] });
      const spec = vm('a', 4, 1024, kind === 'tight' ? { virtualNodes: 2 } : { vnuma: [vnode(0, [0, 1]), vnode(1, [2, 3])] });
      const options =
        kind === 'tight' ? ({ profile: 'xapi-25.21', policy: 'tight' } as const) : ({ profile: 'xl', policy: 'default_policy' } as const);
      const toolstack = await toolstackOn(machine([4096, 4096], 4), options);
      await toolstack.add(spec);
      const { domid, record } = await toolstack.start('a');
      const soft = softOfVirtualNodes(record.entries, toolstack.snapshot(), 4);
      expect(soft).toEqual([
        [0, 1, 2, 3],
        [0, 1, 2, 3],
        [4, 5, 6, 7],
        [4, 5, 6, 7],
      ]);
      const drifts = () => {
        const map = toolstack.snapshot();
        return judgeDomains(map, new Map([[domid!, { source: 'test', hard: 'all', soft }]]), new Set([domid!]))[0]!.drifts.map(
          ({ code }) => code,
        );
      };
      expect(drifts()).toEqual([]);
      toolstack.doors.xc.vcpuSetAffinity(domid!, 3, { soft: [0, 1, 2, 3] });
      expect(drifts()).toEqual(['soft-differs']);
    },
  );

  it('expects nothing of a build without them', async () => {
    const toolstack = await toolstackOn(machine([4096, 4096], 4));
    await toolstack.add(vm('a', 2, 512));
    const { record } = await toolstack.start('a');
    expect(softOfVirtualNodes(record.entries, toolstack.snapshot(), 2)).toBeNull();
  });
});
