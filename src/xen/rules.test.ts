// The measured rules of facts about a real Xen 4.17.7, one by one, in bytes through the door.

import { describe, expect, test } from 'vitest';
import { RawCaller } from '../../test/support/raw-caller.js';
import { CPUPOOL_OP, DOMCTL, HYPERCALL, SYSCTL } from '../abi/commands.js';
import { ERRNO } from '../base/errors.js';
import { GIB, TIB } from '../base/units.js';
import { EDGES, type EdgeId } from '../flow/chart.js';
import { FlowRecord, NO_FLOW } from '../flow/record.js';
import type { Host } from '../machine/model.js';
import { EmbeddedDoor } from '../xenctrl/doors/embedded-door.js';
import { machineFromHost, type XenMachine } from './state/machine.js';

const EXACT = 1 << 17;
const onNode = (node: number) => (node + 1) << 8;

function hostOf(nodes: number, cpusOfNode: number, nodeBytes = 4 * GIB, freeBytes = nodeBytes - GIB): Host {
  const indices = Array.from({ length: nodes }, (_, node) => node);
  return {
    name: 'test',
    source: 'test',
    nodes: indices.map((id) => ({ id, memoryBytes: nodeBytes, freeBytes })),
    cpus: Array.from({ length: nodes * cpusOfNode }, (_, id) => ({ id, node: Math.floor(id / cpusOfNode), core: id, socket: 0 })),
    distances: indices.map((i) => indices.map((j) => (i === j ? 10 : 21))),
    notes: [],
  };
}

function start(nodes = 2, cpusOfNode = 4, changes: Partial<XenMachine> = {}) {
  const machine: XenMachine = { ...machineFromHost(hostOf(nodes, cpusOfNode)), ...changes };
  const door = new EmbeddedDoor(machine);
  return { door, xen: new RawCaller(door, machine.cpus.length, machine.version), machine };
}

const nodeOf = (machine: XenMachine, mfn: number) => machine.nodes.findIndex((node) => mfn >= node.startMfn && mfn < node.endMfn);

describe('do_domctl', () => {
  test('checks the structure, then the version, then the domain, then the command', () => {
    const { door, xen } = start();
    expect(door.hypercall(HYPERCALL.domctl, 8)).toBe(-ERRNO.EFAULT);
    expect(xen.domctl(999, 31_000, (view) => view.setUint32(4, 0x14, true))).toBe(-ERRNO.EACCES);
    expect(xen.domctl(999, 31_000)).toBe(-ERRNO.ESRCH);
    expect(xen.domctl(999, 0)).toBe(-ERRNO.ENOSYS);
  });

  test('each version answers to its own interface numbers', () => {
    for (const [version, domctl, sysctl] of [
      ['4.13', 0x12, 0x12],
      ['4.14', 0x12, 0x13],
      ['4.16', 0x14, 0x13],
      ['4.17', 0x15, 0x15],
      ['4.18', 0x16, 0x15],
      ['4.21', 0x17, 0x16],
      ['4.22', 0x18, 0x16],
    ] as const) {
      const { door, xen } = start(2, 2, { version });
      expect(door.hypercall(HYPERCALL.xenVersion, 0)).toBe((4 << 16) | Number(version.slice(2)));
      expect(xen.domctl(DOMCTL.getdomaininfo, 0, (view) => view.setUint32(4, domctl, true))).toBe(0);
      expect(xen.sysctl(SYSCTL.physinfo, (view) => view.setUint32(4, sysctl, true))).toBe(0);
      expect(xen.sysctl(SYSCTL.physinfo, (view) => view.setUint32(4, sysctl + 1, true))).toBe(-ERRNO.EACCES);
    }
    expect(() => start(1, 1, { version: '4.12' })).toThrow(/'4\.12' is not known/);
  });

  test('getdomaininfo answers for the next domain up to 4.17, and no longer from 4.18 on', () => {
    const old = start().xen;
    old.create({ id: 7 });
    expect(old.domctl(DOMCTL.getdomaininfo, 3)).toBe(0);
    expect(old.view.getUint16(8, true)).toBe(7);
    expect(old.domctl(DOMCTL.getdomaininfo, 8)).toBe(-ERRNO.ESRCH);
    expect(old.domctl(DOMCTL.getdomaininfo, 0x7ff0)).toBe(-ERRNO.EINVAL);
    const recent = start(2, 4, { version: '4.18' }).xen;
    recent.create({ id: 7 });
    expect(recent.domctl(DOMCTL.getdomaininfo, 3)).toBe(-ERRNO.ESRCH);
  });

  test('a domain starts paused once, can be paused 255 times, and is destroyed once', () => {
    const { xen } = start();
    const domid = xen.guest();
    for (let i = 1; i < 255; i++) expect(xen.domctl(DOMCTL.pausedomain, domid)).toBe(0);
    expect(xen.domctl(DOMCTL.pausedomain, domid)).toBe(-ERRNO.EOVERFLOW);
    for (let i = 0; i < 255; i++) expect(xen.domctl(DOMCTL.unpausedomain, domid)).toBe(0);
    expect(xen.domctl(DOMCTL.unpausedomain, domid)).toBe(-ERRNO.EINVAL);
    expect(xen.domctl(DOMCTL.destroydomain, domid)).toBe(0);
    expect(xen.domctl(DOMCTL.destroydomain, domid)).toBe(-ERRNO.ESRCH);
  });
});

