// The choice of nodes for a running domain. All vCPUs are set, or none.
import { expect, test } from 'vitest';
import { machine, toolstackOn, vm, vmWithMask } from '../../test/support/toolstack.js';
import { XenError } from '../base/errors.js';
import type { VmSpec } from '../machine/vm.js';
import type { HostMap, MapCpu } from '../map/host-map.js';
import { profileOf } from '../xenopsd/api/profiles.js';
import { applyPlace, bringsNearer, PlaceChooser } from './place-running.js';

const SEED = profileOf('xapi-25.6');

async function running(specs: readonly VmSpec[], freeMib = [4096, 4096, 4096]) {
  const toolstack = await toolstackOn(machine(freeMib, 4), { policy: 'best_effort' });
  for (const spec of specs) {
    await toolstack.add(spec);
    expect((await toolstack.start(spec.name)).failure).toBeNull();
  }
  const choose = (name: string, profile = SEED) => {
    const map = toolstack.snapshot();
    return new PlaceChooser(map, profile, 'best_effort').choose(map.domains.find((domain) => domain.name === name)!);
  };
  return { toolstack, choose, xc: toolstack.doors.xc };
}

test('the nodes of its memory, when its soft affinity was lost', async () => {
  const { toolstack, choose, xc } = await running([vm('a', 2, 1000), vm('b', 2, 1000)]);
  await toolstack.pin('b', 'all', { soft: Array.from({ length: 12 }, (_, cpu) => cpu) });
  const choice = choose('b');
  expect(choice).toMatchObject({ verdict: 'memory', nodes: [1], cpus: [4, 5, 6, 7], reason: 'its memory lies on node 1' });
  expect(choice.before.meanDistance).toBeGreaterThan(choice.after.meanDistance as number);
  expect(choice.after).toMatchObject({ remotePages: 0, meanDistance: 10 });
  applyPlace(xc, choice);
  for (const vcpu of [0, 1]) expect(xc.vcpuGetAffinity(2, vcpu).soft).toEqual([4, 5, 6, 7]);
  // As predicted, the node affinity follows and the memory has not moved.
  expect(xc.domainNodeGetAffinity(2)).toEqual(choice.nodeAffinityAfter);
  expect(choose('b')).toMatchObject({ verdict: 'kept', nodes: [1] });
});

test('the planner chooses when the memory is on all nodes', async () => {
  const { toolstack, choose } = await running([vm('a', 2, 1000)]);
  toolstack.setPolicy('any');
  await toolstack.add(vm('spread', 2, 900));
  await toolstack.start('spread');
  expect(choose('spread')).toMatchObject({
    verdict: 'planner',
    reason: 'its memory lies on all nodes; best_effort chooses node 0',
    nodes: [0],
  });
});

test('the node of most of its memory, when the rest is on all others', async () => {
  const { toolstack, choose } = await running([], [4096, 400, 400]);
  toolstack.setPolicy('any');
  await toolstack.add(vm('uneven', 2, 3000));
  await toolstack.start('uneven');
  for (const profile of ['xapi-25.6', 'xapi-26.3'] as const) {
    const choice = choose('uneven', profileOf(profile));
    expect(choice).toMatchObject({ verdict: 'memory', reason: 'most of its memory lies on node 0', nodes: [0] });
    expect(choice.after.meanDistance).toBeLessThan(choice.before.meanDistance as number);
  }
});

test('the planner chooses when the nodes of the memory have too few CPUs', async () => {
  const { toolstack, choose } = await running([]);
  toolstack.setPolicy('any');
  await toolstack.add(vmWithMask('wide', 6, 1000, '0,1'));
  await toolstack.start('wide');
  const all = Array.from({ length: 12 }, (_, cpu) => cpu);
  await toolstack.pin('wide', 'all', { hard: all });
  const choice = choose('wide');
  expect(choice.reason).toBe('node 0 with its memory has 4 CPUs for 6 vCPUs; best_effort chooses nodes 0-1');
  expect(choice).toMatchObject({ verdict: 'planner', nodes: [0, 1] });
  // A profile that sets nothing for several nodes leaves the domain alone.
  expect(choose('wide', profileOf('xapi-26.3'))).toMatchObject({ verdict: 'none', nodes: [] });
});

