// The dump of debug key 'u' as text (xen/arch/x86/numa.c, dump_numa(); xen/common/numa.c from 4.18
// on): the memory of each domain by node.
import type { DomainMemory } from '../xenctrl.js';

const PREFIX = /^\(XEN\)[ \t]*(?:\[[^\]]*\][ \t]*)?/;
const HEADER = /^Memory location of each domain:$/;
/** "Domain 1 (total: 904310):" up to 4.17, "d1 (total: ...):" from 4.18 on. */
const DOMAIN = /^(?:Domain |d)(\d+) \(total: (\d+)\):$/;
/** A forum may have taken the blanks in front, or an editor may have made them tabs. */
const NODE = /^[ \t]*Node[ \t]+(\d+):[ \t]*(\d+)$/;

/**
 * Domains of the last dump in the text, ascending by id; null when no dump begins in it. Lines that
 * are not of the dump (other messages, virtual NUMA of a domain) are passed over. `nodes`: entries
 * of pagesByNode at least.
 */
export function parseNumaDump(text: string, nodes: number): DomainMemory[] | null {
  let domains: { domid: number; totalPages: number; pagesByNode: number[] }[] | null = null;
  for (const raw of text.split('\n')) {
    const line = raw.replace(/\r$/, '').replace(PREFIX, '');
    if (HEADER.test(line)) {
      domains = [];
      continue;
    }
    if (domains === null) continue;
    const domain = DOMAIN.exec(line);
    if (domain !== null) {
      domains.push({ domid: Number(domain[1]), totalPages: Number(domain[2]), pagesByNode: new Array<number>(nodes).fill(0) });
      continue;
    }
    const onNode = NODE.exec(line);
    const current = domains[domains.length - 1];
    if (onNode === null || current === undefined) continue;
    const node = Number(onNode[1]);
    while (current.pagesByNode.length <= node) current.pagesByNode.push(0);
    current.pagesByNode[node] = Number(onNode[2]);
  }
  return domains === null ? null : domains.sort((a, b) => a.domid - b.domid);
}
