// The contract of XEN_DOMCTL_setvnumainfo and XENMEM_get_vnumainfo in bytes, as Xen 4.17.7 answers:
// tests that run on the embedded Xen and on a real one. The machine needs at least 2 nodes.
import { expect, test } from 'vitest';
import { interfaceVersion } from '../../src/abi/interface-version.js';
import { ERRNO, type Errno } from '../../src/base/errors.js';
import type { Random } from '../../src/base/random.js';
import { CallBuffers } from '../../src/xenctrl/calls/call-buffers.js';
import { ConsoleReader } from '../../src/xenctrl/calls/console-ring.js';
import type { HypercallDoor } from '../../src/xenctrl/doors/door.js';
import { openXenctrl } from '../../src/xenctrl/open-xenctrl.js';
import type { DomainMemory } from '../../src/xenctrl/xenctrl.js';
import { RawCaller, type RawVnuma } from './raw-caller.js';

const VCPUS = 3;
const NO_DOMAIN = 0x7e00;
const UUID = Uint8Array.from({ length: 16 }, (_, i) => 0xb0 + i);
/** XENMEMF_vnode and XENMEMF_exact_node (public/memory.h). */
const [VNODE, EXACT] = [1 << 18, 1 << 17];
const range = (start: number, end: number, nid: number, flags = 0) => ({ start, end, flags, nid });

/** Two virtual nodes on physical nodes 1 and 0. */
const TWO: RawVnuma = {
  distances: [10, 20, 21, 10],
  vcpuToVnode: [0, 1, 0],
  vnodeToPnode: [1, 0],
  ranges: [range(0, 0x100_0000, 0), range(0x100_0000, 0x300_0000, 1)],
};
const COUNTS = { vnodes: 2, vcpus: VCPUS, ranges: 2 };

/** A word or a handle of xen_domctl_vnuma that is not what the lists say. */
interface Change {
  readonly at: number;
  readonly value: number | bigint;
}
const AT = { vnodes: 16, ranges: 20, vcpus: 24, pad: 28, distances: 32, vcpuToVnode: 40, vnodeToPnode: 48, memory: 56 } as const;
/** In the first page, which the caller has not mapped. */
const BAD_HANDLE = 8n;

export interface VnumaCase {
  readonly vnuma: RawVnuma;
  readonly changes: readonly Change[];
}

const many = (vnodes: number): RawVnuma => ({
  ...TWO,
  distances: new Array<number>(vnodes ** 2).fill(10),
  vnodeToPnode: new Array<number>(vnodes).fill(0),
});

/** `null`: taken. */
const ANSWERS: readonly (readonly [string, Partial<RawVnuma>, readonly Change[], Errno | null])[] = [
  ['two virtual nodes', {}, [], null],
  ['no virtual node', {}, [{ at: AT.vnodes, value: 0 }], 'EINVAL'],
  ['32 virtual nodes, whose distances fill a page', many(32), [], null],
  ['33 virtual nodes', many(33), [], 'EINVAL'],
  ['as many virtual nodes as wrap when squared', {}, [{ at: AT.vnodes, value: 65_536 }], 'EINVAL'],
  ['no range', { ranges: [] }, [], null],
  ['170 ranges, which fill a page', { ranges: new Array(170).fill(TWO.ranges[0]) }, [], null],
  ['171 ranges', { ranges: new Array(171).fill(TWO.ranges[0]) }, [], 'EINVAL'],
  ['fewer vCPUs than the domain has', {}, [{ at: AT.vcpus, value: VCPUS - 1 }], 'EINVAL'],
  ['more vCPUs than the domain has', {}, [{ at: AT.vcpus, value: VCPUS + 1 }], 'EINVAL'],
  ['padding', {}, [{ at: AT.pad, value: 1 }], 'EINVAL'],
  ['a vCPU on a virtual node that is not there', { vcpuToVnode: [0, 1, 2] }, [], 'E2BIG'],
  ['a physical node beyond those of the host', { vnodeToPnode: [0, 63] }, [], null],
  ['a physical node beyond all', { vnodeToPnode: [0, 64] }, [], 'E2BIG'],
  ['no physical node, in 8 bits', { vnodeToPnode: [0, 0xff] }, [], 'E2BIG'],
  ['no physical node, in 32 bits', { vnodeToPnode: [0, 0xffffffff] }, [], 'E2BIG'],
  ['flags of a range', { ranges: [range(0, 4096, 0, 1)] }, [], 'EINVAL'],
  ['a range of a virtual node that is not there', { ranges: [range(0, 4096, 2)] }, [], null],
  ['ranges that overlap', { ranges: [range(0, 8192, 0), range(4096, 12288, 1)] }, [], null],
  ['a range that ends before it begins', { ranges: [range(8192, 4096, 0)] }, [], null],
  ['distances of 0', { distances: [0, 0, 0, 0] }, [], null],
  ...(['distances', 'vcpuToVnode', 'vnodeToPnode', 'memory'] as const).flatMap((list) =>
    [0n, BAD_HANDLE].map((value) => [`${list} at ${value}`, {}, [{ at: AT[list], value }], 'EFAULT'] as const),
  ),
  ['no range, at a bad handle', { ranges: [] }, [{ at: AT.memory, value: BAD_HANDLE }], null],
  ['a bad vCPU before a bad physical node', { vcpuToVnode: [0, 1, 2] }, [{ at: AT.vnodeToPnode, value: 0n }], 'E2BIG'],
  ['a bad physical node before flags', { vnodeToPnode: [0, 64], ranges: [range(0, 4096, 0, 1)] }, [], 'E2BIG'],
];

