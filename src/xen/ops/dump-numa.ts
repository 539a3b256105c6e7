// Debug key 'u': nodes, CPUs and the memory of each domain by node, on the console
// (xen/arch/x86/numa.c, dump_numa()). Xen reports memory by node in no other way.
import type { XenState } from '../state/xen-state.js';
import { vnumaLines } from './vnuma.js';

export function dumpNuma(xen: XenState): void {
  const { console, machine, heap } = xen;
  console.print("'u' pressed -> dumping numa info (now = 0)");
  machine.nodes.forEach((node, index) => {
    console.print(`NODE${index} start->${node.startMfn} size->${node.endMfn - node.startMfn} free->${heap.nodes[index]!.freePages}`);
  });
  const online = xen.cpu.online.toArray();
  for (let i = 0; i < online.length; ) {
    const first = online[i]!;
    const node = xen.nodeOfCpu[first]!;
    let length = 1;
    while (online[i + length] === first + length && xen.nodeOfCpu[first + length] === node) length++;
    console.print(length > 1 ? `CPU${first}...${first + length - 1} -> NODE${node}` : `CPU${first} -> NODE${node}`);
    i += length;
  }
  console.print('Memory location of each domain:');
  for (const domain of [...xen.domains.values()].sort((a, b) => a.id - b.id)) {
    const name = xen.version.shortDomainNames ? `d${domain.id}` : `Domain ${domain.id}`;
    console.print(`${name} (total: ${domain.totPages}):`);
    domain.pages.forEach((runs, node) => {
      console.print(`    Node ${node}: ${runs.pages}`);
    });
    if (domain.vnuma !== null) for (const line of vnumaLines(domain.vnuma)) console.print(line);
  }
}
