// A machine of equal nodes with the embedded hypervisor on it, and a caller that writes hypercalls
// out as bytes: for the tests of Xen's rules.
import { GIB } from '../../src/base/units.js';
import type { Host } from '../../src/machine/model.js';
import { machineFromHost, type XenMachine } from '../../src/xen/state/machine.js';
import { EmbeddedDoor } from '../../src/xenctrl/doors/embedded-door.js';
import { RawCaller } from './raw-caller.js';

/** XENMEMF_exact_node_request (public/memory.h). */
export const EXACT = 1 << 17;
/** XENMEMF_node. */
export const onNode = (node: number) => (node + 1) << 8;

/** All nodes alike; CPU numbers go up with the nodes. */
export function hostOf(nodes: number, cpusOfNode: number, nodeBytes = 4 * GIB, freeBytes = nodeBytes - GIB): Host {
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

/** `cpusOfNode`: CPUs of each node; `changes`: of the machine before it boots. */
export function bootedXen(nodes = 2, cpusOfNode = 4, changes: Partial<XenMachine> = {}) {
  const machine: XenMachine = { ...machineFromHost(hostOf(nodes, cpusOfNode)), ...changes };
  const door = new EmbeddedDoor(machine);
  return { door, xen: new RawCaller(door, machine.cpus.length, machine.version), machine };
}

/** Position of the node that has the frame. */
export const nodeOf = (machine: XenMachine, mfn: number) => machine.nodes.findIndex((node) => mfn >= node.startMfn && mfn < node.endMfn);