describe('affinity', () => {
  test('the node affinity narrows only when the last vCPU is set', () => {
    const { xen } = start();
    const domid = xen.guest(4);
    for (let vcpu = 0; vcpu < 3; vcpu++) {
      xen.setAffinity(domid, vcpu, { soft: [4, 5] });
      expect(xen.nodes(domid)).toBe('0-1');
    }
    xen.setAffinity(domid, 3, { soft: [4, 5] });
    expect(xen.nodes(domid)).toBe('1');
  });

  test('an empty hard mask is refused, an empty soft mask is accepted and leaves the hard one to decide', () => {
    const { xen } = start();
    const domid = xen.guest(1);
    expect(xen.setAffinity(domid, 0, { hard: [] }).result).toBe(-ERRNO.EINVAL);
    expect(xen.setAffinity(domid, 0, { hard: [0, 1], soft: [] })).toEqual({ result: 0, hard: '0-1', soft: '' });
    expect(xen.nodes(domid)).toBe('0');
  });

  test('the full request is stored, the effective masks are answered', () => {
    const { xen } = start();
    const pool = xen.createPool(5);
    for (const cpu of [6, 7]) {
      expect(xen.pool(CPUPOOL_OP.rmcpu, { pool: 0, cpu })).toBe(0);
      expect(xen.pool(CPUPOOL_OP.addcpu, { pool, cpu })).toBe(0);
    }
    const domid = xen.guest(1);
    expect(xen.setAffinity(domid, 0, { hard: [5, 6], soft: [4, 5, 6] })).toEqual({ result: 0, hard: '5', soft: '5' });
    expect(xen.getAffinity(domid, 0)).toEqual({ result: 0, hard: '5-6', soft: '4-6' });
  });

  test('a failing soft half rolls the hard one back, but the answer already holds the effective hard mask', () => {
    const { door, xen } = start();
    const domid = xen.guest(1);
    const hard = door.allocBuffer(1);
    hard.bytes[0] = 0x03;
    const result = xen.domctl(DOMCTL.setvcpuaffinity, domid, (view) => {
      view.setUint32(20, 3, true);
      view.setBigUint64(24, BigInt(hard.address), true);
      view.setUint32(32, 8, true);
      view.setBigUint64(40, 8n, true);
      view.setUint32(48, 8, true);
    });
    expect(result).toBe(-ERRNO.EFAULT);
    expect(hard.bytes[0]).toBe(0x03);
    expect(xen.getAffinity(domid, 0).hard).toBe('0-7');
  });

  test('unknown flags are not refused, no flags are', () => {
    const { xen } = start();
    const domid = xen.guest(1);
    expect(xen.setAffinity(domid, 0, { flags: 8 }).result).toBe(0);
    expect(xen.setAffinity(domid, 0, { flags: 4 }).result).toBe(0);
    expect(xen.setAffinity(domid, 0, { flags: 0 }).result).toBe(-ERRNO.EINVAL);
    expect(xen.setAffinity(domid, 0, { flags: 1 }).result).toBe(-ERRNO.EINVAL);
    expect(xen.setAffinity(domid, 1, { soft: [0] }).result).toBe(-ERRNO.EINVAL);
    const bare = xen.create({ vcpus: 2 });
    expect(xen.setAffinity(bare, 1, { soft: [0] }).result).toBe(-ERRNO.ESRCH);
  });

  test('only all 64 bits make the node affinity automatic again', () => {
    const { xen } = start();
    const domid = xen.guest(1);
    expect(xen.nodes(xen.create())).toBe('0-63');
    expect(xen.setNodes(domid, [5])).toBe(-ERRNO.EINVAL);
    expect(xen.setNodes(domid, [0, 5])).toBe(0);
    expect(xen.nodes(domid)).toBe('0,5');
    expect(xen.setNodes(domid, [0, 1])).toBe(0);
    xen.setAffinity(domid, 0, { hard: [4] });
    expect(xen.nodes(domid)).toBe('0-1');
    expect(
      xen.setNodes(
        domid,
        Array.from({ length: 63 }, (_, node) => node),
      ),
    ).toBe(0);
    expect(xen.nodes(domid)).toBe('0-62');
    expect(
      xen.setNodes(
        domid,
        Array.from({ length: 64 }, (_, node) => node),
      ),
    ).toBe(0);
    expect(xen.nodes(domid)).toBe('1');
  });
});

