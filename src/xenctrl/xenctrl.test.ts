// The contract on the embedded Xen of every version, and the information that only the embedded
// door has.

import { expect, test } from 'vitest';
import { xenctrlContract } from '../../test/support/xenctrl-contract.js';
import { DOMCTL, HYPERCALL } from '../abi/commands.js';
import { DOMCTL_AT } from '../abi/layout.js';
import { ERRNO } from '../base/errors.js';
import { GIB } from '../base/units.js';
import { machineFromHost, type XenMachine } from '../xen/state/machine.js';
import type { HypercallBuffer, HypercallDoor } from './doors/door.js';
import { EmbeddedDoor } from './doors/embedded-door.js';
import { openXenctrl } from './open-xenctrl.js';
import type { Xenctrl } from './xenctrl.js';

const UUID = new Uint8Array(16);

function machine(changes: Partial<XenMachine> = {}, nodes = 2, cpusOfNode = 4): XenMachine {
  const indices = Array.from({ length: nodes }, (_, node) => node);
  return {
    ...machineFromHost({
      name: 'test',
      source: 'test',
      nodes: indices.map((id) => ({ id, memoryBytes: 4 * GIB, freeBytes: 3 * GIB })),
      cpus: Array.from({ length: nodes * cpusOfNode }, (_, id) => ({ id, node: Math.floor(id / cpusOfNode), core: id, socket: 0 })),
      distances: indices.map((i) => indices.map((j) => (i === j ? 10 : 21))),
      notes: [],
    }),
    ...changes,
  };
}

/** An answer in Xen's place; undefined = Xen's own. */
type Answer = (op: number, structure: DataView | undefined) => number | undefined;

/** Counts what is allocated and not given back; can hide what only the embedded door has. */
class CountingDoor implements HypercallDoor {
  readonly name = 'counting';
  live = 0;
  calls = 0;
  readonly #door: HypercallDoor;
  readonly #answer: Answer;
  readonly #buffers = new Map<number, HypercallBuffer>();
  constructor(door: HypercallDoor, answer: Answer = () => undefined) {
    this.#door = door;
    this.#answer = answer;
  }
  allocBuffer(sizeBytes: number): HypercallBuffer {
    this.live++;
    const buffer = this.#door.allocBuffer(sizeBytes);
    this.#buffers.set(buffer.address, buffer);
    return buffer;
  }
  freeBuffer(buffer: HypercallBuffer): void {
    this.live--;
    this.#buffers.delete(buffer.address);
    this.#door.freeBuffer(buffer);
  }
  hypercall(op: number, a1: number, a2 = 0, a3 = 0): number {
    this.calls++;
    return this.#answer(op, this.#buffers.get(a1)?.view) ?? this.#door.hypercall(op, a1, a2, a3);
  }
  close(): void {}
}

const VERSIONS = Array.from({ length: 10 }, (_, i) => `4.${13 + i}`);
for (const version of VERSIONS) {
  for (const scheduler of version === '4.17' ? (['credit', 'credit2'] as const) : (['credit2'] as const)) {
    xenctrlContract(`embedded ${version} ${scheduler}`, (body) => {
      const door = new EmbeddedDoor(machine({ version, scheduler }));
      const xc = openXenctrl(door);
      const free = door.inspect.freePages();
      body(xc);
      expect(door.inspect.invariants()).toEqual([]);
      expect(door.inspect.freePages()).toEqual(free);
      xc.close();
    });
  }
}

xenctrlContract('embedded 4.17, its inside hidden', (body) => {
  const door = new CountingDoor(new EmbeddedDoor(machine()));
  const xc = openXenctrl(door);
  body(xc);
  xc.close();
  expect(door.live).toBe(0);
});

test('each version is recognised by its own numbers', () => {
  for (const [version, domctl, sysctl] of [
    ['4.13', 0x12, 0x12],
    ['4.14', 0x12, 0x13],
    ['4.17', 0x15, 0x15],
    ['4.18', 0x16, 0x15],
    ['4.22', 0x18, 0x16],
  ] as const) {
    expect(openXenctrl(new EmbeddedDoor(machine({ version }))).version).toEqual({ xen: version, domctl, sysctl });
  }
});

const xenVersion = (major: number, minor: number) => (op: number) => (op === HYPERCALL.xenVersion ? (major << 16) | minor : undefined);

test('the numbers decide, not the release: a patched or newer Xen with known numbers is understood', () => {
  const newer = openXenctrl(new CountingDoor(new EmbeddedDoor(machine({ version: '4.22' })), xenVersion(4, 30)));
  expect(newer.version).toEqual({ xen: '4.30', domctl: 0x18, sysctl: 0x16 });
  const patched = openXenctrl(new CountingDoor(new EmbeddedDoor(machine({ version: '4.18' })), xenVersion(4, 13)));
  expect(patched.version).toEqual({ xen: '4.13', domctl: 0x16, sysctl: 0x15 });
  expect(patched.physInfo().onlineCpus).toBe(8);
  const domid = patched.domainCreate({ domid: 0, kind: 'pvh', maxVcpus: 1, uuid: UUID });
  expect(patched.domainInfo(domid)).toMatchObject({ hvm: true, cpupool: 0 });
});

