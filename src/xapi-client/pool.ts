// Hosts and VMs of a pool, read once and narrowed: versions, policy, masks, memory, and the nodes
// that hold it. Changes nothing.
import type { VmKind, VmSpec } from '../machine/vm.js';
import type { XapiSession } from './session.js';
import { asMap, asNumber, asRecord, asText, isNull, type Json } from './values.js';

export interface PoolHost {
  readonly ref: string;
  readonly uuid: string;
  readonly name: string;
  /** Address of its management interface, where sshd listens too; '' = not reported. */
  readonly address: string;
  /** Host.numa_affinity_policy; null on hosts that are older than it. */
  readonly policy: string | null;
  /** Host.guest_VCPUs_params["mask"]. */
  readonly mask: string | null;
  /** Host.software_version. */
  readonly software: Readonly<Record<string, string>>;
  readonly cpuCount: number;
  readonly socketCount: number;
  /** cpu_info["nr_nodes"]; null if the host does not report it. */
  readonly nodeCount: number | null;
  readonly memoryTotalBytes: number;
  readonly memoryFreeBytes: number;
}

export interface PoolVm {
  readonly ref: string;
  readonly uuid: string;
  readonly power: string;
  /** Where it runs; null for one that does not. */
  readonly host: string | null;
  readonly domid: number | null;
  readonly controlDomain: boolean;
  readonly otherConfig: Readonly<Record<string, string>>;
  /** Its name is unique in the pool: those of the same name-label have their uuid behind it. */
  readonly spec: VmSpec;
  /**
   * VM_metrics.numa_nodes and its companions; null if the host does not report them, or the VM does
   * not run.
   */
  readonly numa: { readonly nodes: number; readonly optimised: boolean; readonly memoryBytes: ReadonlyMap<number, number> } | null;
}

export interface PoolView {
  readonly name: string;
  readonly hosts: readonly PoolHost[];
  /** No templates and no snapshots. */
  readonly vms: readonly PoolVm[];
}

export async function readPool(session: XapiSession): Promise<PoolView> {
  const [pools, hosts, hostMetrics, vms, vmMetrics] = await Promise.all(
    ['pool', 'host', 'host_metrics', 'VM', 'VM_metrics'].map((one) => session.records(one)),
  );
  const known = [...vms!].filter(([, vm]) => vm.is_a_template !== true && vm.is_a_snapshot !== true);
  const labels = new Map<string, number>();
  for (const [, vm] of known) labels.set(asText(vm.name_label), (labels.get(asText(vm.name_label)) ?? 0) + 1);
  return {
    name: asText([...pools!.values()][0]?.name_label),
    hosts: [...hosts!].map(([ref, host]) => poolHost(ref, host, hostMetrics!.get(asText(host.metrics)) ?? {})),
    vms: known.map(([ref, vm]) => {
      const label = asText(vm.name_label);
      const name = label === '' || labels.get(label)! > 1 ? `${label} (${asText(vm.uuid)})`.trim() : label;
      return poolVm(ref, vm, name, vmMetrics!.get(asText(vm.metrics)) ?? {});
    }),
  };
}

function poolHost(ref: string, host: Json, metrics: Json): PoolHost {
  const cpu = asRecord(host.cpu_info);
  const nodes = asNumber(cpu.nr_nodes);
  const mask = asRecord(host.guest_VCPUs_params).mask;
  return {
    ref,
    uuid: asText(host.uuid),
    name: asText(host.name_label),
    address: asText(host.address),
    policy: host.numa_affinity_policy === undefined ? null : asText(host.numa_affinity_policy),
    mask: mask === undefined ? null : asText(mask),
    software: Object.fromEntries(asMap(host.software_version)),
    cpuCount: asNumber(cpu.cpu_count),
    socketCount: asNumber(cpu.socket_count),
    nodeCount: Number.isNaN(nodes) ? null : nodes,
    memoryTotalBytes: asNumber(metrics.memory_total),
    memoryFreeBytes: asNumber(metrics.memory_free),
  };
}

function poolVm(ref: string, vm: Json, name: string, metrics: Json): PoolVm {
  const running = vm.power_state === 'Running' || vm.power_state === 'Paused';
  const domid = asNumber(vm.domid);
  const vcpusMax = Math.max(1, asNumber(vm.VCPUs_max) || 1);
  const staticMax = asNumber(vm.memory_static_max);
  return {
    ref,
    uuid: asText(vm.uuid),
    power: asText(vm.power_state),
    host: running && !isNull(asText(vm.resident_on)) ? asText(vm.resident_on) : null,
    domid: running && domid >= 0 ? domid : null,
    controlDomain: vm.is_control_domain === true,
    otherConfig: Object.fromEntries(asMap(vm.other_config)),
    spec: {
      name,
      kind: kindOf(vm, metrics),
      vcpusMax,
      vcpusAtStartup: Math.min(vcpusMax, Math.max(1, asNumber(vm.VCPUs_at_startup) || 1)),
      memoryStaticMaxBytes: staticMax,
      memoryTargetBytes: Math.min(staticMax, asNumber(vm.memory_dynamic_max) || staticMax),
      vcpusParams: Object.fromEntries(asMap(vm.VCPUs_params)),
    },
    numa: running && metrics.numa_nodes !== undefined ? numaOf(metrics) : null,
  };
}

function numaOf(metrics: Json): PoolVm['numa'] {
  const memoryBytes = new Map(asMap(metrics.numa_node_memory).map(([node, bytes]) => [Number(node), Number(bytes)]));
  // A host that has not measured yet says 0 nodes.
  return memoryBytes.size === 0 ? null : { nodes: asNumber(metrics.numa_nodes), optimised: metrics.numa_optimised === true, memoryBytes };
}

/** domain_type, or for `unspecified` what xapi derives it from: a boot policy makes a VM HVM. */
function kindOf(vm: Json, metrics: Json): VmKind {
  const types = [vm.domain_type, metrics.current_domain_type].map(asText);
  const type = types.find((one) => one !== '' && one !== 'unspecified');
  if (type === 'hvm' || type === 'pv') return type;
  if (type === 'pvh' || type === 'pv_in_pvh') return 'pvh';
  return asText(vm.HVM_boot_policy) === '' ? 'pv' : 'hvm';
}