describe('pools and hotplug', () => {
  test('moving resets hard and soft; a node affinity set by hand survives', () => {
    const { xen } = start();
    const pool = xen.createPool(6);
    const [byRule, byHand] = [xen.guest(1), xen.guest(1)];
    expect(xen.pool(CPUPOOL_OP.movedomain, { pool, domid: byRule })).toBe(-ERRNO.ENOENT);
    expect(xen.create({ pool })).toBe(-ERRNO.ENODEV);
    expect(xen.create({ pool: 9 })).toBe(-ERRNO.ESRCH);
    xen.pool(CPUPOOL_OP.rmcpu, { pool: 0, cpu: 7 });
    xen.pool(CPUPOOL_OP.addcpu, { pool, cpu: 7 });
    xen.setNodes(byHand, [0]);
    for (const domid of [byRule, byHand]) {
      xen.setAffinity(domid, 0, { hard: [0], soft: [1] });
      expect(xen.pool(CPUPOOL_OP.movedomain, { pool, domid })).toBe(0);
      expect(xen.getAffinity(domid, 0)).toEqual({ result: 0, hard: '0-7', soft: '0-7' });
    }
    expect(xen.nodes(byRule)).toBe('1');
    expect(xen.nodes(byHand)).toBe('0');
    expect(xen.pool(CPUPOOL_OP.rmcpu, { pool, cpu: 7 })).toBe(-ERRNO.EBUSY);
    expect(xen.pool(CPUPOOL_OP.movedomain, { pool: 0, domid: 0 })).toBe(-ERRNO.EPERM);
  });

  test('there are at most twice as many pools as CPU numbers, Pool-0 included, from 4.17 on', () => {
    const { xen } = start(1, 2);
    expect([1, 2, 3].map(() => xen.createPool(6))).toEqual([1, 2, 3]);
    expect(xen.createPool(6)).toBe(-ERRNO.ENOSPC);
    expect(xen.createPool(6, 1)).toBe(-ERRNO.ENOSPC);
    expect(xen.pool(CPUPOOL_OP.destroy, { pool: 2 })).toBe(0);
    expect(xen.createPool(6)).toBe(4);
    const before = start(1, 2, { version: '4.16' }).xen;
    expect([1, 2, 3, 4].map(() => before.createPool(6))).toEqual([1, 2, 3, 4]);
  });

  test('a CPU of no pool goes offline and comes back into Pool-0; one of another pool stays locked, and "any" still means it', () => {
    const { xen } = start();
    const any = 0xffffffff;
    expect(xen.pool(CPUPOOL_OP.rmcpu, { pool: 0, cpu: 7 })).toBe(0);
    expect(xen.hotplug(7, false)).toBe(0);
    expect(xen.pool(CPUPOOL_OP.addcpu, { pool: 0, cpu: any })).toBe(-ERRNO.ENODEV);
    expect(xen.hotplug(7, true)).toBe(0);
    expect(xen.pool(CPUPOOL_OP.addcpu, { pool: 0, cpu: 7 })).toBe(-ERRNO.ENODEV);
    const pool = xen.createPool(6);
    for (const cpu of [5, 6]) expect(xen.pool(CPUPOOL_OP.rmcpu, { pool: 0, cpu })).toBe(0);
    expect(xen.pool(CPUPOOL_OP.addcpu, { pool, cpu: any })).toBe(0);
    expect(xen.hotplug(5, false)).toBe(-ERRNO.ENODEV);
    expect(xen.pool(CPUPOOL_OP.rmcpu, { pool, cpu: 5 })).toBe(0);
    expect(xen.pool(CPUPOOL_OP.addcpu, { pool, cpu: any })).toBe(-ERRNO.ENODEV);
    expect(xen.pool(CPUPOOL_OP.addcpu, { pool, cpu: 6 })).toBe(0);
  });

  test('a temporary pin does not move the nodes; a CPU that it holds leaves the pool by half', () => {
    const { door, xen } = start();
    const pinned = door.allocBuffer(4);
    const pin = (cpu: number) => {
      pinned.view.setInt32(0, cpu, true);
      return door.hypercall(HYPERCALL.schedOp, 7, pinned.address);
    };
    expect(xen.nodes(0)).toBe('0-1');
    expect(pin(5)).toBe(0);
    expect(pin(6)).toBe(-ERRNO.EBUSY);
    expect(xen.getAffinity(0, 0).hard).toBe('5');
    expect(xen.setAffinity(0, 0, { hard: [0] }).result).toBe(-ERRNO.EBUSY);
    expect(xen.pool(CPUPOOL_OP.rmcpu, { pool: 0, cpu: 5 })).toBe(-ERRNO.EADDRINUSE);
    expect(xen.pool(CPUPOOL_OP.rmcpu, { pool: 0, cpu: 6 })).toBe(-ERRNO.EADDRNOTAVAIL);
    expect(xen.pool(CPUPOOL_OP.addcpu, { pool: 0, cpu: 5 })).toBe(0);
    expect(pin(-1)).toBe(0);
    expect(pin(-1)).toBe(-ERRNO.EINVAL);
    expect(xen.getAffinity(0, 0).hard).toBe('0-7');
    expect(door.inspect.invariants()).toEqual([]);
  });

  test('an offline CPU stays in a mask that has others, replaces one that has none, and does not come back into it', () => {
    const { xen } = start();
    const [one, two] = [xen.guest(1), xen.guest(1)];
    xen.setAffinity(one, 0, { hard: [7], soft: [7] });
    xen.setAffinity(two, 0, { hard: [6, 7] });
    expect(xen.hotplug(7, false)).toBe(0);
    expect(xen.getAffinity(one, 0)).toEqual({ result: 0, hard: '0-7', soft: '7' });
    expect(xen.getAffinity(two, 0).hard).toBe('6-7');
    expect(xen.nodes(one)).toBe('0-1');
    expect(xen.hotplug(7, false)).toBe(-ERRNO.EEXIST);
    expect(xen.hotplug(7, true)).toBe(0);
    expect(xen.getAffinity(one, 0).hard).toBe('0-7');
    expect(xen.hotplug(0, false)).toBe(-ERRNO.EINVAL);
    expect(xen.hotplug(8, false)).toBe(-ERRNO.EINVAL);
  });
});