test('a Xen that answers to no known number, or to nobody like us, is one clear error, and nothing stays allocated', () => {
  const door = new EmbeddedDoor(machine());
  const unknown = new CountingDoor(door, (op) =>
    op === HYPERCALL.domctl || op === HYPERCALL.sysctl ? -ERRNO.EACCES : xenVersion(4, 99)(op),
  );
  expect(() => openXenctrl(unknown)).toThrowError(
    'Xen 4.99 (counting) answers to no domctl and sysctl interface version that is known here',
  );
  const noSysctl = new CountingDoor(door, (op) => (op === HYPERCALL.sysctl ? -ERRNO.EACCES : undefined));
  expect(() => openXenctrl(noSysctl)).toThrowError('answers to no sysctl interface version');
  const future = new CountingDoor(door, xenVersion(5, 0));
  expect(() => openXenctrl(future)).toThrowError('Xen 5.0 (counting) is not known here');
  const refused = new CountingDoor(door, (op) => (op === HYPERCALL.domctl ? -ERRNO.EPERM : undefined));
  expect(() => openXenctrl(refused)).toThrowError('xc_domain_getinfo(domid 0): [1] EPERM');
  expect([unknown.live, noSysctl.live, future.live, refused.live]).toEqual([0, 0, 0, 0]);
});

test('a domain that Xen destroys in steps is destroyed by repeated calls', () => {
  const pieces: number[] = [-ERRNO.EAGAIN, -ERRNO.ERESTART, -ERRNO.EAGAIN];
  let callCount = 0;
  const door = new CountingDoor(new EmbeddedDoor(machine()), (op, structure) => {
    if (op !== HYPERCALL.domctl || structure?.getUint32(DOMCTL_AT.cmd, true) !== DOMCTL.destroydomain) return undefined;
    callCount++;
    return pieces.shift();
  });
  const xc = openXenctrl(door);
  const domid = xc.domainCreate({ domid: 0, kind: 'pv', maxVcpus: 1, uuid: UUID });
  xc.domainDestroy(domid);
  expect(callCount).toBe(4);
  expect(xc.domainInfo(domid)).toBeNull();
});

test('a closed Xenctrl makes no calls', () => {
  const door = new CountingDoor(new EmbeddedDoor(machine()));
  const xc = openXenctrl(door);
  xc.numaInfo();
  xc.domainMemory();
  xc.close();
  xc.close();
  expect(door.live).toBe(0);
  expect(() => xc.physInfo()).toThrowError('closed');
  expect(() => xc.domainPopulatePhysmap(0, { extents: 1, order: 0 })).toThrowError('closed');
});

test("claims on a node: XenServer's Xen tells what is claimed, upstream refuses them", () => {
  const create = (xc: Xenctrl) => {
    const domid = xc.domainCreate({ domid: 0, kind: 'pvh', maxVcpus: 1, uuid: UUID });
    xc.domainMaxVcpus(domid, 1);
    xc.domainSetMaxmem(domid, 2 ** 22);
    return domid;
  };
  const upstream = openXenctrl(new EmbeddedDoor(machine()));
  const refused = create(upstream);
  expect(() => upstream.domainClaimPages(refused, 1000, 1)).toThrowError(
    `xc_domain_claim_pages(domid ${refused}, 1000 pages, node 1): [22] EINVAL`,
  );
  const patched = openXenctrl(new EmbeddedDoor(machine({ perNodeClaims: true })));
  const domid = create(patched);
  const claimed = () => patched.numaInfo().nodes.map((node) => node.claimedBytes / 4096);
  patched.domainClaimPages(domid, 1000, 1);
  expect(claimed()).toEqual([0, 1000]);
  expect(patched.domainPopulatePhysmap(domid, { extents: 300, order: 0, node: 1, exactNode: true }).done).toBe(300);
  expect(claimed()).toEqual([0, 700]);
  const second = create(patched);
  const unclaimed = patched.numaInfo().nodes[1]!.freeBytes! / 4096 - 700;
  expect(() => patched.domainClaimPages(second, unclaimed + 1, 1)).toThrowError(expect.objectContaining({ errno: 'ENOMEM' }));
  patched.domainClaimPages(second, unclaimed, 1);
  expect(claimed()).toEqual([0, 700 + unclaimed]);
  patched.domainDestroy(second);
  patched.domainDestroy(domid);
  expect(claimed()).toEqual([0, 0]);
});

test('the largest machine: 64 nodes and 4096 CPUs, and the lists longer than one call', () => {
  const xc = openXenctrl(new EmbeddedDoor(machine({}, 64, 64)));
  expect(xc.numaInfo().nodes).toHaveLength(64);
  expect(xc.cpuTopology()).toHaveLength(4096);
  const domids = Array.from({ length: 600 }, () => xc.domainCreate({ domid: 0, kind: 'pv', maxVcpus: 1, uuid: UUID }));
  expect(xc.domainList().map((one) => one.domid)).toEqual([0, ...domids]);
  const last = domids.at(-1)!;
  xc.domainMaxVcpus(last, 1);
  expect(xc.vcpuSetAffinity(last, 0, { soft: [4095] })).toEqual({ hard: null, soft: [4095] });
  expect(xc.domainNodeGetAffinity(last)).toEqual([63]);
  expect(xc.domainMemory()).toHaveLength(601);
});
