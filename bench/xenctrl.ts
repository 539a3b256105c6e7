// Typed calls per second on the embedded door, to compare with the raw ones of hypercalls.ts, and
// guests per second of the embedded builder.
import { GIB } from '../src/base/units.js';
import { FlowRecord, type FlowSink, NO_FLOW } from '../src/flow/record.js';
import { machineFromHost } from '../src/xen/state/machine.js';
import { EmbeddedDoor } from '../src/xenctrl/doors/embedded-door.js';
import { openXenctrl } from '../src/xenctrl/open-xenctrl.js';
import type { Xenctrl } from '../src/xenctrl/xenctrl.js';
import { embeddedXenguest } from '../src/xenguest/embedded.js';
import { createXenstore } from '../src/xenstore/in-process.js';
import { type BenchRow, cpuMs } from './measure.js';

const GUEST_MIB = 4096;
const GUEST_VCPUS = 4;

function open(nodes: number, cpusOfNode: number, nodeBytes: number): Xenctrl {
  const indices = Array.from({ length: nodes }, (_, node) => node);
  return openXenctrl(
    new EmbeddedDoor(
      machineFromHost({
        name: 'bench',
        source: 'bench',
        nodes: indices.map((id) => ({ id, memoryBytes: nodeBytes, freeBytes: nodeBytes - GIB })),
        cpus: Array.from({ length: nodes * cpusOfNode }, (_, id) => ({ id, node: Math.floor(id / cpusOfNode), core: id, socket: 0 })),
        distances: indices.map((i) => indices.map((j) => (i === j ? 10 : 20))),
        notes: [],
      }),
    ),
  );
}

function createDomain(xc: Xenctrl): number {
  const domid = xc.domainCreate({ domid: 0, kind: 'pvh', maxVcpus: GUEST_VCPUS, uuid: new Uint8Array(16) });
  xc.domainMaxVcpus(domid, GUEST_VCPUS);
  xc.domainSetMaxmem(domid, (GUEST_MIB + 1) * 1024);
  return domid;
}

function affinityRows(): BenchRow[] {
  const xc = open(2, 8, 64 * GIB);
  const domid = createDomain(xc);
  const masks = [
    [0, 1, 2, 3],
    [4, 5, 6, 7],
  ];
  const set = (i: number) => xc.vcpuSetAffinity(domid, i % GUEST_VCPUS, { soft: masks[i & 1]! });
  const measure = (name: string, calls: number, call: (i: number) => void): BenchRow => {
    for (let i = 0; i < calls / 4; i++) call(i);
    const start = cpuMs();
    for (let i = 0; i < calls; i++) call(i);
    return { name, unit: 'calls', perSecond: (calls / (cpuMs() - start)) * 1000 };
  };
  return [
    measure('typed vcpuSetAffinity, 4 vCPUs, 16 CPUs', 1_000_000, set),
    measure('typed pairs of set and get', 300_000, (i) => {
      set(i);
      xc.vcpuGetAffinity(domid, i % GUEST_VCPUS);
    }),
  ];
}

/**
 * Guests of 4 GiB one after the other, each with a hard affinity in XenStore, all of them still
 * there at the end.
 */
async function buildRow(nodes: number, recorded: boolean): Promise<BenchRow> {
  const guests = 500;
  const xc = open(nodes, 8, (guests * (GUEST_MIB + 64) * 2 ** 20) / nodes + 4 * GIB);
  const xs = createXenstore({ personality: 'oxenstored' }).connect(0);
  const xenguest = embeddedXenguest({ xc, xs });
  const start = cpuMs();
  for (let i = 0; i < guests; i++) {
    const domid = createDomain(xc);
    const platform = `/local/domain/${domid}/platform/vcpu`;
    await xs.write(`${platform}/number`, String(GUEST_VCPUS));
    const affinity = '0'.repeat((i % nodes) * 8).concat('1'.repeat(8));
    for (let vcpu = 0; vcpu < GUEST_VCPUS; vcpu++) await xs.write(`${platform}/${vcpu}/affinity`, affinity);
    const ports = { storePort: 1, storeDomid: 0, consolePort: 2, consoleDomid: 0 };
    const memory = { memMaxMib: GUEST_MIB, memStartMib: GUEST_MIB };
    const flow: FlowSink = recorded ? new FlowRecord('bench') : NO_FLOW;
    await xenguest.run({ mode: 'hvm_build', domid, image: 'hvmloader', ...ports, ...memory }, { flow, turn: async () => {} });
  }
  const perSecond = (guests / (cpuMs() - start)) * 1000;
  return { name: `guests of 4 GiB built on ${nodes} nodes${recorded ? ', recorded' : ''}`, unit: 'builds', perSecond };
}

export async function benchXenctrl(): Promise<BenchRow[]> {
  return [...affinityRows(), await buildRow(8, false), await buildRow(8, true), await buildRow(64, true)];
}