describe('memory', () => {
  test('extents alternate over the node affinity and start on node 3 mod N', () => {
    for (const [nodes, first] of [
      [2, 1],
      [4, 3],
      [8, 3],
    ] as const) {
      const { xen, machine } = start(nodes, 2);
      const { frames } = xen.populate(xen.guest(), 3 * nodes, 9);
      const wanted = Array.from({ length: 3 * nodes }, (_, i) => (first + i) % nodes);
      expect(frames.map((mfn) => nodeOf(machine, mfn))).toEqual(wanted);
    }
  });

  test('frames of a node descend', () => {
    const { xen } = start();
    const domid = xen.guest();
    xen.setNodes(domid, [1]);
    const { frames } = xen.populate(domid, 5, 9);
    for (let i = 1; i < frames.length; i++) expect(frames[i]).toBe(frames[i - 1]! - 512);
  });

  test('exact and offline gives nothing; an offline node without exact goes to the first of the affinity, always', () => {
    const { xen, machine } = start();
    const domid = xen.guest();
    expect(xen.populate(domid, 4, 0, onNode(5) | EXACT).done).toBe(0);
    expect(xen.populate(domid, 4, 0, onNode(5)).frames.map((mfn) => nodeOf(machine, mfn))).toEqual([0, 0, 0, 0]);
    expect(xen.populate(domid, 4, 0, onNode(64)).done).toBe(0);
  });

  test('a full node spills over; exact on it stops', () => {
    const { door, xen } = start(2, 2, { dmaBits: 0 });
    const [filler, domid] = [xen.guest(), xen.guest()];
    const blocks = xen.populate(filler, 4096, 9, onNode(0) | EXACT).done;
    // 3 GiB, less the few pages that the two domains themselves took.
    expect(blocks).toBe(1535);
    xen.setNodes(domid, [0]);
    expect(xen.populate(domid, 2, 9, onNode(0) | EXACT).done).toBe(0);
    expect(xen.populate(domid, 2, 9).done).toBe(2);
    expect(door.inspect.pagesByNode(domid)).toEqual([0, 1024]);
    expect(xen.populate(domid, 3).done).toBe(3);
    expect(door.inspect.pagesByNode(domid)).toEqual([3, 1024]);
  });

  test('DMA memory of the preferred node is used only when all other memory is', () => {
    const machine = machineFromHost(hostOf(2, 2, GIB, GIB), { dmaBits: 28 });
    const door = new EmbeddedDoor(machine);
    const xen = new RawCaller(door, 4);
    const domid = xen.guest();
    xen.setNodes(domid, [0]);
    const { frames } = xen.populate(domid, 1024, 9);
    const below = frames.findIndex((mfn) => mfn < 2 ** 16);
    const spilled = frames.findIndex((mfn) => nodeOf(machine, mfn) === 1);
    // 1 GiB less 256 MiB of node 0, then node 1, then the rest of node 0.
    expect(spilled).toBeGreaterThan(370);
    expect(below).toBeGreaterThan(spilled + 500);
    expect(frames.slice(below).every((mfn) => mfn < 2 ** 16)).toBe(true);
  });

  test('max_pages stops populate, and the refused extent has moved the cursor', () => {
    const { xen, machine } = start();
    const domid = xen.guest();
    xen.maxMem(domid, 8);
    expect(xen.populate(domid, 5).frames.map((mfn) => nodeOf(machine, mfn))).toEqual([1, 0]);
    xen.maxMem(domid, 2 ** 30);
    expect(xen.populate(domid, 2).frames.map((mfn) => nodeOf(machine, mfn))).toEqual([0, 1]);
  });

  test('memory is promised on demand only where a PVH domain has none; a PV domain has no frames to promise', () => {
    const { xen } = start();
    const ON_DEMAND = 1 << 16;
    const pvh = xen.guest(1, { hvm: true });
    // The caller's list is all zeros: each extent is at frame 0.
    expect(xen.populate(pvh, 3, 9, ON_DEMAND).done).toBe(3);
    expect(xen.populate(pvh, 1).done).toBe(1);
    expect(xen.populate(pvh, 3, 9, ON_DEMAND).done).toBe(0);
    expect(xen.populate(pvh, 1, 0, ON_DEMAND).done).toBe(0);
    const pv = xen.guest();
    xen.populate(pv, 1);
    expect(xen.populate(pv, 3, 0, ON_DEMAND).done).toBe(3);
  });

  test('claims: total includes what is held, one at a time, others cannot have the pages', () => {
    const { door, xen } = start();
    const [domid, other] = [xen.guest(), xen.guest()];
    const free = () => door.inspect.freePages().reduce((a, b) => a + b, 0);
    xen.populate(domid, 100);
    expect(xen.claim(domid, 100)).toBe(-ERRNO.EINVAL);
    xen.maxMem(domid, 4 * 2 ** 22);
    expect(xen.claim(domid, 2 ** 22)).toBe(-ERRNO.ENOMEM);
    expect(xen.claim(domid, 2 ** 22 + 1)).toBe(-ERRNO.EINVAL);
    expect(xen.claim(domid, 101 + free())).toBe(-ERRNO.ENOMEM);
    expect(xen.claim(domid, 100 + free())).toBe(0);
    expect(xen.claim(domid, 200)).toBe(-ERRNO.EINVAL);
    expect(xen.populate(other, 1).done).toBe(0);
    expect(xen.populate(domid, 10).done).toBe(10);
    expect(xen.claim(domid, 0)).toBe(0);
    expect(xen.populate(other, 1).done).toBe(1);
    expect(xen.claim(31_000, 10)).toBe(-ERRNO.EINVAL);
    expect(xen.claim(domid, 1000, onNode(0) | EXACT)).toBe(-ERRNO.EINVAL);
  });

  test("claims on a node, with XenServer's patch, keep that node's memory for their domain", () => {
    const { door, xen } = start(2, 2, { perNodeClaims: true, dmaBits: 0 });
    const [domid, other] = [xen.guest(), xen.guest()];
    const [free0] = door.inspect.freePages();
    expect(xen.claim(domid, free0! + 1, onNode(0) | EXACT)).toBe(-ERRNO.ENOMEM);
    expect(xen.claim(domid, free0!, onNode(0) | EXACT)).toBe(0);
    xen.setNodes(other, [0]);
    expect(xen.populate(other, 8, 9).done).toBe(8);
    expect(door.inspect.pagesByNode(other)).toEqual([0, 4096]);
    xen.setNodes(domid, [0]);
    expect(xen.populate(domid, 8, 9).done).toBe(8);
    expect(door.inspect.pagesByNode(domid)).toEqual([4096, 0]);
    expect(door.inspect.invariants()).toEqual([]);
  });

  test('destroying a domain gives everything back', () => {
    const { door, xen } = start(4, 2);
    const before = door.inspect.freePages();
    const domid = xen.guest(4, { hvm: true });
    xen.domctl(DOMCTL.set_paging_mempool_size, domid, (view) => view.setUint32(16, 2 ** 20, true));
    xen.populate(domid, 1000, 0);
    xen.populate(domid, 100, 9);
    xen.claim(domid, 100_000);
    expect(door.inspect.freePages()).not.toEqual(before);
    xen.domctl(DOMCTL.destroydomain, domid);
    expect(door.inspect.freePages()).toEqual(before);
    expect(door.inspect.invariants()).toEqual([]);
  });
});

