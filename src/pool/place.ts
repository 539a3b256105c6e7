// `xennuma place --pool` computes the policy and the masks that place VMs on the planner's nodes,
// and sets them through the API when confirmed. They take effect at a VM's next start; running VMs
// are not moved.
import { formatList } from '../base/bitset.js';
import { InputError } from '../base/errors.js';
import type { Host } from '../machine/model.js';
import type { PoolHost, PoolVm } from '../xapi-client/pool.js';
import { asMap, asRecord } from '../xapi-client/values.js';
import type { PolicyName, ProfileName } from '../xenopsd/api/profiles.js';
import { embeddedHost } from '../xenopsd/hosts/embedded-host.js';
import { createToolstack } from '../xenopsd/life/toolstack.js';
import type { PoolAccess } from './access.js';
import { namedVms, nodesOf } from './workload.js';

export interface PoolChange {
  readonly what: 'policy' | 'mask';
  /** Name of the host, or of the VM. */
  readonly of: string;
  readonly uuid: string;
  readonly from: string | null;
  readonly to: string;
  /** Nodes of the mask's CPUs. */
  readonly nodes: readonly number[] | null;
  readonly running: boolean;
}

/** A VM with an unchanged mask. */
export interface PoolUnchanged {
  readonly vm: string;
  /** no-place: the planner finds no nodes for it; kept: the mask is right already. */
  readonly reason: 'no-place' | 'kept';
  readonly why: string;
}

export interface PoolPlacement {
  readonly changes: readonly PoolChange[];
  readonly unchanged: readonly PoolUnchanged[];
}

/**
 * @param names VMs by name or uuid, planned in this order
 * @param policy the host's policy afterwards; null leaves it as it is
 * @throws InputError for an unknown VM
 */
export async function planPlacement(
  access: PoolAccess,
  names: readonly string[],
  policy: PolicyName | null,
  profile: ProfileName,
): Promise<PoolPlacement> {
  const vms = namedVms([...access.running, ...access.halted], names);
  const changes = policy === null ? [] : policyChange(access.record, policy);
  const unchanged: PoolUnchanged[] = [];
  const chosen = await chooseCpus(access.host, vms, profile);
  for (const vm of vms) {
    const { name, vcpusParams } = vm.spec;
    const cpus = chosen.get(name);
    if (cpus === undefined) {
      unchanged.push({ vm: name, reason: 'no-place', why: 'the planner finds no set of nodes that can hold it' });
      continue;
    }
    // xapi ignores ranges, so each CPU is written out.
    const to = cpus.join(',');
    const from = vcpusParams.mask ?? null;
    const nodes = nodesOf(access.host, cpus);
    if (from === to) unchanged.push({ vm: name, reason: 'kept', why: `its mask already selects node ${formatList(nodes)}` });
    else changes.push({ what: 'mask', of: name, uuid: vm.uuid, from, to, nodes, running: vm.host !== null });
  }
  return { changes, unchanged };
}

function policyChange(record: PoolHost, policy: PolicyName): PoolChange[] {
  if (policy === record.policy) return [];
  if (record.policy === null) {
    throw new InputError(
      `the host '${record.name}' has no numa_affinity_policy`,
      { path: '--set-policy' },
      'the field came with xapi 24; set masks instead',
    );
  }
  return [{ what: 'policy', of: record.name, uuid: record.uuid, from: record.policy, to: policy, nodes: null, running: false }];
}

/** The host as if these VMs had stopped, as far as their memory by node is known. */
export function withMemoryBack(host: Host, vms: readonly PoolVm[]): Host {
  const free = host.nodes.map((node) => node.freeBytes);
  for (const vm of vms) for (const [node, bytes] of vm.numa?.memoryBytes ?? []) if (node < free.length) free[node]! += bytes;
  return { ...host, nodes: host.nodes.map((node, index) => ({ ...node, freeBytes: Math.min(node.memoryBytes, free[index]!) })) };
}

/**
 * CPUs of the nodes that best_effort would choose for each VM, once the running ones have freed
 * their memory.
 */
async function chooseCpus(host: Host, vms: readonly PoolVm[], profile: ProfileName): Promise<Map<string, readonly number[]>> {
  const chosen = new Map<string, readonly number[]>();
  if (vms.length === 0) return chosen;
  const doors = await embeddedHost(withMemoryBack(host, vms), { profile });
  const toolstack = await createToolstack(doors, { profile, policy: 'best_effort', seed: 1 });
  // The masks are ignored: the planner decides, not the present settings.
  for (const { spec } of vms) toolstack.add({ ...spec, vcpusParams: {} });
  const domids = new Map<number, string>();
  for (const { spec } of vms) {
    const { domid, failure } = await toolstack.start(spec.name);
    if (failure === null && domid !== null) domids.set(domid, spec.name);
  }
  const present = new Set(host.cpus.map(({ id }) => id));
  for (const { domid, vcpus } of toolstack.snapshot().domains) {
    const name = domids.get(domid);
    const soft = (vcpus[0]?.soft ?? []).filter((cpu) => present.has(cpu));
    // A plan that sets nothing allows every CPU.
    if (name !== undefined && soft.length > 0 && (soft.length < present.size || host.nodes.length === 1)) chosen.set(name, soft);
  }
  return chosen;
}

/** Makes the changes in order. @param done called after each */
export async function applyPlacement(
  { session, record }: PoolAccess,
  changes: readonly PoolChange[],
  done: (change: PoolChange) => void,
): Promise<void> {
  for (const change of changes) {
    if (change.what === 'policy') await session.call('host.set_numa_affinity_policy', [record.ref, change.to]);
    else {
      const ref = await session.call('VM.get_by_uuid', [change.uuid]);
      // The whole map in one call: the VM would have no mask between a removal and an addition.
      const params = Object.fromEntries(asMap(asRecord(await session.call('VM.get_VCPUs_params', [ref]))));
      await session.call('VM.set_VCPUs_params', [ref, { ...params, mask: change.to }]);
    }
    done(change);
  }
}

/** The `xe` commands that make the same changes. */
export function xeCommands(changes: readonly PoolChange[]): string[] {
  return changes.map(({ what, uuid, to }) =>
    what === 'policy'
      ? `xe host-param-set uuid=${uuid} numa-affinity-policy=${to}`
      : `xe vm-param-set uuid=${uuid} VCPUs-params:mask=${to}`,
  );
}
