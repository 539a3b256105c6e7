// What Debian's own tools print of domains, read for comparison: `xl list -n`, `xl vcpu-list`, and
// Xen's debug key 'u' by `xl dmesg`.
import { xl } from './host.js';

/** By name. "any" is every node. */
export function listDomains(): Map<string, { readonly domid: number; readonly affinity: 'all' | readonly number[] }> {
  const rows = xl('list', '-n').trimEnd().split('\n').slice(1);
  return new Map(
    rows.map((row) => {
      const [name, domid] = row.split(/\s+/);
      const affinity = row.split(/\s+/).at(-1)!;
      return [name!, { domid: Number(domid), affinity: /^(any|all)$/.test(affinity) ? ('all' as const) : numbers(affinity) }] as const;
    }),
  );
}

/** By name, each vCPU's hard and soft affinity as xl words them. */
export function listVcpus(): Map<string, { readonly hard: string; readonly soft: string }[]> {
  const found = new Map<string, { hard: string; soft: string }[]>();
  for (const row of xl('vcpu-list').trimEnd().split('\n').slice(1)) {
    const match = /^(\S+) .* (\S+) \/ (\S+)$/.exec(row);
    if (match === null) throw new Error(`xl vcpu-list: ${row}`);
    const [, name, hard, soft] = match;
    found.set(name!, [...(found.get(name!) ?? []), { hard: cpus(hard!), soft: cpus(soft!) }]);
  }
  return found;
}

/** Pages on each node by domid, as debug key 'u' prints them last. */
export function pagesOnNodes(nodes: number): Map<number, number[]> {
  xl('debug-keys', 'u');
  const said = xl('dmesg').split('Memory location of each domain:').at(-1)!;
  const found = new Map<number, number[]>();
  let pages: number[] = [];
  for (const line of said.split('\n')) {
    const domain = /Domain (\d+) \(total: \d+\):/.exec(line);
    if (domain !== null) {
      pages = new Array<number>(nodes).fill(0);
      found.set(Number(domain[1]), pages);
    }
    const node = /Node (\d+): (\d+)/.exec(line);
    if (node !== null) pages[Number(node[1])] = Number(node[2]);
  }
  return found;
}

const EVERY_CPU = '0-7';

function cpus(text: string): string {
  return text === 'all' ? EVERY_CPU : text;
}

function numbers(text: string): number[] {
  return text.split(',').flatMap((part) => {
    const [first, last = first] = part.split('-').map(Number);
    return Array.from({ length: last! - first! + 1 }, (_, index) => first! + index);
  });
}
