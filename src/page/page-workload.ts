// The input of the page's plans: a host without its VMs, the VMs in the order of their start, and
// the settings of the toolstack.
import { formatList } from '../base/bitset.js';
import { PAGE_BYTES } from '../base/units.js';
import { hostOf } from '../live/live-copy.js';
import type { Host } from '../machine/model.js';
import type { VmSpec } from '../machine/vm.js';
import type { HostMap, MapDomain } from '../map/host-map.js';
import type { ToolstackOptions } from '../xenopsd/api/toolstack.js';

export interface PageWorkload {
  readonly host: Host;
  readonly vms: readonly VmSpec[];
  readonly settings: Pick<ToolstackOptions, 'profile' | 'policy' | 'seed' | 'hostMask'>;
  readonly xenVersion?: string;
  readonly scheduler?: 'credit' | 'credit2';
  /** Domids of the VMs that run, by name. */
  readonly domids: Readonly<Record<string, number>>;
  /** The daemon's objects, if a daemon serves the page. */
  readonly objects?: { readonly host: PageObject; readonly vms: Readonly<Record<string, PageObject>> };
}

export interface PageObject {
  readonly ref: string;
  readonly uuid: string;
}

/** The host of a map as it is without its VMs: their memory is free again. */
export function emptyHost(map: HostMap, xenVersion: string): Host {
  const guests = map.domains.filter(({ domid }) => domid !== 0);
  const nodes = map.nodes.map((node) => ({
    ...node,
    freePages: Math.min(
      Math.floor(node.memoryBytes / PAGE_BYTES),
      guests.reduce((sum, { pages }) => sum + (pages[node.id] ?? 0), node.freePages),
    ),
  }));
  return hostOf({ map: { ...map, nodes }, xenVersion, notes: [] });
}

/**
 * The VMs of a map as they would be started anew: a hard affinity that is not all CPUs becomes the
 * mask. Memory below a MiB is cut off.
 */
export function workloadOfMap(map: HostMap, xenVersion: string, settings: PageWorkload['settings']): PageWorkload {
  const present = formatList(map.cpus.flatMap((cpu) => (cpu === null ? [] : [cpu.id])));
  const guests = map.domains.filter(({ domid, state }) => domid !== 0 && state !== 'dying');
  const names = uniqueNames(guests);
  const host = emptyHost(map, xenVersion);
  const vms = guests.flatMap((domain, index) => specOf(domain, names[index]!, present) ?? []);
  return {
    ...{ host, vms, settings, xenVersion: host.xenVersion! },
    domids: Object.fromEntries(guests.map(({ domid }, index) => [names[index]!, domid])),
  };
}

const MIB = 2 ** 20;

function specOf(domain: MapDomain, name: string, present: string): VmSpec | null {
  const bytes = Math.floor((domain.pages.reduce((sum, pages) => sum + pages, 0) * PAGE_BYTES) / MIB) * MIB;
  const vcpus = domain.vcpus.length;
  if (bytes === 0 || vcpus === 0) return null;
  const masks = domain.vcpus.map(({ hard }) => hard.join(','));
  const free = domain.vcpus.every(({ hard }) => formatList(hard) === present || hard.length === 0);
  const mask = masks.every((one) => one === masks[0]) ? masks[0]! : masks.join(';');
  return {
    ...{ name, kind: domain.kind, vcpusMax: vcpus, vcpusAtStartup: domain.vcpus.filter(({ online }) => online).length || 1 },
    ...{ memoryStaticMaxBytes: bytes, memoryTargetBytes: bytes, vcpusParams: free ? {} : { mask } },
  };
}

/** Names as the map has them; one that is there twice or is empty gets its domid. */
export function uniqueNames(domains: readonly { readonly name: string; readonly domid: number }[]): string[] {
  const counts = new Map<string, number>();
  for (const { name } of domains) counts.set(name, (counts.get(name) ?? 0) + 1);
  return domains.map(({ name, domid }) => (name === '' || counts.get(name)! > 1 ? `${name} (domain ${domid})` : name));
}
