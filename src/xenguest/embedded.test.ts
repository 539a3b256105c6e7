// The embedded builder on the embedded Xen: measurements of real builds, the rules of xenguest, and
// invariants of any build. Longer than 400 lines: one list of tests that share the machine and the
// figures measured on it.

import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { MIB } from '../base/units.js';
import { FlowRecord, NO_FLOW } from '../flow/record.js';
import { machineFromHost, type XenMachine } from '../xen/state/machine.js';
import { EmbeddedDoor } from '../xenctrl/doors/embedded-door.js';
import { openXenctrl } from '../xenctrl/open-xenctrl.js';
import type { PopulateRequest, Xenctrl } from '../xenctrl/xenctrl.js';
import { createXenstore } from '../xenstore/in-process.js';
import { embeddedXenguest } from './embedded.js';
import { Extents } from './memory/extents.js';
import { pfnRanges } from './memory/guest-pages.js';
import { populateHvmRange, populatePvRange } from './memory/populate-ranges.js';
import type { XenguestArguments } from './xenguest.js';

const UUID = new Uint8Array(16);
const CPUS_A_NODE = 4;
const nothing = async () => {};

/** Nodes of these sizes, each with the given free memory at its top. */
function machine(nodes: readonly { mib: number; freeMib: number }[], changes: Partial<XenMachine> = {}): XenMachine {
  return {
    ...machineFromHost(
      {
        name: 'test',
        source: 'test',
        nodes: nodes.map(({ mib, freeMib }, id) => ({ id, memoryBytes: mib * MIB, freeBytes: freeMib * MIB })),
        cpus: Array.from({ length: nodes.length * CPUS_A_NODE }, (_, id) => ({
          id,
          node: Math.floor(id / CPUS_A_NODE),
          core: id,
          socket: 0,
        })),
        distances: nodes.map((_, i) => nodes.map((_, j) => (i === j ? 10 : 20))),
        notes: [],
      },
      { dmaBits: 24 },
    ),
    ...changes,
  };
}

/** Four nodes as the rig has them: the first holds Domain-0, the second has no whole GiB free. */
const RIG = [
  { mib: 2048, freeMib: 900 },
  { mib: 2048, freeMib: 1021 },
  { mib: 4096, freeMib: 4000 },
  { mib: 4096, freeMib: 4000 },
];

function host(from: XenMachine = machine(RIG)) {
  const door = new EmbeddedDoor(from);
  const xc = openXenctrl(door);
  const xs = createXenstore({ personality: 'oxenstored' }).connect(0);
  return { door, xc, xs, xenguest: embeddedXenguest({ xc, xs }), free: door.inspect.freePages() };
}
type TestHost = ReturnType<typeof host>;

interface Guest {
  readonly kind?: 'hvm' | 'pvh' | 'pv';
  readonly vcpus?: number;
  readonly maxMib: number;
  readonly startMib?: number;
  readonly node?: number;
  readonly keys?: Readonly<Record<string, string>>;
  readonly args?: Partial<XenguestArguments>;
}

const MODE = { hvm: 'hvm_build', pvh: 'pvh_build', pv: 'linux_build' } as const;

/** A domain as its toolstack passes it to the builder, on the requested node. */
async function prepare({ xc, xs }: TestHost, { kind = 'pvh', vcpus = 2, maxMib, startMib = maxMib, node, keys = {}, args = {} }: Guest) {
  const domid = xc.domainCreate({ domid: 0, kind: kind === 'pv' ? 'pv' : 'pvh', maxVcpus: vcpus, uuid: UUID });
  xc.domainMaxVcpus(domid, vcpus);
  xc.domainSetMaxmem(domid, maxMib * 1024 + 1024);
  if (node !== undefined) {
    const soft = Array.from({ length: CPUS_A_NODE }, (_, i) => node * CPUS_A_NODE + i);
    for (let vcpu = 0; vcpu < vcpus; vcpu++) xc.vcpuSetAffinity(domid, vcpu, { soft });
  }
  const written = { 'vcpu/number': String(vcpus), 'vcpu/current': String(vcpus), ...keys };
  for (const [key, value] of Object.entries(written)) await xs.write(`/local/domain/${domid}/platform/${key}`, value);
  const all: XenguestArguments = {
    mode: MODE[kind],
    domid,
    image: '/boot/vmlinuz',
    storePort: 1,
    storeDomid: 0,
    consolePort: 2,
    consoleDomid: 0,
    memMaxMib: maxMib,
    memStartMib: startMib,
    ...args,
  };
  return { domid, args: all };
}

