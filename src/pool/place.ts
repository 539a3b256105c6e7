// `xennuma place --pool`: the policy and the masks that would put VMs where the planner would, and with --yes sets them through the API.
// Nothing that runs is moved: both count from a VM's next start. Box of the chart: numa_placement, asked ahead.
import { formatList } from '../base/bitset.js';
import { InputError } from '../base/errors.js';
import { startAll } from '../cli/commands/plan.js';
import { raise } from '../cli/input/open-host.js';
import type { Host } from '../machine/model.js';
import type { PoolHost, PoolVm } from '../xapi-client/pool.js';
import { asMap, asRecord } from '../xapi-client/values.js';
import type { PolicyName, ProfileName } from '../xenopsd/api/profiles.js';
import type { PoolAccess } from './access.js';
import { namedVms, nodesOf, originOf } from './workload.js';

export interface PoolChange {
  readonly what: 'policy' | 'mask';
  /** Name of the host, or of the VM. */
  readonly of: string;
  readonly uuid: string;
  readonly from: string | null;
  readonly to: string;
  /** Nodes that the mask stands for. */
  readonly nodes: readonly number[] | null;
  readonly running: boolean;
}

export interface PoolPlacement {
  readonly changes: readonly PoolChange[];
  /** VMs for which no set of nodes was found, or that are as they should be already. */
  readonly left: readonly { readonly vm: string; readonly why: string }[];
}

/**
 * @param names VMs by name or uuid, started in this order by the plan
 * @param policy to be set on the host; null = left as it is
 * @throws InputError for a VM that the host does not have
 */
export async function planPlacement(
  access: PoolAccess,
  names: readonly string[],
  policy: PolicyName | null,
  profile: ProfileName,
): Promise<PoolPlacement> {
  const { told } = access;
  const changes: PoolChange[] = [];
  if (policy !== null && policy !== told.policy) {
    if (told.policy === null)
      throw new InputError(
        `the host '${told.name}' has no numa_affinity_policy`,
        { path: '--set-policy' },
        'it came with xapi 24; set masks instead',
      );
    changes.push({ what: 'policy', of: told.name, uuid: told.uuid, from: told.policy, to: policy, nodes: null, running: false });
  }
  const vms = namedVms([...access.running, ...access.halted], names);
  const left: { vm: string; why: string }[] = [];
  const chosen = await choose(access.host, vms, profile);
  for (const vm of vms) {
    const { name, vcpusParams } = vm.spec;
    const cpus = chosen.get(name) ?? null;
    if (cpus === null) {
      left.push({ vm: name, why: 'the planner finds no set of nodes that would hold it' });
      continue;
    }
    const to = cpus.join(',');
    const from = vcpusParams.mask ?? null;
    if (from === to) left.push({ vm: name, why: `its mask is already that of node ${formatList(nodesOf(access.host, cpus))}` });
    else changes.push({ what: 'mask', of: name, uuid: vm.uuid, from, to, nodes: nodesOf(access.host, cpus), running: vm.host !== null });
  }
  return { changes, left };
}

/** CPUs of the nodes on which best_effort would put each, with the memory of those that run given back first. */
async function choose(host: Host, vms: readonly PoolVm[], profile: ProfileName): Promise<Map<string, readonly number[]>> {
  if (vms.length === 0) return new Map();
  const free = host.nodes.map((node) => node.freeBytes);
  for (const vm of vms) for (const [node, bytes] of vm.numa?.memoryBytes ?? []) if (node < free.length) free[node]! += bytes;
  const then: Host = {
    ...host,
    nodes: host.nodes.map((node, index) => ({ ...node, freeBytes: Math.min(node.memoryBytes, free[index]!) })),
  };
  // Without masks: the planner is asked, not the present settings.
  const specs = vms.map(({ spec }) => ({ ...spec, vcpusParams: {} }));
  const workload = await raise(originOf(then), specs, { profile, policy: 'best_effort', seed: 1 }, {});
  const outcomes = await startAll(workload, false);
  const map = workload.toolstack.snapshot();
  const all = host.cpus.length;
  const chosen = new Map<string, readonly number[]>();
  for (const outcome of outcomes) {
    const vcpu = map.domains.find((domain) => domain.domid === outcome.domid)?.vcpus[0];
    const soft = vcpu?.soft.filter((cpu) => host.cpus.some((one) => one.id === cpu)) ?? [];
    if (outcome.failure === null && soft.length > 0 && (soft.length < all || host.nodes.length === 1)) chosen.set(outcome.vm, soft);
  }
  return chosen;
}

/** Makes the changes, in their order. @param done told after each */
export async function applyPlacement(
  { session, told }: PoolAccess,
  changes: readonly PoolChange[],
  done: (change: PoolChange) => void,
): Promise<void> {
  for (const change of changes) {
    if (change.what === 'policy') await setPolicy(session, told, change.to);
    else {
      const ref = await session.call('VM.get_by_uuid', [change.uuid]);
      // The whole map in one call: between a removal and an addition the VM would have no mask.
      const params = Object.fromEntries(asMap(asRecord(await session.call('VM.get_VCPUs_params', [ref]))));
      await session.call('VM.set_VCPUs_params', [ref, { ...params, mask: change.to }]);
    }
    done(change);
  }
}

async function setPolicy(session: PoolAccess['session'], told: PoolHost, policy: string): Promise<void> {
  await session.call('host.set_numa_affinity_policy', [told.ref, policy]);
}
