// The data of the page of `--html`, from each way in which a command knows a host.
import type { CapturedHost } from '../../live/capture/captured-host.js';
import type { HostMap } from '../../map/host-map.js';
import type { PageInput } from '../../page/page-inputs.js';
import type { PageWorkload } from '../../page/page-workload.js';
import { settingsOf, type Workload } from '../input/open-host.js';
import type { WorkloadOptions } from '../input/workload-options.js';
import { writePage } from './write-files.js';

/** The options that a plan of the same host takes; null where it did more than start VMs. */
export type PlanOptions = WorkloadOptions | null;

/** The embedded host with its VMs, each with the run that placed it. */
export async function pageOfWorkload(workload: Workload, options: PlanOptions): Promise<PageInput> {
  const { runsOfVms } = await import('../../page/host-runs.js');
  const { host, toolstack } = workload;
  const map = toolstack.snapshot();
  const runs = runsOfVms(toolstack.vms());
  return { map, notes: host.notes, profile: toolstack.profile, runs, workload: await planOf(workload, map, options) };
}

async function planOf({ host, vms, toolstack }: Workload, map: HostMap, options: PlanOptions): Promise<PageWorkload> {
  const { profile, policy, doors } = toolstack;
  // A copy of a running host has domains that are no VMs of the command.
  if (options === null || options.on !== undefined || options.from !== undefined) {
    const { workloadOfMap } = await import('../../page/page-workload.js');
    return workloadOfMap(map, doors.xc.version.xen, { profile, policy, seed: 1 });
  }
  const { xen, scheduler } = options;
  return {
    ...{ host, vms, settings: settingsOf({ ...options, profile }) },
    ...(xen === undefined ? {} : { xenVersion: xen }),
    ...(scheduler === undefined ? {} : { scheduler }),
    domids: Object.fromEntries(toolstack.vms().flatMap(({ spec, domid }) => (domid === null ? [] : [[spec.name, domid]]))),
  };
}

/** The page of the host, opened at why the VM is where it is. */
export async function writeWorkloadPage(file: string, workload: Workload, name: string, options: PlanOptions): Promise<void> {
  const input = await pageOfWorkload(workload, options);
  const domid = workload.toolstack.vms().find(({ spec }) => spec.name === name)?.domid ?? null;
  const key = domid ?? input.runs?.failed.find((failed) => failed.name === name)?.key;
  await writePage(file, 'embedded', [input], key === undefined ? {} : { view: `view=why&vm=${key}` });
}

export async function writeCapturePage(file: string, captured: CapturedHost, domid: number): Promise<void> {
  const { pageOfCapture } = await import('../../page/page-of-capture.js');
  await writePage(file, 'file', [await pageOfCapture(captured)], { view: `view=why&vm=${domid}` });
}
