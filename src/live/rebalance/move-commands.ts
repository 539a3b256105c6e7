// The commands that make the moves of a rebalancing plan: `xl vcpu-pin` for soft affinity, and a
// migration to the same host by the toolstack of the VM. Pure.
import { formatList } from '../../base/bitset.js';
import { shellWord } from '../../base/shell-word.js';
import type { FreeMove, Migration } from '../../planner/rebalance/problem.js';
import { qubePinCommand, qubeRestartCommand } from '../qubes.js';

/** How a VM is migrated. Commands look up what is not known. */
export interface MovedVm {
  /** unknown: the commands of both are given. */
  readonly toolstack: 'xapi' | 'xl' | 'qubes' | 'unknown';
  /** Unique among the VMs. */
  readonly name: string;
  readonly uuid?: string;
  readonly hostUuid?: string;
  /** VCPUs-params:mask as it is now; xapi only. */
  readonly mask?: string;
}

/** Words of a command; none needs a shell. */
export function pinCommand({ vm, cpus }: Pick<FreeMove, 'vm' | 'cpus'>): readonly string[] {
  return ['xl', 'vcpu-pin', String(vm), 'all', '-', formatList(cpus)];
}

/**
 * Lines of shell, in their order.
 * - xapi: a VM with a mask is built on the nodes of the mask (domain.ml:1158-1200 at e2ee48d6),
 *   and a migration to the same host is one of pool_migrate's cases (xapi_vm_migrate.ml:468-476).
 *   The mask is put back at the end, for the next starts. A VM that has the mask keeps it.
 * - xl: a domain whose config has soft affinity is built on those nodes (libxl_dom.c:161-202); the
 *   last `cpus_soft` of a config counts.
 * - qubes: a restart, with the template of the qube.
 */
export function migrationCommands(moved: MovedVm, move: Pick<Migration, 'cpus'>): string[] {
  const { toolstack, name, uuid, hostUuid, mask } = moved;
  const { cpus } = move;
  if (toolstack === 'unknown') {
    const of = (one: 'xapi' | 'xl') => migrationCommands({ ...moved, toolstack: one }, move);
    return ['# if xl runs the host:', ...of('xl'), '# if xapi runs the host:', ...of('xapi')];
  }
  if (toolstack === 'qubes') {
    const pin = qubePinCommand(name, cpus);
    return pin === null ? ['# moves with its qube'] : [pin, qubeRestartCommand(name)];
  }
  if (toolstack === 'xl') {
    const config = shellWord(`${name}.cfg`);
    return [`echo 'cpus_soft="${formatList(cpus)}"' >> ${config}`, `xl migrate -C ${config} ${shellWord(name)} localhost`];
  }
  const vm = `uuid=${uuid ?? `$(xe vm-list ${shellWord(`name-label=${name}`)} --minimal)`}`;
  const host = `host-uuid=${hostUuid ?? '$(xe host-list --minimal)'}`;
  const migrate = `xe vm-migrate ${vm} ${host} live=true`;
  // xapi ignores ranges: each CPU is written out.
  const wanted = cpus.join(',');
  if (mask === wanted) return [migrate];
  return [
    `xe vm-param-set ${vm} VCPUs-params:mask=${wanted}`,
    migrate,
    mask === undefined
      ? `xe vm-param-remove ${vm} param-name=VCPUs-params param-key=mask`
      : `xe vm-param-set ${vm} ${shellWord(`VCPUs-params:mask=${mask}`)}`,
  ];
}
