// The column "one node" of the table of VMs.
import { describe, expect, it } from 'vitest';
import { machine, toolstackOn, vm } from '../../../test/support/toolstack.js';
import { MIB } from '../../base/units.js';
import type { VmSpec } from '../../machine/vm.js';
import { summarise } from '../answers/summary.js';
import { palette } from './terminal.js';
import { vmTable } from './vm-table.js';

const vnuma = [0, 1].map((pnode) => ({
  pnode,
  memoryBytes: 512 * MIB,
  vcpus: [2 * pnode, 2 * pnode + 1],
  distances: pnode === 0 ? [10, 20] : [20, 10],
}));

async function rowOf(spec: VmSpec) {
  const toolstack = await toolstackOn(machine([4096, 4096], 4), { profile: 'xl' });
  await toolstack.add(spec);
  await toolstack.start(spec.name);
  const { host, vms } = summarise(toolstack);
  const [heading = '', row = ''] = vmTable(host, vms, palette());
  const from = heading.indexOf('one node');
  return { word: row.slice(from, from + 8).trim(), inPlace: vms[0]!.virtualNodesInPlace };
}

describe('a guest with virtual nodes', () => {
  it('on their own nodes is in place, though not on one node', async () => {
    expect(await rowOf(vm('wide', 4, 1024, { vnuma }))).toEqual({ word: 'vNUMA ok', inPlace: true });
  });

  it('whose vCPUs are pinned elsewhere is not', async () => {
    const xlHardCpus = Array.from({ length: 4 }, () => [0]);
    expect(await rowOf(vm('apart', 4, 1024, { vnuma, xlHardCpus }))).toEqual({ word: 'no', inPlace: false });
  });
});

it('a guest without them has no such state', async () => {
  expect((await rowOf(vm('plain', 2, 1024))).inPlace).toBeNull();
});
