// The contract of every Xenctrl, whatever its door: tests that run on the embedded Xen of every
// version and on a real one. The machine needs at least 2 nodes, each with CPUs and some 64 MiB
// free.
import { expect, test } from 'vitest';
import { NODE_BITS } from '../../src/abi/layout.js';
import { EDGES, type EdgeId } from '../../src/flow/chart.js';
import { FlowRecord, type NodeValues } from '../../src/flow/record.js';
import type { DomainConfig, Xenctrl } from '../../src/xenctrl/xenctrl.js';

const UUID = Uint8Array.from({ length: 16 }, (_, i) => 0xa0 + i);
const NO_DOMAIN = 0x7e00;

function domain(xc: Xenctrl, change: Partial<DomainConfig> = {}): number {
  const config = { domid: 0, kind: 'pv', maxVcpus: 2, uuid: UUID, ...change } as const;
  const domid = xc.domainCreate(config);
  xc.domainMaxVcpus(domid, config.maxVcpus);
  xc.domainSetMaxmem(domid, 2 ** 22);
  return domid;
}

function withDomain(xc: Xenctrl, change: Partial<DomainConfig>, body: (domid: number) => void): void {
  const domid = domain(xc, change);
  try {
    body(domid);
  } finally {
    xc.domainDestroy(domid);
  }
}

const insideOf = (record: FlowRecord) =>
  record
    .edgesTaken()
    .filter((edge) => EDGES.find((one) => one.id === edge)!.from !== 'xc_domain_node_setaffinity' && !edge.startsWith('XEN_'));