describe('limits and size', () => {
  test('8,192 vCPUs of a PV domain and 128 of a PVH one, and not one more', () => {
    const { xen } = start();
    expect(xen.create({ vcpus: 8193 })).toBe(-ERRNO.EINVAL);
    expect(xen.create({ vcpus: 129, hvm: true })).toBe(-ERRNO.EINVAL);
    expect(xen.create({ vcpus: 128, hvm: true })).toBeGreaterThan(0);
    const domid = xen.guest(8192);
    expect(xen.setAffinity(domid, 8191, { soft: [0] }).result).toBe(0);
    expect(xen.setAffinity(domid, 8192, { soft: [0] }).result).toBe(-ERRNO.EINVAL);
  });

  test('32,751 domains beside Domain-0, and not one more', () => {
    const { xen } = start();
    for (let id = 1; id < 0x7ff0; id++) if (xen.create() !== id) expect.fail(`domain ${id} was not created`);
    expect(xen.create()).toBe(-ERRNO.ENOMEM);
    expect(xen.domctl(DOMCTL.destroydomain, 77)).toBe(0);
    expect(xen.create()).toBe(77);
    expect(xen.create({ id: 77 })).toBe(-ERRNO.EEXIST);
  });

  test('64 nodes, 4,096 CPUs and 64 TiB', () => {
    const machine = machineFromHost(hostOf(64, 64, TIB, TIB - 2 * GIB));
    const door = new EmbeddedDoor(machine);
    const xen = new RawCaller(door, 4096);
    expect(door.inspect.freePages()).toEqual(new Array(64).fill((TIB - 2 * GIB) / 4096));
    const domid = xen.guest(64);
    for (let vcpu = 0; vcpu < 64; vcpu++) xen.setAffinity(domid, vcpu, { soft: [4032 + vcpu] });
    expect(xen.nodes(domid)).toBe('63');
    expect(xen.populate(domid, 2 ** 19, 9).done).toBe(2 ** 19);
    const pages = door.inspect.pagesByNode(domid)!;
    expect(pages.reduce((a, b) => a + b, 0)).toBe(2 ** 28);
    expect(pages[63]! + 512 * 2).toBeGreaterThan((TIB - 2 * GIB) / 4096);
    expect(door.inspect.invariants()).toEqual([]);
    xen.domctl(DOMCTL.destroydomain, domid);
    expect(door.inspect.freePages()).toEqual(new Array(64).fill((TIB - 2 * GIB) / 4096));
  });

  test('absent CPUs stay holes', () => {
    const host = { ...hostOf(2, 4), cpus: hostOf(2, 4).cpus.filter((cpu) => cpu.id !== 5) };
    const door = new EmbeddedDoor(machineFromHost(host));
    const xen = new RawCaller(door, 8);
    const table = door.allocBuffer(12 * 8);
    const result = xen.sysctl(SYSCTL.cputopoinfo, (view) => {
      view.setUint32(8, 8, true);
      view.setBigUint64(16, BigInt(table.address), true);
    });
    expect(result).toBe(0);
    const nodes = Array.from({ length: 8 }, (_, cpu) => table.view.getUint32(cpu * 12 + 8, true));
    expect(nodes).toEqual([0, 0, 0, 0, 1, 0xffffffff, 1, 1]);
    expect(xen.hotplug(5, true)).toBe(-ERRNO.EINVAL);
  });
});

