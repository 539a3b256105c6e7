// Hypercalls per second on the embedded door: affinity, and memory of small and large extents.
import { GIB, PAGE_BYTES } from '../src/base/units.js';
import { machineFromHost, type XenMachine } from '../src/xen/state/machine.js';
import { EmbeddedDoor } from '../src/xenctrl/doors/embedded-door.js';
import { type BenchRow, cpuMs } from './measure.js';

function machine(nodes: number, cpusOfNode: number, nodeBytes: number): XenMachine {
  const indices = Array.from({ length: nodes }, (_, node) => node);
  return machineFromHost({
    name: 'bench',
    source: 'bench',
    nodes: indices.map((id) => ({ id, memoryBytes: nodeBytes, freeBytes: nodeBytes - GIB })),
    cpus: Array.from({ length: nodes * cpusOfNode }, (_, id) => ({ id, node: Math.floor(id / cpusOfNode), core: id, socket: 0 })),
    distances: indices.map((i) => indices.map((j) => (i === j ? 10 : 20))),
    notes: [],
  });
}

/** Checks the result, because a failed hypercall would look fast. */
function must(result: number, what: string): number {
  if (result < 0) throw new Error(`${what}: errno ${-result}`);
  return result;
}

class Caller {
  readonly door: EmbeddedDoor;
  readonly #op;
  readonly #map;

  constructor(door: EmbeddedDoor) {
    this.door = door;
    this.#op = door.allocBuffer(144);
    this.#map = door.allocBuffer(16);
  }

  /** A paused PV domain; its id. */
  create(vcpus: number): number {
    const { view } = this.#op;
    this.#domctl(1, 0);
    view.setUint32(16 + 28, vcpus, true);
    must(this.door.hypercall(36, this.#op.address), 'createdomain');
    const domid = view.getUint16(8, true);
    this.#domctl(15, domid);
    view.setUint32(16, vcpus, true);
    must(this.door.hypercall(36, this.#op.address), 'max_vcpus');
    this.#domctl(11, domid);
    view.setBigUint64(16, 2n ** 40n, true);
    must(this.door.hypercall(36, this.#op.address), 'max_mem');
    return domid;
  }

  #domctl(cmd: number, domid: number): void {
    const { bytes, view } = this.#op;
    bytes.fill(0);
    view.setUint32(0, cmd, true);
    view.setUint32(4, 0x15, true);
    view.setUint16(8, domid, true);
  }

  /** `times` setvcpuaffinity calls of soft masks over the domain's vCPUs. */
  setSoft(domid: number, vcpus: number, times: number): void {
    this.#domctl(9, domid);
    const { view, address } = this.#op;
    view.setUint32(20, 2, true);
    view.setBigUint64(40, BigInt(this.#map.address), true);
    view.setUint32(48, 16, true);
    for (let i = 0; i < times; i++) {
      view.setUint32(16, i % vcpus, true);
      this.#map.view.setUint32(0, 0xf << (i & 7), true);
      must(this.door.hypercall(36, address), 'setvcpuaffinity');
    }
  }

  populate(domid: number, extents: number, order: number): void {
    const list = this.door.allocBuffer(8 * extents);
    const { bytes, view, address } = this.#op;
    bytes.fill(0);
    view.setBigUint64(0, BigInt(list.address), true);
    view.setBigUint64(8, BigInt(extents), true);
    view.setUint32(16, order, true);
    view.setUint16(24, domid, true);
    const done = must(this.door.hypercall(12, 6, address), 'populate_physmap');
    if (done !== extents) throw new Error(`populate_physmap did ${done} of ${extents} extents`);
    this.door.freeBuffer(list);
  }
}

function perSecond(count: number, run: () => void): number {
  run();
  const start = cpuMs();
  run();
  return (count / (cpuMs() - start)) * 1000;
}

export function benchHypercalls(): BenchRow[] {
  const calls = 1_000_000;
  const small = new Caller(new EmbeddedDoor(machine(2, 8, 64 * GIB)));
  const domid = small.create(4);
  const affinity = perSecond(calls, () => small.setSoft(domid, 4, calls));

  const pages = (4 * GIB) / PAGE_BYTES;
  const small4k = perSecond(pages, () => small.populate(domid, pages, 0));

  const large = 2 ** 19;
  const wide = new Caller(new EmbeddedDoor(machine(16, 16, 256 * GIB)));
  const wideDomain = wide.create(4);
  const large2m = perSecond(large, () => wide.populate(wideDomain, large, 9));

  const hosts = 20;
  const boots = perSecond(hosts, () => {
    for (let i = 0; i < hosts; i++) new EmbeddedDoor(machine(64, 64, 1024 * GIB)).close();
  });
  return [
    { name: 'setvcpuaffinity, 4 vCPUs, 16 CPUs', unit: 'hypercalls', perSecond: affinity },
    { name: 'populate_physmap, 4 KiB extents over 2 nodes', unit: 'extents', perSecond: small4k },
    { name: 'populate_physmap, 2 MiB extents over 16 nodes', unit: 'extents', perSecond: large2m },
    { name: 'machine of 64 nodes, 4096 CPUs, 64 TiB made and started', unit: 'machines', perSecond: boots },
  ];
}