async function build(on: TestHost, guest: Guest, flow = new FlowRecord('build'), turn = nothing) {
  const { domid, args } = await prepare(on, guest);
  const result = await on.xenguest.run(args, { flow, turn });
  expect(on.door.inspect.invariants()).toEqual([]);
  return { domid, result, flow, pages: on.door.inspect.pagesByNode(domid)! };
}

describe('nodes of the memory of real builds (measured on 4.17.7)', () => {
  test('a PV guest that is too big for its node spills over in 2 MiB extents', async () => {
    const { pages } = await build(host(), { kind: 'pv', maxMib: 1200, node: 1 });
    expect(pages[1]).toBe(261120);
    expect(pages[0]! + pages[2]! + pages[3]!).toBe(46080);
  });

  test('a PVH guest whose node has no whole GiB free: its 1 GiB extent goes to another node, the rest stays', async () => {
    expect((await build(host(), { maxMib: 1200, node: 1 })).pages).toEqual([0, 45065, 262144, 0]);
  });

  test('guests that fit have their memory and their special pages on their node', async () => {
    expect((await build(host(), { kind: 'pv', maxMib: 256, node: 2 })).pages).toEqual([0, 0, 65536, 0]);
    expect((await build(host(), { maxMib: 512, vcpus: 4, node: 2 })).pages).toEqual([0, 0, 131081, 0]);
  });

  test('without any affinity the extents alternate over all nodes', async () => {
    const { pages } = await build(host(), { kind: 'pv', maxMib: 256 });
    expect(pages).toEqual([16384, 16384, 16384, 16384]);
  });

  test('with -mem_pnode and keepOnNode no GiB goes to another node; more than the node has is EBUSY', async () => {
    const on = host(machine([RIG[0]!, RIG[2]!, { mib: 2048, freeMib: 1400 }, RIG[3]!]));
    const node = 2;
    const keep = await build(on, { maxMib: 1200, node, args: { keepOnNode: true } });
    expect(keep.pages).toEqual([0, 0, 1200 * 256 + 9, 0]);
    on.xc.domainDestroy(keep.domid);
    // The guest's memory is bound to the node of the claim, whatever the affinity; its special
    // pages follow the affinity.
    const claimed = await build(on, { maxMib: 1200, node: 1, args: { memPnode: node } });
    expect(claimed.pages).toEqual([0, 9, 1200 * 256, 0]);
    on.xc.domainDestroy(claimed.domid);
    await expect(build(on, { maxMib: 1500, node, args: { memPnode: node } })).rejects.toThrow(
      'xenguest: xc_dom_boot_mem_init: [16] Device or resource busy',
    );
    await expect(build(host(), { maxMib: 1200, node: 1, args: { keepOnNode: true } })).resolves.toMatchObject({
      pages: [0, 45065, 262144, 0],
    });
  });
});