test("debug key 'u' prints where the memory is, and the console ring holds it once read and cleared", () => {
  const { door, xen } = start();
  const domid = xen.guest();
  xen.setNodes(domid, [1]);
  xen.populate(domid, 7);
  const [free0, free1] = door.inspect.freePages();
  const keys = door.allocBuffer(1);
  keys.bytes[0] = 'u'.charCodeAt(0);
  const press = () =>
    xen.sysctl(SYSCTL.debug_keys, (view) => {
      view.setBigUint64(8, BigInt(keys.address), true);
      view.setUint32(16, 1, true);
    });
  const text = door.allocBuffer(65536);
  const read = () => {
    xen.sysctl(SYSCTL.readconsole, (view) => {
      view.setUint8(8, 1);
      view.setBigUint64(16, BigInt(text.address), true);
      view.setUint32(24, 65536, true);
    });
    return Buffer.from(text.bytes.subarray(0, xen.view.getUint32(24, true))).toString('latin1');
  };
  expect(press()).toBe(0);
  const lines = read().replaceAll('(XEN) ', '').split('\n');
  expect(lines).toContain(`NODE0 start->0 size->1048576 free->${free0}`);
  expect(lines).toContain(`NODE1 start->1048576 size->1048576 free->${free1}`);
  expect(lines).toContain('CPU4...7 -> NODE1');
  const at = lines.indexOf(`Domain ${domid} (total: 7):`);
  expect(lines.slice(at + 1, at + 3)).toEqual(['    Node 0: 0', '    Node 1: 7']);
  expect(read()).toBe('');
});

test('every edge inside Xen is recorded, and nothing is without a sink', () => {
  const { door, xen } = start();
  const record = new FlowRecord('all of Xen');
  const domid = xen.guest(1);
  door.inspect.setFlow(record);
  xen.setAffinity(domid, 0, { soft: [0] });
  xen.setNodes(domid, [1]);
  xen.setNodes(
    domid,
    Array.from({ length: 64 }, (_, node) => node),
  );
  xen.nodes(domid);
  door.inspect.setFlow(NO_FLOW);
  const count = record.entries.length;
  xen.setNodes(domid, [1]);
  expect(record.entries).toHaveLength(count);
  const outside: EdgeId[] = [
    'XEN_VCPUAFFINITY_SOFT -> do_domctl',
    'XEN_VCPUAFFINITY_HARD -> do_domctl',
    'xc_domain_node_setaffinity -> do_domctl',
  ];
  const first = EDGES.findIndex((edge) => edge.from === 'domain_update_node_aff');
  const inside = EDGES.slice(first)
    .map((edge) => edge.id)
    .filter((id) => !outside.includes(id));
  expect([...record.edgesTaken()].sort()).toEqual([...inside].sort());
});