function apply(view: DataView, changes: readonly Change[]): void {
  for (const { at, value } of changes) {
    if (typeof value === 'bigint') view.setBigUint64(at, value, true);
    else view.setUint32(at, value, true);
  }
}

/** One domain on one host. */
export interface VnumaGuest {
  readonly domid: number;
  readonly xen: RawCaller;
  set(one: VnumaCase): number;
  memory(): DomainMemory;
  /** What debug key 'u' prints of its virtual nodes. */
  printed(): string[];
}

/** @param body gets a PV domain of 3 vCPUs, which is destroyed afterwards */
export function withVnumaGuest<T>(door: HypercallDoor, body: (guest: VnumaGuest) => T): T {
  const xc = openXenctrl(door);
  const xen = new RawCaller(door, xc.physInfo().maxCpuId + 1, xc.version.xen);
  const buffers = new CallBuffers(door, interfaceVersion(xc.version.xen));
  const console_ = new ConsoleReader(buffers);
  const domid = xc.domainCreate({ domid: 0, kind: 'pv', maxVcpus: VCPUS, uuid: UUID });
  try {
    xc.domainMaxVcpus(domid, VCPUS);
    xc.domainSetMaxmem(domid, 2 ** 22);
    const set = ({ vnuma, changes }: VnumaCase) => xen.setVnuma(domid, vnuma, (view) => apply(view, changes));
    const memory = () => xc.domainMemory().find((one) => one.domid === domid)!;
    return body({ domid, xen, set, memory, printed: () => ofDomain(console_.pressKey('u').text, domid) });
  } finally {
    xc.domainDestroy(domid);
    buffers.close();
    xc.close();
  }
}

function ofDomain(dump: string, domid: number): string[] {
  const lines = dump.replaceAll('\r', '').split('\n');
  const from = lines.findIndex((line) => new RegExp(`(Domain |d)${domid} \\(total`).test(line)) + 1;
  const after = lines.slice(from).filter((line) => !/ Node \d+: /.test(line));
  const end = after.findIndex((line) => !line.startsWith('(XEN)      '));
  return after.slice(0, end === -1 ? undefined : end);
}