describe('the requested extents', () => {
  const MAX = 2 ** 18;
  /** A Xen that has all extents, none of 1 GiB, or a limited number of 2 MiB. */
  function extentsOf(answer: (request: PopulateRequest) => number) {
    const calls: [number, number, number][] = [];
    const xc = {
      domainPopulatePhysmap(_: number, request: PopulateRequest) {
        calls.push([request.firstPfn!, request.extents, request.order]);
        return { done: answer(request), mfns: null };
      },
    } as unknown as Xenctrl;
    return { calls, extents: new Extents(xc, 1, { exactNode: null, onDemand: false }) };
  }

  test('HVM: 0xa0 pages, then from 0xc0 on to the boundaries; each whole GiB is one extent, and the hole has none', async () => {
    const { calls, extents } = extentsOf(({ extents }) => extents);
    for (const range of pfnRanges('hvm', 5 * MAX + 700)) await populateHvmRange(extents, range, true, nothing);
    expect(calls).toEqual([
      [0, 0xa0, 0],
      [0xc0, 0x140, 0],
      [0x200, 511, 9],
      [MAX, 1, 18],
      [2 * MAX, 1, 18],
      // 0xf0000: the hole begins.
      [3 * MAX, 384, 9],
      [4 * MAX, 1, 18],
      // The memory displaced by the hole: 256 MiB, and the rest of 700 pages.
      [5 * MAX, 129, 9],
      [5 * MAX + 129 * 512, 700 - 512, 0],
    ]);
    expect(extents.counts).toEqual({ gib: 3, mib2: 511 + 384 + 129, kib4: 0xa0 + 0x140 + 188 });
  });

  test('HVM containers: a failed GiB becomes 2 MiB extents, and after one of four fails, the rest of the four become pages', async () => {
    let mib2 = 5;
    const { calls, extents } = extentsOf(({ order, extents }) => {
      if (order === 18) return 0;
      if (order === 0) return extents;
      const done = Math.min(mib2, extents);
      mib2 -= done;
      return done;
    });
    await populateHvmRange(extents, { start: MAX, end: 2 * MAX }, false, nothing);
    expect(calls.slice(0, 5)).toEqual([
      [MAX, 1, 18],
      [MAX, 512, 9],
      [MAX + 5 * 512, 3 * 512, 0],
      [MAX + 8 * 512, 504, 9],
      [MAX + 8 * 512, 4 * 512, 0],
    ]);
    expect(extents.counts).toEqual({ gib: 0, mib2: 5, kib4: MAX - 5 * 512 });
  });

  test('a call that gives fewer pages than requested is EBUSY', async () => {
    const { extents } = extentsOf(({ order, extents }) => (order === 0 ? extents - 1 : 0));
    await expect(populateHvmRange(extents, { start: 0, end: 100 }, false, nothing)).rejects.toMatchObject({ errno: 'EBUSY' });
    await expect(populatePvRange(extents, { start: 0, end: 1000 }, nothing)).rejects.toMatchObject({ errno: 'EBUSY' });
  });

  /** libxenguest's own algorithm, written out plainly: at most four extents a call. */
  function inFours(xc: Xenctrl, domid: number, end: number): boolean {
    const some = (firstPfn: number, extents: number, order: number) => xc.domainPopulatePhysmap(domid, { firstPfn, extents, order }).done;
    for (let pfn = 0; pfn < end; ) {
      const inGib = Math.min(end - pfn, MAX - (pfn % MAX));
      if (inGib === MAX && some(pfn, 1, 18) === 1) {
        pfn += MAX;
        continue;
      }
      let count = Math.min(inGib, 4 * 512);
      if (count > 512) count -= count % 512;
      if (count % 512 === 0) {
        const done = some(pfn, count / 512, 9) * 512;
        pfn += done;
        count -= done;
      }
      if (count > 0 && some(pfn, count, 0) < count) return false;
      pfn += count;
    }
    return true;
  }

  test('many 2 MiB extents in one call are placed like those of calls of four', async () => {
    const freeMib = fc.array(fc.integer({ min: 20, max: 1300 }), { minLength: 1, maxLength: 4 });
    const nodeSets = fc.option(fc.uniqueArray(fc.nat(3), { minLength: 1 }));
    const holes = fc.nat(3000);
    await fc.assert(
      fc.asyncProperty(freeMib, nodeSets, fc.integer({ min: 1, max: 2 ** 19 }), holes, async (free, nodes, pages, hole) => {
        const from = machine(free.map((mib) => ({ mib: 1536, freeMib: mib })));
        const outcomes: unknown[] = [];
        for (const inOne of [true, false]) {
          const door = new EmbeddedDoor(from);
          const xc = openXenctrl(door);
          // Single pages of another domain make the free memory uneven.
          const other = xc.domainCreate({ domid: 0, kind: 'pv', maxVcpus: 1, uuid: UUID });
          xc.domainSetMaxmem(other, 2 ** 30);
          xc.domainPopulatePhysmap(other, { extents: hole, order: 0 });
          const domid = xc.domainCreate({ domid: 0, kind: 'pvh', maxVcpus: 1, uuid: UUID });
          xc.domainMaxVcpus(domid, 1);
          xc.domainSetMaxmem(domid, 2 ** 30);
          const online = nodes?.filter((node) => node < free.length) ?? [];
          if (online.length > 0) xc.domainNodeSetAffinity(domid, online);
          let whole = true;
          if (inOne) {
            const extents = new Extents(xc, domid, { exactNode: null, onDemand: false });
            await populateHvmRange(extents, { start: 0, end: pages }, false, nothing).catch(() => {
              whole = false;
            });
          } else whole = inFours(xc, domid, pages);
          outcomes.push([whole, door.inspect.pagesByNode(domid), door.inspect.freePages(), door.inspect.invariants()]);
        }
        expect(outcomes[0]).toEqual(outcomes[1]);
      }),
      { seed: 42, numRuns: 150 },
    );
  });
});

