// Hypercalls written out as bytes, as by a program that knows only the ABI. It has its own offsets,
// so that tests do not take them from the code under test.
import { CPUPOOL_OP, DOMCTL, HYPERCALL, SYSCTL } from '../../src/abi/commands.js';
import { type InterfaceVersion, interfaceVersion } from '../../src/abi/interface-version.js';
import { Bitset } from '../../src/base/bitset.js';
import type { GuestBuffer } from '../../src/xen/state/guest-memory.js';

/** The part of a hypercall door that is used here. */
interface Door {
  allocBuffer(sizeBytes: number): GuestBuffer;
  freeBuffer(buffer: GuestBuffer): void;
  hypercall(op: number, a1: number, a2?: number, a3?: number): number;
}

/** xen_domctl_vnuma and its lists; each count is the length of a list. */
export interface RawVnuma {
  /** vNodes squared. */
  readonly distances: readonly number[];
  readonly vcpuToVnode: readonly number[];
  readonly vnodeToPnode: readonly number[];
  readonly ranges: readonly { readonly start: number; readonly end: number; readonly flags: number; readonly nid: number }[];
}

export interface VnumaCounts {
  readonly vnodes: number;
  readonly vcpus: number;
  readonly ranges: number;
}

export const HARD = 1;
export const SOFT = 2;
const NODE_BITS = 64;

export class RawCaller {
  readonly door: Door;
  readonly version: InterfaceVersion;
  readonly #op: GuestBuffer;
  readonly #cpus: number;

  constructor(door: Door, cpus: number, version = '4.17') {
    this.door = door;
    this.version = interfaceVersion(version);
    this.#op = door.allocBuffer(144);
    this.#cpus = cpus;
  }

  /** Bytes of the last structure, answers included. */
  get view(): DataView {
    return this.#op.view;
  }

  domctl(cmd: number, domid: number, fill: (view: DataView) => void = () => {}): number {
    const { bytes, view, address } = this.#op;
    bytes.fill(0);
    view.setUint32(0, cmd, true);
    view.setUint32(4, this.version.domctl, true);
    view.setUint16(8, domid, true);
    fill(view);
    return this.door.hypercall(HYPERCALL.domctl, address);
  }

  sysctl(cmd: number, fill: (view: DataView) => void = () => {}): number {
    const { bytes, view, address } = this.#op;
    bytes.fill(0);
    view.setUint32(0, cmd, true);
    view.setUint32(4, this.version.sysctl, true);
    fill(view);
    return this.door.hypercall(HYPERCALL.sysctl, address);
  }

  /** The new domain's id, or a negative errno. */
  create(options: { id?: number; vcpus?: number; hvm?: boolean; pool?: number } = {}): number {
    const result = this.domctl(DOMCTL.createdomain, options.id ?? 0, (view) => {
      view.setUint32(36, options.hvm === true ? 3 : 0, true);
      view.setUint32(44, options.vcpus ?? 1, true);
      if (this.version.cpupoolAt >= 0) view.setUint32(16 + this.version.cpupoolAt, options.pool ?? 0, true);
      view.setUint32(16 + this.version.emulationFlagsAt, options.hvm === true ? 1 : 0, true);
    });
    return result < 0 ? result : this.view.getUint16(8, true);
  }

  /** A domain with vCPUs that may have any amount of memory. @returns its id */
  guest(vcpus = 4, options: { hvm?: boolean; pool?: number } = {}): number {
    const domid = this.create({ vcpus, ...options });
    if (domid < 0) return domid;
    this.maxVcpus(domid, vcpus);
    this.maxMem(domid, 2 ** 40);
    return domid;
  }

  maxVcpus(domid: number, vcpus: number): number {
    return this.domctl(DOMCTL.max_vcpus, domid, (view) => view.setUint32(16, vcpus, true));
  }

  maxMem(domid: number, kib: number): number {
    return this.domctl(DOMCTL.max_mem, domid, (view) => view.setBigUint64(16, BigInt(kib), true));
  }