test('hard affinity stops it, as at a start', async () => {
  const { choose } = await running([vmWithMask('pinned', 2, 500, '4,5')]);
  expect(choose('pinned')).toMatchObject({
    verdict: 'none',
    reason: 'its hard affinity is set, and best_effort places no such VM',
    cpus: [],
  });
});

test('a failure half way restores the masks that were set', async () => {
  const { toolstack, choose, xc } = await running([vm('a', 3, 1000)]);
  const all = Array.from({ length: 12 }, (_, cpu) => cpu);
  await toolstack.pin('a', 'all', { soft: all });
  const choice = choose('a');
  const failing = {
    ...xc,
    vcpuSetAffinity: (...args: Parameters<typeof xc.vcpuSetAffinity>) => {
      if (args[1] === 2) throw new XenError('EBUSY', 'xc_vcpu_setaffinity');
      return xc.vcpuSetAffinity(...args);
    },
  };
  expect(() => applyPlace(failing, choice)).toThrow('EBUSY');
  for (const vcpu of [0, 1, 2]) expect(xc.vcpuGetAffinity(1, vcpu).soft).toEqual(all);
});

// best_effort, as xenopsd, raises for a CPU without a node, and CPUs that the domain may not use
// have none here. Those of a host's holes have none either.
test.each([
  ['offline', (map: HostMap) => changed(map, (cpu) => (cpu.id === 11 ? { ...cpu, online: false, pool: null } : cpu))],
  ['in another pool', (map: HostMap) => changed(map, (cpu) => (cpu.node === 2 ? { ...cpu, pool: 1 } : cpu))],
  ['in no pool', (map: HostMap) => changed(map, (cpu) => (cpu.node === 2 ? { ...cpu, pool: null } : cpu))],
  ['absent', (map: HostMap) => changed(map, (cpu) => (cpu.id === 9 ? null : cpu))],
])('the planner chooses among the other CPUs when some are %s', async (_, change) => {
  const { toolstack } = await running([], [1500, 1500, 1500]);
  toolstack.setPolicy('any');
  await toolstack.add(vm('spread', 2, 900));
  await toolstack.start('spread');
  const map = change(toolstack.snapshot());
  const domain = map.domains.find(({ name }) => name === 'spread')!;
  for (const profile of ['xapi-25.6', 'xapi-25.39', 'xapi-26.3', 'xl'] as const) {
    const choice = new PlaceChooser(map, profileOf(profile), 'best_effort').choose({ ...domain, pages: [77_000, 77_000, 77_000] });
    // xl prefers the node with the fewest vCPUs, and Domain-0 is on all.
    expect([[0], [1]]).toContainEqual(choice.nodes);
    expect(choice.cpus).toEqual([0, 1, 2, 3].map((cpu) => cpu + 4 * choice.nodes[0]!));
  }
});

function changed(map: HostMap, cpu: (one: MapCpu) => MapCpu | null): HostMap {
  return { ...map, cpus: map.cpus.map((one) => (one === null ? null : cpu(one))) };
}

test('a change brings nearer what is at a shorter distance, or at the same with less remote memory', async () => {
  const { toolstack, choose } = await running([vm('a', 2, 1000)]);
  await toolstack.pin('a', 'all', { soft: [4, 5] });
  const { before, after } = choose('a');
  expect(bringsNearer({ before, after })).toBe(true);
  expect(bringsNearer({ before: after, after: before })).toBe(false);
  expect(bringsNearer({ before, after: before })).toBe(false);
  expect(bringsNearer({ before, after: { ...before, remotePages: 0 } })).toBe(true);
  // More memory on the nodes of its vCPUs is no gain where the distance grows.
  expect(bringsNearer({ before: after, after: { ...before, remotePages: 0 } })).toBe(false);
});