/** `each` gives a Xenctrl to the body and cleans up after it. */
export function xenctrlContract(name: string, each: (body: (xc: Xenctrl) => void) => void): void {
  const check = (what: string, body: (xc: Xenctrl) => void) => test(`${name}: ${what}`, () => each(body));

  const onlineCpus = (xc: Xenctrl) => xc.cpupoolList()[0]!.cpus;
  const cpusOf = (xc: Xenctrl, node: number) => {
    const topology = xc.cpuTopology();
    return onlineCpus(xc).filter((cpu) => topology[cpu]!.node === node);
  };

  check('the machine: nodes, distances, CPUs and pages agree with one another', (xc) => {
    const info = xc.physInfo();
    const numa = xc.numaInfo();
    expect(info.nodes).toBe(numa.nodes.length);
    expect(numa.distances).toHaveLength(numa.nodes.length);
    numa.distances.forEach((row, node) => {
      expect(row).toHaveLength(numa.nodes.length);
      expect(row[node]).toBe(10);
    });
    const free = numa.nodes.reduce((sum, node) => sum + (node.freeBytes ?? 0), 0);
    expect(free / 4096).toBe(info.freePages);
    expect(numa.nodes.every((node) => node.claimedBytes === 0)).toBe(true);
    numa.nodes.forEach((node, id) => {
      expect(xc.availHeap(id)).toBe(node.freeBytes);
      const upTo = Array.from({ length: 54 }, (_, bits) => xc.availHeap(id, bits + 1));
      expect(upTo.at(-1)).toBe(node.freeBytes);
      expect([...upTo].sort((a, b) => a - b)).toEqual(upTo);
    });
    const topology = xc.cpuTopology();
    expect(topology.length).toBeLessThanOrEqual(info.maxCpuId + 1);
    expect(topology.filter((cpu) => cpu !== null).length).toBeGreaterThanOrEqual(info.onlineCpus);
    expect(topology.every((cpu) => cpu === null || cpu.node < numa.nodes.length)).toBe(true);
  });

  for (const kind of ['pv', 'pvh'] as const) {
    check(`a ${kind} domain from its creation to its end`, (xc) => {
      const before = xc.domainList();
      const domid = xc.domainCreate({ domid: 0, kind, maxVcpus: 2, uuid: UUID });
      expect(domid).toBeGreaterThan(0);
      expect(xc.domainInfo(domid)).toMatchObject({
        domid,
        hvm: kind === 'pvh',
        paused: true,
        dying: false,
        shutdown: null,
        maxVcpuId: -1,
        totPages: 0,
        cpupool: 0,
        uuid: UUID,
      });
      expect(() => xc.domainPowerButton(domid)).toThrowError(expect.objectContaining({ errno: 'ESRCH' }));
      xc.domainMaxVcpus(domid, 2);
      if (kind === 'pvh') xc.domainPowerButton(domid);
      else expect(() => xc.domainPowerButton(domid)).toThrowError(expect.objectContaining({ errno: 'EINVAL' }));
      expect(xc.domainInfo(domid)).toMatchObject({ maxVcpuId: 1, onlineVcpus: 0 });
      expect(xc.vcpuInfo(domid, 1)).toMatchObject({ online: false, running: false, cpuTimeNs: 0 });
      expect(() => xc.vcpuInfo(domid, 2)).toThrowError(expect.objectContaining({ errno: 'EINVAL' }));
      xc.domainSetMaxmem(domid, 4096);
      expect(xc.domainInfo(domid)!.maxPages).toBe(1024);
      expect(xc.domainList().map((one) => one.domid)).toEqual([...before.map((one) => one.domid), domid].sort((a, b) => a - b));
      xc.domainPause(domid);
      xc.domainUnpause(domid);
      expect(xc.domainInfo(domid)!.paused).toBe(true);
      xc.domainShutdown(domid, 1);
      expect(xc.domainInfo(domid)!.shutdown).toBe(1);
      xc.domainDestroy(domid);
      expect(xc.domainInfo(domid)).toBeNull();
      expect(xc.domainList()).toHaveLength(before.length);
    });
  }

  check('a requested id is given, and not twice', (xc) => {
    withDomain(xc, { domid: NO_DOMAIN - 1 }, (domid) => {
      expect(domid).toBe(NO_DOMAIN - 1);
      expect(() => domain(xc, { domid })).toThrowError(expect.objectContaining({ errno: 'EEXIST' }));
      // Up to 4.17 Xen answers for the next domain: that is not this one.
      expect(xc.domainInfo(domid - 1)).toBeNull();
    });
  });

  check('errors carry the errno of Xen and the name of the call', (xc) => {
    const noDomain = expect.objectContaining({ errno: 'ESRCH' });
    expect(xc.domainInfo(NO_DOMAIN)).toBeNull();
    expect(() => xc.vcpuGetAffinity(NO_DOMAIN, 0)).toThrowError(noDomain);
    expect(() => xc.vcpuSetAffinity(NO_DOMAIN, 0, { hard: [0] })).toThrowError(
      `xc_vcpu_setaffinity(domid ${NO_DOMAIN}, vcpu 0): [3] ESRCH`,
    );
    expect(() => xc.domainNodeGetAffinity(NO_DOMAIN)).toThrowError(noDomain);
    expect(() => xc.domainDestroy(NO_DOMAIN)).toThrowError(`xc_domain_destroy(domid ${NO_DOMAIN}): [3] ESRCH`);
    expect(() => xc.domainMaxVcpus(NO_DOMAIN, 1)).toThrowError(noDomain);
    withDomain(xc, {}, (domid) => {
      expect(() => xc.domainMaxVcpus(domid, 3)).toThrowError(expect.objectContaining({ errno: 'EINVAL' }));
      expect(() => xc.vcpuSetAffinity(domid, 0, {})).toThrowError(expect.objectContaining({ errno: 'EINVAL' }));
      expect(() => xc.vcpuSetAffinity(domid, 0, { hard: [] })).toThrowError(`xc_vcpu_setaffinity(domid ${domid}, vcpu 0): [22] EINVAL`);
      expect(() => xc.domainNodeSetAffinity(domid, [63])).toThrowError(expect.objectContaining({ errno: 'EINVAL' }));
    });
  });

  check("a caller's mistake is reported before the call", (xc) => {
    const width = xc.physInfo().maxCpuId + 1;
    withDomain(xc, {}, (domid) => {
      expect(() => xc.vcpuSetAffinity(domid, 0, { soft: [width] })).toThrowError(`CPU ${width} is not in 0-${width - 1}`);
      expect(() => xc.vcpuSetAffinity(domid, 0, { soft: [-1] })).toThrowError('CPU -1 is not in');
      expect(() => xc.domainNodeSetAffinity(domid, [NODE_BITS])).toThrowError('node 64 is not in 0-63');
    });
  });

  check('masks: raw ones are kept, effective ones come back, the other one stays', (xc) => {
    const cpus = onlineCpus(xc);
    withDomain(xc, {}, (domid) => {
      const width = xc.physInfo().maxCpuId + 1;
      const all = Array.from({ length: width }, (_, cpu) => cpu);
      expect(xc.vcpuGetAffinity(domid, 1)).toEqual({ hard: all, soft: all });
      const [first, last] = [cpus[0]!, cpus[cpus.length - 1]!];
      expect(xc.vcpuSetAffinity(domid, 1, { hard: new Set([last, first]) })).toEqual({ hard: [...new Set([first, last])], soft: null });
      expect(xc.vcpuSetAffinity(domid, 1, { soft: all })).toEqual({ hard: null, soft: [...new Set([first, last])] });
      expect(xc.vcpuSetAffinity(domid, 1, { hard: [last], soft: [first] })).toEqual({ hard: [last], soft: first === last ? [first] : [] });
      expect(xc.vcpuGetAffinity(domid, 1)).toEqual({ hard: [last], soft: [first] });
      expect(xc.vcpuGetAffinity(domid, 0)).toEqual({ hard: all, soft: all });
      expect(xc.vcpuSetAffinity(domid, 0, { soft: [], force: true })).toEqual({ hard: null, soft: [] });
    });
  });

  check('node affinity follows the vCPUs until it is set explicitly, and again after "all"', (xc) => {
    withDomain(xc, {}, (domid) => {
      for (const vcpu of [0, 1]) xc.vcpuSetAffinity(domid, vcpu, { soft: cpusOf(xc, 1) });
      expect(xc.domainNodeGetAffinity(domid)).toEqual([1]);
      xc.domainNodeSetAffinity(domid, [0, 63]);
      expect(xc.domainNodeGetAffinity(domid)).toEqual([0, 63]);
      xc.domainNodeSetAffinity(domid, 'all');
      expect(xc.domainNodeGetAffinity(domid)).toEqual([1]);
    });
  });

  check('weight and cap by the scheduler that the pool runs, and by no other', (xc) => {
    const scheduler = xc.cpupoolList()[0]!.scheduler === 5 ? 'credit' : 'credit2';
    const other = scheduler === 'credit' ? 'credit2' : 'credit';
    withDomain(xc, {}, (domid) => {
      expect(xc.schedCreditGet(domid, scheduler)).toEqual({ weight: 256, cap: 0 });
      xc.schedCreditSet(domid, scheduler, { weight: 512, cap: 50 });
      expect(xc.schedCreditGet(domid, scheduler)).toEqual({ weight: 512, cap: 50 });
      expect(() => xc.schedCreditGet(domid, other)).toThrowError(`xc_sched_${other}_domain_get(domid ${domid}): [22] EINVAL`);
    });
  });

  check("a domain's memory comes from its nodes, and is found there", (xc) => {
    for (const node of [1, 0]) {
      withDomain(xc, {}, (domid) => {
        for (const vcpu of [0, 1]) xc.vcpuSetAffinity(domid, vcpu, { soft: cpusOf(xc, node) });
        const { done, mfns } = xc.domainPopulatePhysmap(domid, { extents: 300, order: 0, wantMfns: true });
        expect(done).toBe(300);
        expect(new Set(mfns)).toHaveProperty('size', 300);
        const memory = xc.domainMemory().find((one) => one.domid === domid)!;
        expect(memory.totalPages).toBe(300);
        expect(memory.pagesByNode[node]).toBe(300);
        expect(xc.domainInfo(domid)!.totPages).toBe(300);
      });
    }
    expect(xc.domainMemory().map((one) => one.domid)).toEqual(xc.domainList().map((one) => one.domid));
  });

  check('memory asked of one node, of no domain, and beyond the limit', (xc) => {
    withDomain(xc, { kind: 'pvh' }, (domid) => {
      expect(xc.domainPopulatePhysmap(domid, { extents: 20, order: 0, node: 1, exactNode: true, firstPfn: 0 })).toEqual({
        done: 20,
        mfns: null,
      });
      expect(xc.domainMemory().find((one) => one.domid === domid)!.pagesByNode[1]).toBe(20);
      expect(xc.domainPopulatePhysmap(domid, { extents: 1, order: 0, node: 63, exactNode: true, firstPfn: 20 }).done).toBe(0);
      xc.domainSetMaxmem(domid, 30 * 4);
      expect(xc.domainPopulatePhysmap(domid, { extents: 20, order: 0, firstPfn: 20 }).done).toBe(10);
      expect(xc.domainPopulatePhysmap(domid, { extents: 0, order: 0 }).done).toBe(0);
      expect(xc.domainPopulatePhysmap(NO_DOMAIN, { extents: 1, order: 0 }).done).toBe(0);
      expect(() => xc.domainPopulatePhysmap(domid, { extents: 2 ** 26, order: 0 })).toThrowError('more than the 67108863 of one call');
    });
  });

  check('virtual nodes are described, read back, and have their memory on their physical nodes', (xc) => {
    const nodes = [
      { pnode: 1, vcpus: [0, 2], distances: [10, 21], ranges: [{ start: 0, end: 2 ** 21 }] },
      {
        pnode: 0,
        vcpus: [1],
        distances: [20, 10],
        ranges: [
          { start: 2 ** 21, end: 2 ** 22 },
          { start: 2 ** 32, end: 2 ** 32 + 2 ** 21 },
        ],
      },
    ];
    withDomain(xc, { kind: 'pvh', maxVcpus: 3 }, (domid) => {
      expect(xc.domainGetVnuma(domid)).toBeNull();
      xc.domainSetVnuma(domid, 3, nodes);
      expect(xc.domainGetVnuma(domid)).toEqual({
        vcpuToVnode: [0, 1, 0],
        distances: [
          [10, 21],
          [20, 10],
        ],
        ranges: nodes.flatMap(({ ranges }, vnode) => ranges.map((range) => ({ ...range, vnode }))),
      });
      for (const [vnode, extents] of [3, 5].entries()) {
        expect(xc.domainPopulatePhysmap(domid, { extents, order: 0, vnode, exactNode: true, firstPfn: 16 * vnode }).done).toBe(extents);
      }
      expect(
        xc
          .domainMemory()
          .find((one) => one.domid === domid)!
          .pagesByNode.slice(0, 2),
      ).toEqual([5, 3]);
      const refused = (change: object) => () => xc.domainSetVnuma(domid, 3, [{ ...nodes[0]!, ...change }, nodes[1]!]);
      expect(refused({ pnode: 64 })).toThrowError(expect.objectContaining({ errno: 'E2BIG' }));
      expect(() => xc.domainSetVnuma(domid, 3, [])).toThrowError(expect.objectContaining({ errno: 'EINVAL' }));
      expect(() => xc.domainSetVnuma(domid, 2, nodes)).toThrowError(expect.objectContaining({ errno: 'EINVAL' }));
    });
    expect(() => xc.domainGetVnuma(NO_DOMAIN)).toThrowError(`xc_domain_getvnuma(domid ${NO_DOMAIN}): [3] ESRCH`);
  });

  check('claims', (xc) => {
    withDomain(xc, {}, (domid) => {
      xc.domainClaimPages(domid, 1000);
      expect(xc.domainInfo(domid)!.outstandingPages).toBe(1000);
      expect(xc.physInfo().outstandingPages).toBe(1000);
      expect(() => xc.domainClaimPages(domid, 2000)).toThrowError(`xc_domain_claim_pages(domid ${domid}, 2000 pages): [22] EINVAL`);
      xc.domainClaimPages(domid, 0);
      expect(xc.domainInfo(domid)!.outstandingPages).toBe(0);
    });
  });

  check('pools: made, filled, used, emptied and gone', (xc) => {
    const cpu = cpusOf(xc, 1).at(-1)!;
    const pool = xc.cpupoolCreate('credit2');
    let createdDomid: number | undefined;
    try {
      expect(xc.cpupoolList().map((one) => one.id)).toEqual([0, pool]);
      xc.cpupoolRemoveCpu(0, cpu);
      expect(xc.cpupoolFreeCpus()).toEqual([cpu]);
      xc.cpupoolAddCpu(pool, cpu);
      expect(xc.cpupoolList()[1]).toMatchObject({ id: pool, scheduler: 6, domains: 0, cpus: [cpu] });
      createdDomid = domain(xc, { cpupool: pool });
      expect(xc.domainInfo(createdDomid)!.cpupool).toBe(pool);
      expect(xc.domainNodeGetAffinity(createdDomid)).toEqual([1]);
      xc.cpupoolMoveDomain(0, createdDomid);
      expect(xc.domainInfo(createdDomid)!.cpupool).toBe(0);
      expect(() => xc.cpupoolMoveDomain(77, createdDomid!)).toThrowError(expect.objectContaining({ errno: 'ENOENT' }));
    } finally {
      if (createdDomid !== undefined) xc.domainDestroy(createdDomid);
      xc.cpupoolRemoveCpu(pool, cpu);
      xc.cpupoolDestroy(pool);
      xc.cpupoolAddCpu(0, cpu);
    }
    expect(xc.cpupoolFreeCpus()).toEqual([]);
    const count = xc.domainList().length;
    expect(() => domain(xc, { cpupool: 77 })).toThrowError(expect.objectContaining({ errno: expect.stringMatching(/ESRCH|ENOENT/) }));
    expect(xc.domainList()).toHaveLength(count);
  });

  check('withFlow notes the calls, their masks and the path through Xen', (xc) => {
    withDomain(xc, { maxVcpus: 1 }, (domid) => {
      const record = new FlowRecord('one vCPU');
      const noted = xc.withFlow(record);
      const cpus = cpusOf(xc, 1);
      noted.vcpuSetAffinity(domid, 0, { soft: cpus });
      const nodes = record.entries.flatMap((entry) => (entry.kind === 'node' ? [entry] : []));
      expect(nodes[0]).toMatchObject({ node: 'XEN_VCPUAFFINITY_SOFT', values: { domid, vcpu: 0 } });
      const [{ requested, effective }] = record.visits('XEN_VCPUAFFINITY_SOFT') as [NodeValues['XEN_VCPUAFFINITY_SOFT']];
      expect(requested).toBe(effective);
      expect(nodes.map((entry) => entry.node)).toEqual([
        'XEN_VCPUAFFINITY_SOFT',
        'do_domctl',
        'vcpu_set_affinity',
        'domain_update_node_aff',
        'check_auto_node',
        'set_node_affinity_from_vcpu_affinities',
        'domain_node_affinity',
      ]);
      expect(insideOf(record)).toEqual<EdgeId[]>([
        'do_domctl -> vcpu_set_affinity',
        'vcpu_set_affinity -> domain_update_node_aff',
        'domain_update_node_aff -> check_auto_node',
        'check_auto_node -> set_node_affinity_from_vcpu_affinities',
        'set_node_affinity_from_vcpu_affinities -> domain_node_affinity',
      ]);
      const failed = new FlowRecord('no CPU');
      expect(() => xc.withFlow(failed).vcpuSetAffinity(domid, 0, { hard: [] })).toThrowError(expect.objectContaining({ errno: 'EINVAL' }));
      expect(failed.entries[0]).toMatchObject({
        node: 'XEN_VCPUAFFINITY_HARD',
        values: { requested: '', effective: null, errno: 'EINVAL' },
      });
      expect(failed.edgesTaken()).toEqual(['XEN_VCPUAFFINITY_HARD -> do_domctl']);
      const length = record.entries.length;
      xc.vcpuSetAffinity(domid, 0, { soft: cpus });
      expect(record.entries).toHaveLength(length);
    });
  });
}
