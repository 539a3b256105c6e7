// The agent on the embedded host, with domains as another toolstack makes them, before they have
// memory.
import { describe, expect, it } from 'vitest';
import { Random } from '../../base/random.js';
import { GIB, MIB, PAGE_BYTES } from '../../base/units.js';
import type { Host } from '../../machine/model.js';
import { embeddedHost } from '../../xenopsd/hosts/embedded-host.js';
import { PlaceAgent } from './place-agent.js';

const hostOf = (nodes: number, gib: number): Host => ({
  name: 'agent',
  source: 'test',
  nodes: Array.from({ length: nodes }, (_, id) => ({ id, memoryBytes: gib * GIB, freeBytes: gib * GIB })),
  cpus: Array.from({ length: 4 * nodes }, (_, id) => ({ id, node: id >> 2, core: id, socket: 0 })),
  distances: Array.from({ length: nodes }, (_, a) => Array.from({ length: nodes }, (__, b) => (a === b ? 10 : 20))),
  notes: [],
});

async function agentOn(nodes: number, gib: number) {
  const { xc, inspect } = await embeddedHost(hostOf(nodes, gib));
  let clock = 0;
  const agent = new PlaceAgent(xc, { now: () => clock });
  const create = (vcpus: number): number => {
    const domid = xc.domainCreate({ domid: 0, kind: 'pvh', maxVcpus: vcpus, uuid: new Uint8Array(16) });
    xc.domainMaxVcpus(domid, vcpus);
    return domid;
  };
  const softOf = (domid: number) => [...xc.vcpuGetAffinity(domid, 0).soft];
  return { xc, inspect, agent, create, softOf, pass: (ms: number) => (clock += ms) };
}

describe('one domain', () => {
  it('gets the soft affinity of its nodes on every vCPU', async () => {
    const { xc, agent, create } = await agentOn(2, 4);
    const domid = create(3);
    expect(agent.place(domid, 1024)).toEqual({ verdict: 'placed', cpus: '0-3' });
    for (const vcpu of [0, 1, 2]) expect(xc.vcpuGetAffinity(domid, vcpu).soft).toEqual([0, 1, 2, 3]);
  });

  it('is placed within its hard mask', async () => {
    const { xc, agent, create, softOf } = await agentOn(2, 4);
    const domid = create(2);
    for (const vcpu of [0, 1]) xc.vcpuSetAffinity(domid, vcpu, { hard: [5, 6, 7] });
    agent.place(domid, 1024);
    expect(softOf(domid)).toEqual([4, 5, 6, 7]);
  });

  it('that is not there, or fits nowhere, is left alone', async () => {
    const { agent, create } = await agentOn(2, 4);
    expect(agent.place(77, 1024)).toMatchObject({ verdict: 'left' });
    expect(agent.place(0, 1024)).toMatchObject({ verdict: 'left' });
    expect(agent.place(create(2), 64 * 1024)).toMatchObject({ verdict: 'left' });
  });
});

describe('several builds', () => {
  it('a domain that ends while Xen is asked keeps no other from its place', async () => {
    const { xc, create } = await agentOn(2, 4);
    const [gone, next] = [create(1), create(1)];
    const listed = xc.domainList();
    xc.domainDestroy(gone);
    const late = new Proxy(xc, {
      get: (target, name) => {
        if (name === 'domainList') return () => listed;
        const value = Reflect.get(target, name, target) as unknown;
        return typeof value === 'function' ? value.bind(target) : value;
      },
    });
    expect(new PlaceAgent(late).place(next, 1024)).toMatchObject({ verdict: 'placed' });
  });

  it('never get the same memory, and get it back when one ends', async () => {
    const { xc, agent, create, softOf } = await agentOn(2, 4);
    const [first, second, third] = [create(1), create(1), create(1)];
    agent.place(first, 3000);
    agent.place(second, 3000);
    expect([softOf(first)[0], softOf(second)[0]]).toEqual([0, 4]);
    // Nobody has taken a page yet, but all of it is promised.
    expect(agent.place(third, 3000)).toMatchObject({ verdict: 'left' });
    xc.domainDestroy(first);
    expect(agent.place(third, 3000)).toEqual({ verdict: 'placed', cpus: '0-3' });
  });

  it('a builder that is started anew is not counted twice, one that never ends not for ever', async () => {
    const { agent, create, pass } = await agentOn(1, 4);
    const [first, second] = [create(1), create(1)];
    agent.place(first, 3000);
    expect(agent.place(first, 3000)).toMatchObject({ verdict: 'placed' });
    expect(agent.place(second, 3000)).toMatchObject({ verdict: 'left' });
    pass(60 * 60_000);
    expect(agent.place(second, 3000)).toMatchObject({ verdict: 'placed' });
  });

  it('in any interleaving, promised and taken memory never exceed a node', async () => {
    const random = new Random(17);
    for (let round = 0; round < 40; round++) {
      const { xc, inspect, agent, create, softOf } = await agentOn(4, 2);
      const open: { domid: number; node: number; pages: number; left: number }[] = [];
      for (let step = 0; step < 30; step++) {
        const build = open.length > 0 && random.chance(60) ? random.pick(open) : null;
        if (build === null) {
          const domid = create(1);
          const mib = random.between(64, 1500);
          if (agent.place(domid, mib).verdict !== 'placed') continue;
          const nodes = new Set(softOf(domid).map((cpu) => cpu >> 2));
          const pages = (mib * MIB) / PAGE_BYTES;
          xc.domainSetMaxmem(domid, 4 * pages + 1024);
          if (nodes.size > 1) {
            xc.domainDestroy(domid);
            continue;
          }
          const node = [...nodes][0]!;
          open.push({ domid, node, pages, left: pages });
          // All that is promised of the node is there.
          const promised = open.filter((one) => one.node === node).reduce((sum, { left }) => sum + left, 0);
          expect(promised).toBeLessThanOrEqual(inspect.freePages()[node]!);
        } else if (random.chance(15)) {
          xc.domainDestroy(build.domid);
          open.splice(open.indexOf(build), 1);
        } else {
          const pages = Math.min(build.left, random.between(1, 40_000));
          const firstPfn = build.pages - build.left;
          const { done } = xc.domainPopulatePhysmap(build.domid, { extents: pages, order: 0, node: build.node, exactNode: true, firstPfn });
          expect(done).toBe(pages);
          build.left -= pages;
        }
      }
    }
  }, 60_000);
});
