// Advice: the changes that put a VM's memory on one node near its vCPUs, and the exact commands of
// xe or xl for them.
import { formatList } from '../../../base/bitset.js';
import { wrapWords } from '../../../base/columns.js';
import { commandLines, shellWord } from '../../../base/shell-word.js';
import { formatBytes, MIB, PAGE_BYTES } from '../../../base/units.js';
import type { SeenToolstack } from '../../../live/capture/toolstack.js';
import { qubePinCommand, qubeRestartCommand } from '../../../live/qubes.js';
import type { VmSpec } from '../../../machine/vm.js';
import { effectivePolicy, type PolicyName, type ProfileName, profileOf } from '../../../xenopsd/api/profiles.js';
import { parseVmMask } from '../../../xenopsd/start/mask.js';
import type { CompareAnswer, HostAnswer, VmAnswer } from '../answers.js';

export interface Advice {
  /** One or two sentences. */
  readonly text: string;
  /**
   * Commands to run in the control domain, or where xe reaches the pool; [] if no command would
   * help.
   */
  readonly commands: readonly string[];
}

/** Uuids if they are known; otherwise xe looks them up. */
export interface Uuids {
  readonly host?: string;
  readonly vm?: string;
}

function hostPolicyCommand(policy: PolicyName, { host }: Uuids): string {
  return `xe host-param-set uuid=${host ?? '$(xe host-list --minimal)'} numa-affinity-policy=${policy}`;
}

function maskCommand(name: string, cpus: readonly number[], { vm }: Uuids): string {
  const uuid = vm ?? `$(xe vm-list ${shellWord(`name-label=${name}`)} --minimal)`;
  return `xe vm-param-set uuid=${uuid} VCPUs-params:mask=${cpus.join(',')}`;
}

/** CPUs of a node; HostAnswer writes them as a list such as "0-3,8". */
function cpusOf(host: HostAnswer, node: number): number[] {
  const list = host.nodes.find(({ id }) => id === node)?.cpus ?? '';
  return list.split(',').flatMap((item) => {
    const [from, to] = item.split('-').map(Number);
    return item === '' ? [] : Array.from({ length: (to ?? from!) - from! + 1 }, (_, index) => from! + index);
  });
}

/** CPUs of a mask with ranges, such as "0-3, 8"; null for any other form. */
function cpusOfRanges(mask: string): number[] | null {
  const items = mask.split(',').map((item) => /^\s*(\d{1,4})(?:\s*-\s*(\d{1,4}))?\s*$/.exec(item));
  if (items.some((item) => item === null)) return null;
  return items.flatMap((item) => {
    const [from, to] = [Number(item![1]), Number(item![2] ?? item![1])];
    return Array.from({ length: Math.max(0, to - from + 1) }, (_, index) => from + index);
  });
}

export interface AdvisedVm {
  readonly spec: VmSpec;
  /** The VM after its start, or as it runs now. */
  readonly vm: VmAnswer;
  readonly host: HostAnswer;
  readonly profile: ProfileName;
  readonly policy: PolicyName;
  readonly uuids?: Uuids;
  /** Who starts VMs on the host, where it was read: with libxl, Qubes does it by libvirt. */
  readonly seen?: SeenToolstack;
}

