// A mask as text and as CPUs, and its effect at a start, by the same parser as xapi's.
import { formatList } from '../../../src/base/bitset.js';
import { plural } from '../../../src/base/phrases.js';
import { nodeWords } from '../../../src/map/drift-rules.js';
import type { HostMap } from '../../../src/map/host-map.js';
import { masksOfVcpus, mergeMasks, parseHostMask, parseVmMask } from '../../../src/xenopsd/start/mask.js';

/** Lists by ';' in a VM's mask; CPUs that no list could name are left out. */
export function partsOf(text: string): number[][] {
  return text.split(';').map((part) => [...new Set(part.split(',').flatMap((item) => (/^\d{1,5}$/.test(item) ? [Number(item)] : [])))]);
}

export function textOf(parts: readonly (readonly number[])[]): string {
  return parts.map((cpus) => [...cpus].sort((a, b) => a - b).join(',')).join(';');
}

export interface MaskEffect {
  /** Sentences: which CPUs each vCPU may run on. */
  readonly lines: readonly string[];
  /** What its owner may not expect. */
  readonly conflicts: readonly string[];
}

/** Of the host's mask, which every VM without one of its own has. */
export function hostMaskEffect(map: HostMap, text: string | null): MaskEffect {
  if (text === null) return { lines: ['Without a mask, VMs may run on every CPU, and can be placed.'], conflicts: [] };
  const { masks, ignored } = parseHostMask(text);
  if (ignored !== null) return { lines: [`xapi ignores it: ${ignored}.`], conflicts: ['It has no effect, and xapi does not say so.'] };
  const cpus = masks[0] ?? [];
  return {
    lines: [`VMs without a mask of their own may run on CPUs ${formatList([...cpus].sort((a, b) => a - b))}: ${where(map, cpus)}.`],
    conflicts: ['It counts as a hard affinity of each VM: no VM is placed any more.', ...beyond(map, cpus)],
  };
}

/** Of a VM's mask beside the host's. */
export function vmMaskEffect(map: HostMap, text: string | null, hostMask: string | null, vcpus: number): MaskEffect {
  const { masks, ignored } = parseVmMask(text ?? undefined);
  const ofHost = parseHostMask(hostMask ?? undefined);
  const list = mergeMasks(masks, ofHost.masks);
  const lines: string[] = [];
  const conflicts: string[] = [];
  if (ignored !== null) {
    lines.push(`xapi ignores it: ${ignored}.`);
    conflicts.push('It has no effect, and xapi does not say so. Write CPU numbers with commas, lists with semicolons, without blanks.');
  }
  if (list.length === 0) return { lines: [...lines, 'It may run on every CPU, and the host may place it.'], conflicts };
  if (text === null || ignored !== null) lines.push("The host's mask holds it.");
  else if (ofHost.masks.length > 0) conflicts.push("The host's mask cuts it: what is shown is what is left.");
  const spread = masksOfVcpus(list, vcpus, map.cpus.length);
  lines.push(...linesOf(map, spread));
  conflicts.push(...beyond(map, list.flat()), ...spreadConflicts(map, spread));
  if (masks.length > vcpus) conflicts.push(`${plural(masks.length - vcpus, 'list')} too many: it has ${plural(vcpus, 'vCPU')}.`);
  if (masks.length > 1 && masks.length < vcpus) conflicts.push('vCPUs past the last list get the first one.');
  return { lines, conflicts };
}

function linesOf(map: HostMap, spread: readonly (readonly number[])[]): string[] {
  const groups = new Map<string, number[]>();
  spread.forEach((cpus, vcpu) => {
    const key = formatList(cpus);
    groups.set(key, [...(groups.get(key) ?? []), vcpu]);
  });
  return [...groups].map(([list, ids]) =>
    list === '' ? `vCPU ${formatList(ids)}: no CPU.` : `vCPU ${formatList(ids)}: CPUs ${list}, ${where(map, spread[ids[0]!]!)}.`,
  );
}

function spreadConflicts(map: HostMap, spread: readonly (readonly number[])[]): string[] {
  const found: string[] = [];
  const usable = (cpus: readonly number[]) => cpus.filter((cpu) => map.cpus[cpu]?.online === true);
  if (spread.some((cpus) => usable(cpus).length === 0))
    found.push('A vCPU has no CPU left: Xen refuses it (EINVAL), and the VM cannot start.');
  const all = new Set(spread.flatMap(usable));
  if (all.size > 0 && all.size < spread.length) found.push(`${plural(spread.length, 'vCPU')} share ${plural(all.size, 'CPU')}.`);
  const nodes = nodesOf(map, [...all]);
  if (nodes.length > 1) found.push(`Its memory comes from ${nodeWords(nodes)}, in turns: Xen takes the union of all lists.`);
  found.push('A VM with a mask is not placed.');
  return found;
}

function beyond(map: HostMap, cpus: readonly number[]): string[] {
  const missing = [...new Set(cpus.filter((cpu) => (map.cpus[cpu] ?? null) === null))];
  return missing.length === 0 ? [] : [`The host has no CPU ${missing.slice(0, 8).join(', ')}${missing.length > 8 ? ' and others' : ''}.`];
}

const nodesOf = (map: HostMap, cpus: readonly number[]): number[] =>
  [...new Set(cpus.flatMap((cpu) => map.cpus[cpu]?.node ?? []))].sort((a, b) => a - b);
function where(map: HostMap, cpus: readonly number[]): string {
  const nodes = nodesOf(map, cpus);
  return nodes.length === 0 ? 'on no node' : nodeWords(nodes);
}