describe('xenguest', () => {
  test('follows the chart, and records where the memory came from', async () => {
    const keys = { 'vcpu/0/affinity': '000011110000', 'vcpu/weight': '512', 'vcpu/cap': '50' };
    const on = host();
    const { domid, flow, result } = await build(on, { kind: 'hvm', vcpus: 2, maxMib: 64, keys });
    expect(flow.nodesVisited().slice(0, 6)).toEqual([
      'exec_xenguest',
      'stub_xc_hvm_build',
      'configure_vcpus',
      'set_hard_affinity?',
      'XEN_VCPUAFFINITY_HARD',
      'do_domctl',
    ]);
    expect(flow.edgesTaken()).toEqual(
      expect.arrayContaining([
        'exec_xenguest -> stub_xc_hvm_build',
        'stub_xc_hvm_build -> configure_vcpus',
        'configure_vcpus -> set_hard_affinity?',
        'set_hard_affinity? -> XEN_VCPUAFFINITY_HARD',
        'XEN_VCPUAFFINITY_HARD -> do_domctl',
        'do_domctl -> vcpu_set_affinity',
      ]),
    );
    expect(on.xc.vcpuGetAffinity(domid, 0).hard).toEqual([4, 5, 6, 7]);
    // vCPU 1 has no key: it is left alone, so the union is every node.
    expect(on.xc.vcpuGetAffinity(domid, 1).hard).toHaveLength(16);
    expect(on.xc.schedCreditGet(domid, 'credit')).toEqual({ weight: 512, cap: 50 });
    const note = flow.entries.find((entry) => entry.kind === 'note' && entry.topic === 'populated');
    const pages = 64 * 256 - 0x20 + 16;
    expect(note).toMatchObject({
      values: { domid, pages, nodeAffinity: '0-3', specialPages: 16, onDemand: false, pagesByNode: on.door.inspect.pagesByNode(domid) },
    });
    // The special pages below 0xff000: the fifth is XenStore's, the last the console's.
    expect(result).toEqual({ storePfn: 0xfeffc, consolePfn: 0xfefff });
    expect(await on.xs.read(`/local/domain/${domid}/vm-data/mmio-hole-size`)).toBe(String(0x10000000));
  });

  test('the hard affinity decides the nodes of the memory, because it is set first', async () => {
    const keys = { 'vcpu/0/affinity': '0000000000001111', 'vcpu/1/affinity': '0000000000001111' };
    const { pages } = await build(host(), { maxMib: 64, keys });
    expect(pages).toEqual([0, 0, 0, 64 * 256 + 9]);
  });

  test("the PV guest's pages are machine frames of its own memory", async () => {
    const { result, pages } = await build(host(), { kind: 'pv', maxMib: 64, node: 3 });
    expect(pages[3]).toBe(64 * 256);
    const { startMfn, endMfn } = machine(RIG).nodes[3]!;
    for (const mfn of [result.storePfn, result.consolePfn]) {
      expect(mfn).toBeGreaterThanOrEqual(startMfn);
      expect(mfn).toBeLessThan(endMfn);
    }
    expect(result.storePfn).not.toBe(result.consolePfn);
  });

  test.each([
    ['all zero', '0000'],
    ['no existing CPU', `${'0'.repeat(16)}1111`],
    ['empty', ''],
  ])('a mask that is %s fails the build with the real message, and nothing is left once the domain is destroyed', async (_, affinity) => {
    const on = host();
    const { domid, args } = await prepare(on, { maxMib: 64, keys: { 'vcpu/1/affinity': affinity } });
    await expect(on.xenguest.run(args, { flow: NO_FLOW, turn: nothing })).rejects.toThrow(
      new RegExp(/^xenguest: xc_vcpu_setaffinity: \[22\] Invalid argument$/),
    );
    on.xc.domainDestroy(domid);
    expect(on.door.inspect.freePages()).toEqual(on.free);
  });

  test('with another scheduler than credit, weight and cap are not set and the build goes on', async () => {
    const { flow } = await build(host(machine(RIG, { scheduler: 'credit2' })), { maxMib: 64, keys: { 'vcpu/weight': '512' } });
    expect(flow.entries).toContainEqual({ kind: 'note', topic: 'no credit scheduler', values: { errno: 'EINVAL' } });
  });

  test('too little memory on the whole host is EBUSY; room for the memory but not for the special pages is EINVAL', async () => {
    const on = host(machine([{ mib: 256, freeMib: 128 }]));
    await expect(build(on, { maxMib: 200 })).rejects.toThrow('xenguest: xc_dom_boot_mem_init: [16] Device or resource busy');
    const tight = host();
    const { domid, args } = await prepare(tight, { maxMib: 64 });
    tight.xc.domainSetMaxmem(domid, 64 * 1024);
    await expect(tight.xenguest.run(args, { flow: NO_FLOW, turn: nothing })).rejects.toThrow(
      'xenguest: xc_dom_build_image: [22] Invalid argument',
    );
  });

  test('the rest of a claim is cancelled, whether the build succeeds or not', async () => {
    for (const [maxMib, claimed] of [
      [64, 200 * 256],
      [4096, 5000 * 256],
    ] as const) {
      const on = host(machine([{ mib: 8192, freeMib: 6000 }]));
      const { domid, args } = await prepare(on, { maxMib });
      on.xc.domainSetMaxmem(domid, maxMib === 64 ? 2 ** 30 : 1024 * 1024);
      if (maxMib === 64) on.xc.domainClaimPages(domid, claimed);
      const run = on.xenguest.run(args, { flow: NO_FLOW, turn: nothing });
      if (maxMib === 64) await run;
      else await expect(run).rejects.toThrow('[16]');
      expect(on.xc.physInfo().outstandingPages).toBe(0);
    }
  });

  test('with a start size below the maximum, only the target is allocated, on the nodes of the affinity', async () => {
    const { pages, flow } = await build(host(), { kind: 'hvm', maxMib: 512, startMib: 256, node: 2 });
    expect(pages).toEqual([0, 0, 256 * 256 - 0x20 + 16, 0]);
    expect(flow.entries.at(-1)).toMatchObject({ kind: 'note', topic: 'populated', values: { onDemand: true } });
    const pv = await build(host(), { kind: 'pv', maxMib: 512, startMib: 256, node: 2 });
    expect(pv.pages).toEqual([0, 0, 256 * 256, 0]);
    await expect(build(host(), { kind: 'hvm', maxMib: 512, startMib: 256, keys: { 'nested-virt': '1' } })).rejects.toThrow(
      'Populate on Demand and Nested Virtualisation are mutually exclusive',
    );
    await expect(build(host(), { maxMib: 256, startMib: 512 })).rejects.toThrow('-mem_start_mib 512 is more than -mem_max_mib 256');
    await expect(build(host(machine([{ mib: 512, freeMib: 128 }])), { maxMib: 512, startMib: 256 })).rejects.toThrow(
      'xenguest: xc_dom_boot_mem_init: [12] Cannot allocate memory',
    );
  });

  test('parallel builds take turns', async () => {
    const on = host(machine([{ mib: 16384, freeMib: 15000 }]));
    const order: string[] = [];
    const turnOf = (name: string) => async () => {
      order.push(name);
      await new Promise((resolve) => setImmediate(resolve));
    };
    await Promise.all(['a', 'b'].map((name) => build(on, { maxMib: 4096 }, new FlowRecord(name), turnOf(name))));
    expect(order.join('')).toMatch(/(ab){4}/);
  });
});