/** Advice to the owner of one VM about its placement. */
export function adviceFor(advised: AdvisedVm): Advice {
  const { spec, vm, host, profile, uuids = {} } = advised;
  const { mask } = spec.vcpusParams;
  const ignored = profileOf(profile).toolstack === 'xenopsd' && mask !== undefined ? parseVmMask(mask).ignored : null;
  if (ignored !== null) {
    const cpus = cpusOfRanges(mask!);
    const text = `xapi ignores its mask '${mask}': ${ignored}. Write each CPU, separated by commas and without blanks.`;
    return { text, commands: cpus === null || cpus.length === 0 ? [] : [maskCommand(spec.name, cpus, uuids)] };
  }
  if (vm.failure !== null) return failureAdvice(advised);
  if (vm.onOneNode === true) return { text: `Nothing to do: ${spec.name} is on one node, memory and vCPUs.`, commands: [] };
  if (isAsItsVirtualNodes(spec, vm)) {
    return { text: `Nothing to do: the memory of each virtual node of ${spec.name} is on the node that its config names.`, commands: [] };
  }
  const fitting = host.nodes.filter(
    ({ id, memoryBytes }) => memoryBytes > spec.memoryTargetBytes && cpusOf(host, id).length >= spec.vcpusMax,
  );
  if (fitting.length === 0) {
    const largest = Math.max(...host.nodes.map(({ memoryBytes }) => memoryBytes));
    const text = `No node can hold it: ${formatBytes(spec.memoryTargetBytes)} and ${spec.vcpusMax} vCPUs, the largest node has ${formatBytes(largest)}. Make the VM smaller, or give it virtual NUMA nodes.`;
    return { text, commands: [] };
  }
  return spreadAdvice(advised, [...fitting].sort((a, b) => b.freeBytes - a.freeBytes)[0]!.id);
}

/** 16 MiB of a VM on a node, or less, do not count (src/map/numa-metrics.ts). */
function isAsItsVirtualNodes({ vnuma }: VmSpec, { pagesByNode }: VmAnswer): boolean {
  if (vnuma === undefined || pagesByNode === null) return false;
  return pagesByNode.every((pages, node) => {
    const wanted = vnuma.reduce((sum, { pnode, memoryBytes }) => sum + (pnode === node ? memoryBytes : 0), 0);
    return Math.abs(pages * PAGE_BYTES - wanted) <= 16 * MIB;
  });
}

function failureAdvice({ spec, vm, host, uuids = {} }: AdvisedVm): Advice {
  if (/EINVAL/.test(vm.failure!.errno ?? '') && spec.vcpusParams.mask !== undefined) {
    return {
      text: 'Its mask leaves a vCPU without any CPU of this host. Name CPUs that the host has.',
      commands: [maskCommand(spec.name, cpusOf(host, 0), uuids)],
    };
  }
  const free = host.nodes.reduce((sum, { freeBytes }) => sum + freeBytes, 0);
  return {
    text: `It needs ${formatBytes(spec.memoryTargetBytes)}, and the host has ${formatBytes(free)} free. Stop other VMs or move them to another host, or make it smaller.`,
    commands: [],
  };
}

/** A VM that could be on one node and is not. */
function spreadAdvice({ spec, profile, policy, host, vm, uuids = {}, seen }: AdvisedVm, node: number): Advice {
  const cpus = cpusOf(host, node);
  const ofLibxl = profileOf(profile).toolstack === 'libxl';
  const template = ofLibxl && seen === 'qubes' ? qubePinCommand(spec.name, cpus) : null;
  if (template !== null) {
    return {
      text: `It could be on one node. Pin it to the CPUs of node ${node} in its template in dom0, as hard affinity, then restart it.`,
      commands: [template, qubeRestartCommand(spec.name)],
    };
  }
  if (ofLibxl) {
    const list = formatList(cpus);
    return {
      text: `It could be on one node. Restart it with cpus_soft = "${list}" in its config; on the running domain, the second command sets the affinity of its vCPUs and moves no memory.`,
      commands: [
        `xl create ${shellWord(`${spec.name}.cfg`)} ${shellWord(`cpus_soft="${list}"`)}`,
        `xl vcpu-pin ${shellWord(spec.name)} all - ${list}`,
      ],
    };
  }
  if (effectivePolicy(profileOf(profile), policy).name === 'any' && spec.vcpusParams.mask === undefined) {
    return {
      text: 'It could be on one node, but the host places no VM. Set the policy, then restart the VM.',
      commands: [hostPolicyCommand('best_effort', uuids)],
    };
  }
  const pages = vm.pagesByNode ?? [];
  const most = pages.indexOf(Math.max(...pages));
  return {
    text: `It could be on one node. Pin it to node ${node}${most === node ? '' : ', which has the most free memory'}, then restart it.`,
    commands: [maskCommand(spec.name, cpus, uuids)],
  };
}

/**
 * The policy to choose, by comparison of the rows; null if it makes no difference, or neither xe
 * nor the agent brings it to a host.
 */