export function vnumaContract(name: string, open: () => HypercallDoor): void {
  const check = (what: string, body: (guest: VnumaGuest) => void) => test(`${name}: ${what}`, () => withVnumaGuest(open(), body));

  check('setvnumainfo answers as Xen 4.17.7 does', ({ set }) => {
    const answers = ANSWERS.map(([what, change, changes]) => [what, set({ vnuma: { ...TWO, ...change }, changes })]);
    expect(answers).toEqual(ANSWERS.map(([what, , , errno]) => [what, errno === null ? 0 : -ERRNO[errno]]));
  });

  check('an absent domain and one without virtual nodes', ({ xen, domid }) => {
    expect(xen.setVnuma(NO_DOMAIN, TWO)).toBe(-ERRNO.ESRCH);
    expect(xen.getVnuma(NO_DOMAIN, COUNTS).result).toBe(-ERRNO.ESRCH);
    expect(xen.getVnuma(domid, COUNTS).result).toBe(-ERRNO.EOPNOTSUPP);
    expect(xen.getVnuma(0x7ff0, COUNTS).result).toBe(-ERRNO.EOPNOTSUPP);
  });

  check('get_vnumainfo gives back what was set, and a refused call changes nothing', ({ xen, domid, set }) => {
    expect(set({ vnuma: TWO, changes: [] })).toBe(0);
    const written = [
      '0a00000014000000150000000a000000',
      '000000000100000000000000',
      '0000000000000000' + '0000000100000000' + '0000000000000000' + '0000000100000000' + '0000000300000000' + '0000000001000000',
    ];
    expect(xen.getVnuma(domid, COUNTS)).toEqual({ result: 0, counts: [2, VCPUS, 2], written });
    expect(set({ vnuma: { ...TWO, vnodeToPnode: [0, 64] }, changes: [] })).toBe(-ERRNO.E2BIG);
    expect(xen.getVnuma(domid, COUNTS)).toEqual({ result: 0, counts: [2, VCPUS, 2], written });
    expect(set({ vnuma: { ...TWO, ranges: [] }, changes: [] })).toBe(0);
    expect(xen.getVnuma(domid, COUNTS)).toMatchObject({
      result: 0,
      counts: [2, VCPUS, 0],
      written: [written[0], written[1], '00'.repeat(48)],
    });
  });

  check('get_vnumainfo answers the counts where a list is too short, and takes longer ones', ({ xen, domid, set }) => {
    set({ vnuma: TWO, changes: [] });
    for (const short of [{ vnodes: 1 }, { vcpus: VCPUS - 1 }, { ranges: 1 }, { vnodes: 0, vcpus: 0, ranges: 0 }]) {
      expect(xen.getVnuma(domid, { ...COUNTS, ...short })).toMatchObject({ result: -ERRNO.ENOBUFS, counts: [2, VCPUS, 2] });
    }
    expect(xen.getVnuma(domid, { vnodes: 3, vcpus: 9, ranges: 4 })).toMatchObject({ result: 0, counts: [2, VCPUS, 2] });
    expect(xen.getVnuma(domid, COUNTS, (view) => view.setUint16(2, 1, true)).result).toBe(-ERRNO.EINVAL);
  });

  check('get_vnumainfo writes ranges, distances and vCPUs in this order, up to the one that faults', ({ xen, domid, set }) => {
    set({ vnuma: TWO, changes: [] });
    const faulted = [16, 24, 32].map((at) => xen.getVnuma(domid, COUNTS, (view) => view.setBigUint64(at, BAD_HANDLE, true)));
    expect(faulted.map(({ result }) => result)).toEqual([-ERRNO.EFAULT, -ERRNO.EFAULT, -ERRNO.EFAULT]);
    const isWritten = faulted.map(({ written }) => written.map((hex) => /[^0]/.test(hex)));
    expect(isWritten).toEqual([
      [false, false, true],
      [true, false, true],
      [false, false, false],
    ]);
  });

  check("debug key 'u' prints them", ({ set, printed }) => {
    expect(printed()).toEqual([]);
    set({ vnuma: TWO, changes: [] });
    expect(printed()).toEqual([
      '(XEN)      2 vnodes, 3 vcpus, guest physical layout:',
      '(XEN)          0: pnode   1, vcpus 0 2',
      '(XEN)            0000000000000000 - 0000000001000000',
      '(XEN)          1: pnode   0, vcpus 1 ',
      '(XEN)            0000000001000000 - 0000000003000000',
    ]);
  });

  check('memory asked of a virtual node lies on its physical node', ({ xen, domid, set, memory }) => {
    set({ vnuma: TWO, changes: [] });
    expect(xen.populate(domid, 5, 0, (1 << 8) | VNODE | EXACT).done).toBe(5);
    expect(xen.populate(domid, 7, 0, (2 << 8) | VNODE | EXACT).done).toBe(7);
    expect(xen.populate(domid, 7, 0, (3 << 8) | VNODE | EXACT).done).toBe(0);
    expect([memory().totalPages, ...memory().pagesByNode.slice(0, 2)]).toEqual([12, 7, 5]);
    // A node that the host does not have: exact, nothing; else, memory of others.
    set({ vnuma: { ...TWO, vnodeToPnode: [63, 62] }, changes: [] });
    expect(xen.populate(domid, 3, 0, (1 << 8) | VNODE | EXACT).done).toBe(0);
    expect(xen.populate(domid, 3, 0, (1 << 8) | VNODE).done).toBe(3);
  });
}

/** Mostly near what Xen takes; each fault alone in some, several in others. */
export function randomVnuma(random: Random): VnumaCase {
  const vnodes = random.weighted([
    [random.between(1, 4), 12],
    [random.pick([31, 32, 33]), 1],
  ]);
  const rare = <T>(good: T, bad: readonly T[]) => (random.chance(4) ? random.pick(bad) : good);
  const list = (length: number, entry: () => number) => Array.from({ length }, entry);
  const ranges = list(
    random.weighted([
      [random.between(0, 6), 12],
      [random.pick([169, 170, 171]), 1],
    ]),
    () => random.below(2 ** 20),
  ).map((page) =>
    range(
      page * 4096,
      random.below(2 ** 20) * 4096,
      rare(random.below(vnodes), [vnodes, 0xffffffff]),
      random.chance(1) ? random.below(4) : 0,
    ),
  );
  const vnuma: RawVnuma = {
    distances: list(vnodes ** 2, () => random.below(300)),
    vcpuToVnode: list(VCPUS, () => rare(random.below(vnodes), [vnodes, vnodes + 1, 0xff, 0xffffffff])),
    vnodeToPnode: list(vnodes, () => rare(random.below(4), [63, 64, 0xff, 0xffff, 0xffffffff])),
    ranges,
  };
  const possible: Change[] = [
    { at: AT.vnodes, value: random.pick([0, 34, 65_536, 0xffffffff]) },
    { at: AT.ranges, value: random.pick([0, 171, 0xffffffff]) },
    { at: AT.vcpus, value: random.pick([0, VCPUS - 1, VCPUS + 1, 0xffffffff]) },
    { at: AT.pad, value: random.pick([1, 0x80000000]) },
    ...[AT.distances, AT.vcpuToVnode, AT.vnodeToPnode, AT.memory].map((at) => ({ at, value: random.pick([0n, BAD_HANDLE]) })),
  ];
  return { vnuma, changes: possible.filter(() => random.chance(5)) };
}