test('any builds on any machine keep the invariants, failures name their step, and destroying all domains frees all memory', async () => {
  const nodes = fc.array(fc.record({ mib: fc.constant(2048), freeMib: fc.nat(2000) }), { minLength: 1, maxLength: 4 });
  const guest = fc.record({
    kind: fc.constantFrom('hvm', 'pvh', 'pv'),
    vcpus: fc.integer({ min: 1, max: 4 }),
    maxMib: fc.integer({ min: 2, max: 2500 }),
    less: fc.boolean(),
    affinity: fc.option(fc.string({ unit: fc.constantFrom('0', '1'), maxLength: 18 })),
    pnode: fc.option(fc.nat(4), { freq: 4 }),
  });
  await fc.assert(
    fc.asyncProperty(nodes, fc.array(guest, { minLength: 1, maxLength: 5 }), async (from, guests) => {
      const on = host(machine(from));
      for (const { affinity, pnode, less, maxMib, ...rest } of guests) {
        try {
          const { args } = await prepare(on, {
            ...rest,
            maxMib,
            startMib: less ? Math.ceil(maxMib / 2) : maxMib,
            keys: affinity === null ? {} : { 'vcpu/0/affinity': affinity },
            args: pnode === null ? {} : { memPnode: pnode },
          });
          await on.xenguest.run(args, { flow: NO_FLOW, turn: nothing });
        } catch (error) {
          expect(String(error)).toMatch(
            /^XenError: xc_domain_(create|max_vcpus)\(.*\): \[12\] ENOMEM|^XenguestError: xenguest: (xc_vcpu_setaffinity: \[22\]|xc_dom_boot_mem_init: \[(12|16)\]|xc_dom_build_image: \[22\]) /,
          );
        }
        expect(on.door.inspect.invariants()).toEqual([]);
      }
      for (const { domid } of on.xc.domainList()) if (domid > 0) on.xc.domainDestroy(domid);
      expect(on.door.inspect.freePages()).toEqual(on.free);
      expect(on.xc.physInfo().outstandingPages).toBe(0);
    }),
    { seed: 42, numRuns: 60 },
  );
});