export function recommendation(rows: CompareAnswer['rows'], hostUuid?: string): Advice | null {
  const settable = rows.filter(({ policy, profile }) => policy !== 'best_effort_hard' && policy !== 'prio_mem_only' && profile !== 'xl');
  const votes = new Map<PolicyName, ProfileName[]>();
  for (const profile of new Set(settable.map((row) => row.profile))) {
    const best = bestRow(settable.filter((row) => row.profile === profile));
    if (best !== null) votes.set(best, [...(votes.get(best) ?? []), profile]);
  }
  const [winner] = [...votes].sort(([, a], [, b]) => b.length - a.length);
  if (winner === undefined) return null;
  const [policy, profiles] = winner;
  const { totals } = settable.find((row) => row.policy === policy && row.profile === profiles[0])!;
  const { onOneNode, failed } = totals!;
  const room = failed === 0 ? '' : `These VMs do not all fit: at least ${failed} fail under each policy. `;
  const best = `${room}${policy} suits these VMs best under ${profiles.join(', ')}: ${onOneNode} on one node, ${failed} failed. `;
  if (policy === 'tight') {
    return {
      text: `${best}xapi has no such policy; the agent brings it to a host with xapi (docs/how-to-place-under-xapi.md).`,
      commands: ['xennuma agent --install'],
    };
  }
  return {
    text: `${best}Set it on the host; it takes effect at each VM's next start.`,
    commands: [hostPolicyCommand(policy, hostUuid === undefined ? {} : { host: hostUuid })],
  };
}

/** VMs whose commands are listed. */
const MOST_COMMANDS = 12;

/**
 * For a host of xl, which has no policies: how its own placement fares, and the affinity of the VMs
 * that it spreads; null where the VMs were not started under xl.
 */
export function xlRecommendation(vms: readonly AdvisedVm[]): Advice | null {
  if (vms.length === 0) return null;
  const local = vms.filter(({ vm }) => vm.onOneNode === true).length;
  const failed = vms.filter(({ vm }) => vm.failure !== null).length;
  const { seen } = vms[0]!;
  const who =
    seen === 'qubes' ? 'libxl places the qubes of this host' : `xl ${seen === 'xl' ? 'runs this host and ' : ''}places VMs itself`;
  const text = `${who}; it has no policies of xapi. It puts ${local} of ${vms.length} on one node, ${failed} failed.`;
  const commands = vms.filter(({ vm }) => vm.failure === null).flatMap((advised) => adviceFor(advised).commands);
  if (commands.length === 0) return { text, commands };
  const way =
    seen === 'qubes'
      ? 'pin them in their templates in dom0 and restart them.'
      : 'set cpus_soft in their configs and restart them. xl vcpu-pin sets the affinity of a running domain until it ends, and moves no memory.';
  return {
    text: `${text} The others could each be on one node: ${way}`,
    commands: commands.slice(0, 2 * MOST_COMMANDS),
  };
}

/**
 * Fewest failures, then most VMs on one node, then the shortest distance; null if two are equally
 * good.
 */
function bestRow(rows: CompareAnswer['rows']): PolicyName | null {
  const rank = ({ totals }: CompareAnswer['rows'][number]): number[] => {
    const distance = typeof totals!.meanDistance === 'number' ? totals!.meanDistance : Number.POSITIVE_INFINITY;
    return [totals!.failed, -totals!.onOneNode, distance];
  };
  const order = (a: CompareAnswer['rows'][number], b: CompareAnswer['rows'][number]) => {
    const [x, y] = [rank(a), rank(b)];
    const at = x.findIndex((value, index) => value !== y[index]);
    return at < 0 ? 0 : x[at]! - y[at]!;
  };
  const [first, second] = rows.filter(({ totals }) => totals !== null).sort(order);
  if (first === undefined || second === undefined || order(first, second) === 0) return null;
  return first.policy;
}

/** The advice as text below an answer. Its commands can be copied. */
export function adviceLines({ text, commands }: Advice, width: number, commandWidth: number): string[] {
  return [...wrapWords(`Recommendation: ${text}`, width, '  '), ...commands.flatMap((command) => commandLines(command, commandWidth))];
}