  /** The effective masks as the caller's buffers hold them afterwards, whatever the result. */
  setAffinity(domid: number, vcpu: number, masks: { hard?: Iterable<number>; soft?: Iterable<number>; flags?: number }) {
    const hard = masks.hard === undefined ? undefined : this.#mask(masks.hard, this.#cpus);
    const soft = masks.soft === undefined ? undefined : this.#mask(masks.soft, this.#cpus);
    const result = this.domctl(DOMCTL.setvcpuaffinity, domid, (view) => {
      view.setUint32(16, vcpu, true);
      view.setUint32(20, masks.flags ?? (hard === undefined ? 0 : HARD) | (soft === undefined ? 0 : SOFT), true);
      this.#handle(view, 24, hard, this.#cpus);
      this.#handle(view, 40, soft, this.#cpus);
    });
    return { result, hard: this.#read(hard, this.#cpus), soft: this.#read(soft, this.#cpus) };
  }

  getAffinity(domid: number, vcpu: number) {
    const hard = this.#mask([], this.#cpus);
    const soft = this.#mask([], this.#cpus);
    const result = this.domctl(DOMCTL.getvcpuaffinity, domid, (view) => {
      view.setUint32(16, vcpu, true);
      view.setUint32(20, HARD | SOFT, true);
      this.#handle(view, 24, hard, this.#cpus);
      this.#handle(view, 40, soft, this.#cpus);
    });
    return { result, hard: this.#read(hard, this.#cpus), soft: this.#read(soft, this.#cpus) };
  }

  setNodes(domid: number, nodes: Iterable<number>): number {
    const map = this.#mask(nodes, NODE_BITS);
    const result = this.domctl(DOMCTL.setnodeaffinity, domid, (view) => this.#handle(view, 16, map, NODE_BITS));
    this.door.freeBuffer(map);
    return result;
  }

  /** "0-1" */
  nodes(domid: number): string {
    const map = this.#mask([], NODE_BITS);
    this.domctl(DOMCTL.getnodeaffinity, domid, (view) => this.#handle(view, 16, map, NODE_BITS));
    return this.#read(map, NODE_BITS);
  }

  /**
   * Extents done and the frames that the list then holds. `listed`: entries of the caller's list,
   * when it is shorter than the request.
   */
  populate(domid: number, extents: number, order = 0, memFlags = 0, listed = extents): { done: number; frames: number[] } {
    const list = this.door.allocBuffer(8 * Math.max(1, listed));
    const done = this.#memory(6, list.address, extents, order, memFlags, domid);
    const frames = Array.from({ length: done }, (_, i) => Number(list.view.getBigUint64(8 * i, true)));
    this.door.freeBuffer(list);
    return { done, frames };
  }

  claim(domid: number, pages: number, memFlags = 0): number {
    return this.#memory(24, 0, pages, 0, memFlags, domid);
  }

  /**
   * XENMEM_set_pod_target: pages in all, pages held for promised frames, and promised frames, as
   * Xen answers.
   */
  podTarget(domid: number, pages: number): { result: number; total: number; cache: number; entries: number } {
    const { bytes, view, address } = this.#op;
    bytes.fill(0);
    view.setBigUint64(0, BigInt(pages), true);
    view.setUint16(32, domid, true);
    const result = this.door.hypercall(HYPERCALL.memoryOp, 16, address);
    const word = (at: number) => Number(view.getBigUint64(at, true));
    return { result, total: word(8), cache: word(16), entries: word(24) };
  }

  /** XEN_DOMCTL_setvnumainfo. @param change of the filled structure, which begins at byte 16 */
  setVnuma(domid: number, vnuma: RawVnuma, change: (view: DataView) => void = () => {}): number {
    const { distances, vcpuToVnode, vnodeToPnode, ranges } = vnuma;
    const arrays = [...[distances, vcpuToVnode, vnodeToPnode].map((list) => this.#words(list)), this.#ranges(ranges)];
    const result = this.domctl(DOMCTL.setvnumainfo, domid, (view) => {
      view.setUint32(16, vnodeToPnode.length, true);
      view.setUint32(20, ranges.length, true);
      view.setUint32(24, vcpuToVnode.length, true);
      for (const [index, array] of arrays.entries()) view.setBigUint64(32 + 8 * index, BigInt(array.address), true);
      change(view);
    });
    for (const array of arrays) this.door.freeBuffer(array);
    return result;
  }

  /** A domain's vCPUs on virtual node 0, with one range of 4 KiB: as few words as Xen takes. */
  vnuma(domid: number, vcpus: number, vnodeToPnode: readonly number[], change: (view: DataView) => void = () => {}): number {
    const distances = new Array<number>(vnodeToPnode.length ** 2).fill(10);
    const ranges = [{ start: 0, end: 4096, flags: 0, nid: 0 }];
    return this.setVnuma(domid, { distances, vcpuToVnode: new Array<number>(vcpus).fill(0), vnodeToPnode, ranges }, change);
  }

  /**
   * XENMEM_get_vnumainfo: the counts that Xen answers, and what it wrote into lists as long as the
   * caller's counts. @param change of the filled structure
   */
  getVnuma(domid: number, { vnodes, vcpus, ranges }: VnumaCounts, change: (view: DataView) => void = () => {}) {
    const { bytes, view, address } = this.#op;
    bytes.fill(0);
    view.setUint16(0, domid, true);
    for (const [index, count] of [vnodes, vcpus, ranges].entries()) view.setUint32(4 + 4 * index, count, true);
    const arrays = [vnodes * vnodes * 4, vcpus * 4, ranges * 24].map((size) => this.door.allocBuffer(Math.max(1, size)));
    for (const [index, array] of arrays.entries()) view.setBigUint64(16 + 8 * index, BigInt(array.address), true);
    change(view);
    const result = this.door.hypercall(HYPERCALL.memoryOp, 26, address);
    const written = arrays.map((array) => Buffer.from(array.bytes).toString('hex'));
    for (const array of arrays) this.door.freeBuffer(array);
    return { result, counts: [4, 8, 12].map((at) => view.getUint32(at, true)), written };
  }

  /** The pool's id, or a negative errno. */
  createPool(schedulerId: number, id = 0xffffffff): number {
    const result = this.pool(CPUPOOL_OP.create, { pool: id, scheduler: schedulerId });
    return result < 0 ? result : this.view.getUint32(12, true);
  }

  pool(op: number, args: { pool?: number; scheduler?: number; domid?: number; cpu?: number }): number {
    return this.sysctl(SYSCTL.cpupool_op, (view) => {
      view.setUint32(8, op, true);
      view.setUint32(12, args.pool ?? 0, true);
      view.setUint32(16, args.scheduler ?? 0, true);
      view.setUint32(20, args.domid ?? 0, true);
      view.setUint32(24, args.cpu ?? 0, true);
    });
  }

  hotplug(cpu: number, online: boolean): number {
    return this.sysctl(SYSCTL.cpu_hotplug, (view) => {
      view.setUint32(8, cpu, true);
      view.setUint32(12, online ? 0 : 1, true);
    });
  }

  #memory(cmd: number, start: number, extents: number, order: number, memFlags: number, domid: number): number {
    const { bytes, view, address } = this.#op;
    bytes.fill(0);
    view.setBigUint64(0, BigInt(start), true);
    view.setBigUint64(8, BigInt(extents), true);
    view.setUint32(16, order, true);
    view.setUint32(20, memFlags, true);
    view.setUint16(24, domid, true);
    return this.door.hypercall(HYPERCALL.memoryOp, cmd, address);
  }

  #words(list: readonly number[]): GuestBuffer {
    const buffer = this.door.allocBuffer(Math.max(1, 4 * list.length));
    for (const [index, word] of list.entries()) buffer.view.setUint32(4 * index, word, true);
    return buffer;
  }

  #ranges(ranges: RawVnuma['ranges']): GuestBuffer {
    const buffer = this.door.allocBuffer(Math.max(1, 24 * ranges.length));
    for (const [index, { start, end, flags, nid }] of ranges.entries()) {
      buffer.view.setBigUint64(24 * index, BigInt(start), true);
      buffer.view.setBigUint64(24 * index + 8, BigInt(end), true);
      buffer.view.setUint32(24 * index + 16, flags, true);
      buffer.view.setUint32(24 * index + 20, nid, true);
    }
    return buffer;
  }

  #mask(members: Iterable<number>, bits: number): GuestBuffer {
    const buffer = this.door.allocBuffer(Math.ceil(bits / 8));
    buffer.bytes.set(Bitset.of(bits, members).toBytes());
    return buffer;
  }

  #handle(view: DataView, at: number, buffer: GuestBuffer | undefined, bits: number): void {
    if (buffer === undefined) return;
    view.setBigUint64(at, BigInt(buffer.address), true);
    view.setUint32(at + 8, bits, true);
  }

  #read(buffer: GuestBuffer | undefined, bits: number): string {
    if (buffer === undefined) return '';
    this.door.freeBuffer(buffer);
    return Bitset.fromBytes(buffer.bytes, bits).toString();
  }
}
