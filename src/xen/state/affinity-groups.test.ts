// The groups compared with the masks of each vCPU's own call, over random changes.
import { expect, it } from 'vitest';
import { Random } from '../../base/random.js';
import { EmbeddedDoor } from '../../xenctrl/doors/embedded-door.js';
import { openXenctrl } from '../../xenctrl/open-xenctrl.js';

const GIB = 2 ** 30;

function twoNodes() {
  const door = EmbeddedDoor.forHost({
    name: 'two nodes',
    source: 'test',
    nodes: [0, 1].map((id) => ({ id, memoryBytes: 16 * GIB, freeBytes: 15 * GIB })),
    cpus: Array.from({ length: 8 }, (_, id) => ({ id, node: id >> 2, core: id & 3, socket: id >> 2 })),
    distances: [
      [10, 20],
      [20, 10],
    ],
    notes: [],
  });
  return { xc: openXenctrl(door), inspect: door.inspect };
}

it('counts what one call for each vCPU reads, whatever came, went, moved or was pinned', () => {
  const random = new Random(3);
  const { xc, inspect } = twoNodes();
  const pool = xc.cpupoolCreate('credit2');
  xc.cpupoolRemoveCpu(0, 7);
  xc.cpupoolAddCpu(pool, 7);
  const domids: number[] = [];
  const some = () => domids[random.below(domids.length)]!;
  const masks = [[0], [0, 1], [4, 5, 6], [0, 1, 2, 3, 4, 5, 6, 7]];
  for (let step = 0; step < 300; step++) {
    const kind = domids.length === 0 ? 0 : random.below(8);
    const mask = masks[random.below(masks.length)]!;
    try {
      if (kind <= 1) {
        const maxVcpus = 1 + random.below(4);
        const domid = xc.domainCreate({ domid: 0, kind: 'pvh', maxVcpus, uuid: Buffer.alloc(16, step) });
        if (kind === 0) xc.domainMaxVcpus(domid, maxVcpus);
        domids.push(domid);
      } else if (kind === 2) xc.domainDestroy(domids.splice(random.below(domids.length), 1)[0]!);
      else if (kind === 3) xc.domainNodeSetAffinity(some(), random.below(2) === 0 ? 'all' : [random.below(2)]);
      else if (kind === 4) xc.cpupoolMoveDomain(random.below(2) === 0 ? pool : 0, some());
      else if (kind === 5) xc.vcpuSetAffinity(some(), 0, { soft: mask });
      else xc.vcpuSetAffinity(some(), 0, { hard: mask });
    } catch (error) {
      // A mask without a CPU of the pool, or a domain without vCPUs yet.
      expect(error).toHaveProperty('errno');
    }
    const read = new Map<string, number>();
    for (const { domid, maxVcpuId, cpupool } of xc.domainList()) {
      for (let vcpu = 0; vcpu <= maxVcpuId; vcpu++) {
        const key = JSON.stringify([cpupool, xc.domainNodeGetAffinity(domid), xc.vcpuGetAffinity(domid, vcpu).hard]);
        read.set(key, (read.get(key) ?? 0) + 1);
      }
    }
    const groups = inspect.affinityGroups().map(({ pool: id, nodeAffinity, hard, vcpus }) => {
      return [JSON.stringify([id, nodeAffinity, hard]), vcpus] as const;
    });
    expect([...groups].sort()).toEqual([...read].sort());
    expect(inspect.invariants()).toEqual([]);
  }
});
