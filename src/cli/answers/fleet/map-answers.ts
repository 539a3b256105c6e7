// A member's answers from its host's map: light figures for the log, and replies to questions.
import { formatList } from '../../../base/bitset.js';
import { MIB, PAGES_PER_MIB } from '../../../base/units.js';
import type { Question } from '../../../fleet/member/requests.js';
import type { LightNode } from '../../../fleet/protocol/entries.js';
import { hostFigures } from '../../../map/figures.js';
import type { HostMap } from '../../../map/host-map.js';

export function lightFigures(map: HostMap): { readonly nodes: LightNode[]; readonly vms: number; readonly drifted: number } {
  const { domains } = hostFigures(map);
  return {
    nodes: lightNodes(map),
    vms: guestsOf(map).length,
    drifted: domains.filter(({ domid, remotePages }) => domid !== 0 && remotePages > 0).length,
  };
}

/**
 * Answers a question about the map.
 * @param map with the names of VMs
 * @returns undefined for another kind of question
 */
export function answerOfMap(map: HostMap, { ask, name }: Question): unknown {
  if (ask === 'ping') return {};
  if (ask === 'map') return { map };
  if (ask === 'verify') return { vms: verifyAnswer(map) };
  return ask === 'vm' ? vmAnswer(map, name ?? '') : undefined;
}

const guestsOf = (map: HostMap): HostMap['domains'] => map.domains.filter(({ domid }) => domid !== 0);

export const vmsOf = (map: HostMap) => guestsOf(map).map(vmOf);

function lightNodes(map: HostMap): LightNode[] {
  const cpusOf = map.nodes.map(({ id }) => map.cpus.flatMap((cpu) => (cpu?.online && cpu.node === id ? [cpu] : [])));
  const vcpus = hostFigures(map).domains.reduce(
    (sums, { domid, vcpus: its }) => {
      if (domid !== 0) for (const { nodeShares } of its) for (const [node, share] of nodeShares.entries()) sums[node]! += share;
      return sums;
    },
    map.nodes.map(() => 0),
  );
  return map.nodes.map(({ id, memoryBytes, freePages, claimedPages }) => ({
    memoryMib: Math.floor(memoryBytes / MIB),
    freeMib: Math.max(0, Math.min(Math.floor(memoryBytes / MIB), Math.floor((freePages - claimedPages) / PAGES_PER_MIB))),
    cores: new Set(cpusOf[id]!.map(({ core }) => core)).size,
    vcpus: Math.round(vcpus[id]! * 100) / 100,
    cpus: formatList(cpusOf[id]!.map((cpu) => cpu.id)),
  }));
}

function vmOf({ name, domid, pages, vcpus }: HostMap['domains'][number]) {
  return { name, domid, vcpus: vcpus.length, memoryMib: pages.map((count) => Math.ceil(count / PAGES_PER_MIB)) };
}

function verifyAnswer(map: HostMap) {
  const figures = new Map(hostFigures(map).domains.map((domain) => [domain.domid, domain]));
  return map.domains
    .filter(({ domid }) => (figures.get(domid)?.remotePages ?? 0) > 0 && domid !== 0)
    .map((domain) => {
      const { remotePages, memoryNodes, vcpuNodes } = figures.get(domain.domid)!;
      return { ...vmOf(domain), remoteMib: Math.ceil(remotePages / PAGES_PER_MIB), memoryNodes, vcpuNodes };
    });
}

function vmAnswer(map: HostMap, name: string) {
  const domain = map.domains.find((one) => one.name === name && one.domid !== 0);
  if (domain === undefined) return null;
  const { memoryNodes, vcpuNodes, onOneNode, remotePages } = hostFigures(map).domains.find(({ domid }) => domid === domain.domid)!;
  return { vm: { ...vmOf(domain), memoryNodes, vcpuNodes, onOneNode, remoteMib: Math.ceil(remotePages / PAGES_PER_MIB) } };
}
