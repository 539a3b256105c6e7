// The runs of a host's VMs by the page's number for a VM: the domid, or a negative number for a VM
// that could not start.

import type { VmState } from '../xenopsd/api/toolstack.js';
import { type PageRun, pageRun } from './page-run.js';

export interface FailedVm {
  /** Below zero. */
  readonly key: number;
  readonly name: string;
  readonly reason: string;
}

export interface HostRuns {
  readonly failed: readonly FailedVm[];
  readonly runs: ReadonlyMap<number, readonly PageRun[]>;
}

const BUILDS: readonly string[] = ['start', 'reboot', 'migrate'];

/** The last build of a VM, and what changed it since; [] = not known here. */
export function runsOfVm({ outcomes }: VmState): readonly PageRun[] {
  const built = outcomes.findLastIndex(({ operation }) => BUILDS.includes(operation));
  return built < 0 ? [] : outcomes.slice(built).map(({ record }) => pageRun(record));
}

/** VMs whose last build failed, in the order of the toolstack: the first has -1. */
export function failedVms(vms: readonly VmState[]): readonly (Omit<FailedVm, 'name'> & { readonly vm: VmState })[] {
  return vms
    .flatMap((vm) => {
      const outcome = vm.outcomes.findLast(({ operation }) => BUILDS.includes(operation));
      return vm.domid !== null || outcome === undefined || outcome.failure === null ? [] : [{ vm, reason: outcome.failure.message }];
    })
    .map((failed, index) => ({ ...failed, key: -1 - index }));
}

export function runsOfVms(vms: readonly VmState[]): HostRuns {
  const failed = failedVms(vms);
  const running = vms.flatMap((vm): [number, readonly PageRun[]][] => (vm.domid === null ? [] : [[vm.domid, runsOfVm(vm)]]));
  return {
    failed: failed.map(({ key, vm, reason }) => ({ key, name: vm.spec.name, reason })),
    runs: new Map([...running, ...failed.map(({ key, vm }): [number, readonly PageRun[]] => [key, runsOfVm(vm)])]),
  };
}
